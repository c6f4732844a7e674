//! Where a setting came from, and what is said about it at start.

use std::fmt;
use std::path::PathBuf;

/// Where a setting was given. Files come before flags, and lines in their order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A line of a file, counted from 1.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// The line on which the key stands.
        line: usize,
    },
    /// The command line, as it was typed.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Flag(typed) => f.write_str(typed),
        }
    }
}

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Nothing is lost by it.
    Info,
    /// Somebody should look.
    Warning,
}

/// One line for the log about one key, said at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How much it matters.
    pub level: Level,
    /// Where the key was given.
    pub origin: Origin,
    /// What there is to know, the key included.
    pub text: String,
}

impl Notice {
    pub(super) fn info(origin: &Origin, text: String) -> Self {
        Self {
            level: Level::Info,
            origin: origin.clone(),
            text,
        }
    }

    pub(super) fn warning(origin: &Origin, text: String) -> Self {
        Self {
            level: Level::Warning,
            origin: origin.clone(),
            text,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.text)
    }
}
