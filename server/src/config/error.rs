//! What keeps the server from starting as it was told to.

use super::notice::Origin;
use std::io;
use std::path::PathBuf;

/// A reason not to start. The text names the place and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A config file cannot be read.
    #[error("cannot read the config file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A config file is not in the syntax of Java properties.
    #[error("{}:{line}: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        problem: &'static str,
    },
    /// A value is not one of those allowed.
    #[error("{origin}: {key}={value} is not allowed: give {allowed}")]
    Value {
        /// Where it was given.
        origin: Origin,
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// A key without which there is nothing to serve.
    #[error("{key} is not set: {remedy}")]
    Missing {
        /// The key.
        key: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// The file `myid` does not say which of several servers this one is.
    #[error(
        "{} {problem}: with several server.N lines this file must hold the N of this server, which is one of {allowed}",
        path.display()
    )]
    MyId {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// The N of the `server.N` lines.
        allowed: String,
    },
    /// What this server remembers of the ensemble that it joined cannot be read.
    #[error(
        "cannot read {}: {problem}. It says which member of which ensemble this server is; restore it, or empty the data \
         folder and start the server with --join again",
        path.display()
    )]
    Remembered {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A key whose neglect would weaken security or data.
    #[error(
        "{origin}: {key} is not supported by treekeeper, and starting without it would be unsafe: {remedy}"
    )]
    Refused {
        /// Where it was given.
        origin: Origin,
        /// The key.
        key: String,
        /// What is missing, and what to do.
        remedy: &'static str,
    },
    /// Two settings that exclude each other.
    #[error("{origin}: {problem}")]
    Conflict {
        /// Where the latter of the two was given.
        origin: Origin,
        /// What excludes what.
        problem: String,
    },
    /// The command line does not make sense by itself.
    #[error("{0}")]
    Flags(String),
}
