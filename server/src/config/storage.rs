//! Folders, the memory budget, and what is kept on disk.

use super::error::ConfigError;
use super::memory;
use super::settings::{Base, Settings};
use std::path::PathBuf;
use std::time::Duration;

/// Where data is and how much of it stays in memory. Local to this server.
#[derive(Clone, Debug)]
pub struct StorageSettings {
    /// `dataDir`: what the operator gave; our files are in [`StorageSettings::tree_dir`] below it.
    pub data_dir: PathBuf,
    /// `dataLogDir`: what the operator gave, `dataDir` by default; our log is in [`StorageSettings::log_dir`] below it.
    pub data_log_dir: PathBuf,
    /// `datadir.autocreate`: whether missing folders are created.
    pub create_folders: bool,
    /// `db.autocreate`: whether an empty folder may become a new database without a file `initialize` in it.
    pub create_database: bool,
    /// `treekeeper.cacheSize`: bytes of memory for znodes.
    pub cache_bytes: u64,
    /// `treekeeper.logRetention`: bytes of log that are kept although the tree no longer needs them, if it is given.
    pub log_retention_bytes: Option<u64>,
    /// `fsync.warningthresholdms`: a sync of the log that takes longer is worth a warning.
    pub fsync_warning_threshold: Duration,
}

/// Our folder below `dataDir` and `dataLogDir`, as ZooKeeper's is `version-2`.
const FOLDER: &str = "treekeeper-1";
/// Less cannot hold what one request touches.
const CACHE_BYTES_MIN: u64 = 1 << 20;
/// A server alone keeps log for nobody: it fills new files with zeros for less long before it uses old ones again.
const LOG_RETENTION_ALONE: u64 = 64 << 20;
const LOG_RETENTION_ENSEMBLE: u64 = 256 << 20;

impl StorageSettings {
    /// Bytes of log that are kept although the tree no longer needs them: members that were away for a while catch up
    /// from them, and those that were away for longer get a checkpoint.
    #[must_use]
    pub fn log_retention(&self, is_alone: bool) -> u64 {
        let default = match is_alone {
            true => LOG_RETENTION_ALONE,
            false => LOG_RETENTION_ENSEMBLE,
        };
        self.log_retention_bytes.unwrap_or(default)
    }

    /// Our folder in `dataDir`.
    #[must_use]
    pub fn data_folder(&self) -> PathBuf {
        self.data_dir.join(FOLDER)
    }

    /// Our folder in `dataLogDir`, the same one unless that is set.
    #[must_use]
    pub fn data_log_folder(&self) -> PathBuf {
        self.data_log_dir.join(FOLDER)
    }

    /// The folder of the tree.
    #[must_use]
    pub fn tree_dir(&self) -> PathBuf {
        self.data_folder().join("tree")
    }

    /// The folder of the log.
    #[must_use]
    pub fn log_dir(&self) -> PathBuf {
        self.data_log_folder().join("log")
    }

    pub(super) fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let folder = |key| settings.parsed(key, "a folder", |path| Some(PathBuf::from(path)));
        let data_dir = match (folder("dataDir")?, settings.base) {
            (Some(path), _) => path,
            (None, Base::Embedded) => PathBuf::from("data"),
            (None, Base::ZooKeeper) => {
                let remedy =
                    "say where the data goes; add dataDir=/var/lib/treekeeper to the config file";
                return Err(ConfigError::Missing {
                    key: "dataDir",
                    remedy,
                });
            }
        };
        Ok(Self {
            data_log_dir: folder("dataLogDir")?.unwrap_or_else(|| data_dir.clone()),
            data_dir,
            create_folders: settings.flag("datadir.autocreate", true)?,
            create_database: settings.flag("db.autocreate", true)?,
            cache_bytes: match settings.bytes("treekeeper.cacheSize", CACHE_BYTES_MIN)? {
                Some(bytes) => bytes,
                None => (memory::available_bytes() / 4).max(CACHE_BYTES_MIN),
            },
            log_retention_bytes: settings.bytes("treekeeper.logRetention", 0)?,
            fsync_warning_threshold: settings
                .millis("fsync.warningthresholdms", 1)?
                .unwrap_or(Duration::from_secs(1)),
        })
    }
}
