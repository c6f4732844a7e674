//! What can be wrong with the log: [`LogError`] when it is opened or read, [`LogFailure`] when it cannot be written.
//!
//! Both stop the process. There is no error here that a client could be told about.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

/// Why the log cannot be opened or read.
#[derive(Debug, Error)]
pub enum LogError {
    /// Another process has the folder.
    #[error("the log folder {} is in use by another process", dir.display())]
    Locked {
        /// The log's folder.
        dir: PathBuf,
    },
    /// Bytes that were durable are not what was written.
    #[error("the log file {} is damaged at offset {offset}: {reason}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where in the file the damage begins, in bytes.
        offset: u64,
        /// What is wrong there.
        reason: &'static str,
    },
    /// A file of the log is not there.
    #[error("the log file {} is missing: the log has a hole before index {before}", file.display())]
    Missing {
        /// The file.
        file: PathBuf,
        /// First index behind the hole.
        before: u64,
    },
    /// The file was written by a later release.
    #[error("the file {} has format version {found}, this release reads up to {supported}", file.display())]
    NewerVersion {
        /// The file.
        file: PathBuf,
        /// The version in the file.
        found: u32,
        /// The highest version that this release reads.
        supported: u32,
    },
    /// The entries were removed from the log already.
    #[error("the log entries before index {first} are purged, asked for {asked}")]
    Purged {
        /// First index still in the log.
        first: u64,
        /// The index asked for.
        asked: u64,
    },
    /// The operating system refused an operation.
    #[error("cannot {action} {}: {source}", file.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        file: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
}

impl LogError {
    /// Makes an [`LogError::Io`] of an operating system's error.
    pub(crate) fn io(action: &'static str, file: &Path) -> impl FnOnce(io::Error) -> LogError {
        let file = file.to_path_buf();
        move |source| LogError::Io {
            action,
            file,
            source,
        }
    }
}

impl From<LogError> for io::Error {
    fn from(error: LogError) -> io::Error {
        match error {
            LogError::Io { ref source, .. } => io::Error::new(source.kind(), error),
            LogError::Damaged { .. } | LogError::Missing { .. } => {
                io::Error::new(io::ErrorKind::InvalidData, error)
            }
            other => io::Error::other(other),
        }
    }
}

/// The first failed write or sync. Nothing is acknowledged after it, and nothing is tried again.
#[derive(Clone, Debug, Error)]
#[error("the log cannot be written, cannot {action} {}: {source}{}", file.display(), hint(source))]
pub struct LogFailure {
    /// What was tried.
    pub action: &'static str,
    /// The file.
    pub file: PathBuf,
    /// The operating system's error.
    pub source: Arc<io::Error>,
}

impl LogFailure {
    pub(crate) fn new(action: &'static str, file: &Path) -> impl FnOnce(io::Error) -> LogFailure {
        let file = file.to_path_buf();
        move |source| LogFailure {
            action,
            file,
            source: Arc::new(source),
        }
    }
}

impl From<LogFailure> for io::Error {
    fn from(failure: LogFailure) -> io::Error {
        io::Error::new(failure.source.kind(), failure)
    }
}

/// What an operator should know of the error beyond its text.
fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; the disk is full: free space, then start again"
        }
        io::ErrorKind::ReadOnlyFilesystem => "; the file system is read-only",
        _ => "",
    }
}
