//! Wire conformance: raw frames against a server, the same cases for treekeeper and Apache ZooKeeper.
//!
//! In: a server's addresses from the environment (`target`). Out: one line per case on stdout (`suite`).
//! Not here: the project's own record types. Frames are spelled out by number (`bytes`, `request`), so that
//! a mistake in the `protocol` crate cannot agree with itself.

pub(crate) mod bytes;
mod cases;
pub(crate) mod outcome;
pub(crate) mod pace;
pub(crate) mod raw_client;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod socket;
pub(crate) mod suite;
pub(crate) mod target;

/// Runs every wire case whose name contains one of the command line's words (all without words).
pub fn run() -> std::process::ExitCode {
    suite::main(cases::register)
}
