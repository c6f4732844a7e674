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
    #[error(
        "no answer in time; the servers may still be at it: look at `treekeeper member list`, or give more --timeout"
    )]
    SlowTimeout,
    #[error("{source}: {advice}")]
    Members {
        source: treekeeper_client::Error,
        /// What can be done about it.
        advice: &'static str,
    },
    #[error(
        "the server stands alone and has no members: start others with `treekeeper serve --join`, or give it server.N lines \
         for all, its own among them, and start it again"
    )]
    StandsAlone,
    #[error("server {id} is no member: look at `treekeeper member list`")]
    NoMember { id: u8 },
    #[error("server {id} has a vote already")]
    VotesAlready { id: u8 },
    /// What is wrong is on stdout already.
    #[error("not all servers serve")]
    NotWell,
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
