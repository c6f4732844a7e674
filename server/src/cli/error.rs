//! Why a verb failed, as one line for stderr.

use std::io;

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    #[error("{server}: {source}")]
    Connect {
        /// The connect string.
        server: String,
        source: treekeeper_client::Error,
    },
    #[error("{path}: {source}")]
    Path {
        path: String,
        source: treekeeper_client::Error,
    },
    #[error("{0}")]
    Session(#[from] treekeeper_client::Error),
    #[error("{path}: znode does not exist")]
    NoZnode { path: String },
    #[error("no answer in time")]
    Timeout,
    #[error("the watch has ended: {0}")]
    WatchEnded(String),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl CliError {
    /// The error of an operation on a znode.
    pub(super) fn at(path: &str) -> impl FnOnce(treekeeper_client::Error) -> Self {
        move |source| match source {
            // It names the path itself.
            treekeeper_client::Error::InvalidPath { .. } => Self::Session(source),
            source => Self::Path {
                path: path.to_owned(),
                source,
            },
        }
    }

    pub(super) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}
