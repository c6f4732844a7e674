//! Whether the data folders may be used at all, checked before anything is written to them.

use super::Config;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A data folder that must not be used as it is.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The folder holds the data of a ZooKeeper.
    #[error(
        "{} holds the data of an Apache ZooKeeper, which treekeeper cannot read yet; starting beside it would look \
         like an empty database. Give an empty folder as dataDir (and dataLogDir) and copy the znodes over with a \
         client while both servers run, or go on with ZooKeeper. Nothing in the folder was changed",
        folder.display()
    )]
    ZooKeeperData {
        /// ZooKeeper's folder.
        folder: PathBuf,
    },
    /// The folder does not exist and must not be created.
    #[error("the data folder {} does not exist, and datadir.autocreate=false forbids creating it", folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder is empty and must not become a new database.
    #[error(
        "the data folder {} is empty, and db.autocreate=false forbids a new database in it: restore the data, or \
         create the file {} to allow it",
        folder.display(), folder.join("initialize").display()
    )]
    Empty {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder cannot be looked into.
    #[error("cannot read the data folder {}: {source}", folder.display())]
    Unreadable {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Checks that the data folders hold our data or nothing; changes nothing.
///
/// # Errors
/// When they hold a ZooKeeper's data beside none of ours, when they must exist and do not, when they cannot be read.
pub fn check_data_dir(config: &Config) -> Result<(), DataDirError> {
    let storage = &config.storage;
    let ours = storage.tree_dir().exists() || storage.log_dir().exists();
    for folder in [&storage.data_dir, &storage.data_log_dir] {
        let entries = match fs::read_dir(folder) {
            Ok(_) => zookeeper_data(folder),
            Err(error) if error.kind() == io::ErrorKind::NotFound && storage.create_folders => {
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DataDirError::Missing {
                    folder: folder.clone(),
                });
            }
            Err(error) => Err(error),
        };
        match entries {
            Ok(Some(version_2)) if !ours => {
                return Err(DataDirError::ZooKeeperData { folder: version_2 });
            }
            Ok(_) => {}
            Err(source) => {
                return Err(DataDirError::Unreadable {
                    folder: folder.clone(),
                    source,
                });
            }
        }
    }
    if !storage.create_database && !ours && !storage.data_dir.join("initialize").exists() {
        return Err(DataDirError::Empty {
            folder: storage.data_dir.clone(),
        });
    }
    Ok(())
}

/// The folder with a ZooKeeper's snapshots, logs or epochs in or below `folder`; somebody may also name
/// `version-2` itself.
fn zookeeper_data(folder: &Path) -> io::Result<Option<PathBuf>> {
    for candidate in [folder.join("version-2"), folder.to_owned()] {
        let entries = match fs::read_dir(&candidate) {
            Ok(entries) => entries,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                continue;
            }
            Err(error) => return Err(error),
        };
        for entry in entries {
            if is_zookeeper_file(&entry?.file_name().to_string_lossy()) {
                return Ok(Some(candidate));
            }
        }
    }
    Ok(None)
}

fn is_zookeeper_file(name: &str) -> bool {
    let is_zxid = |text: &str| {
        let digits = text.split('.').next().unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let numbered = name
        .strip_prefix("snapshot.")
        .or_else(|| name.strip_prefix("log."));
    numbered.is_some_and(is_zxid) || matches!(name, "currentEpoch" | "acceptedEpoch")
}
