//! What a [`StateMachine`](super::StateMachine) without a tree has in place of one: for tests, and for who measures what
//! consensus leaves to a server.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::machine::{Applied, Checkpoints};
use super::rules::Replicated;

/// There is no folder to make one of: members catch up entry by entry.
#[derive(Debug)]
pub struct NoCheckpoints;

impl Checkpoints for NoCheckpoints {
    fn make(&self, _name: &str) -> io::Result<PathBuf> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn incoming(&self, name: &str) -> PathBuf {
        PathBuf::from(name)
    }

    fn read(&self, _dir: &Path) -> io::Result<Applied> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// There is nothing that newer rules could change, and nobody to show the members to.
#[derive(Debug)]
pub struct FirstRules;

impl Replicated for FirstRules {
    fn supported(&self) -> u16 {
        1
    }

    fn rules(&self) -> u16 {
        1
    }

    fn hides_members(&self) -> bool {
        false
    }

    fn raise(&self, _rules: u16) -> Option<Bytes> {
        None
    }

    fn show_members(&self) -> Option<Bytes> {
        None
    }
}
