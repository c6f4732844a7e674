//! How a member runs.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::proposal::OnRefused;
use crate::log::{Disk, LogOptions, RealDisk};

/// Settings of one member.
#[derive(Clone)]
pub struct Options {
    /// The log's folder, which belongs to this process alone.
    pub dir: PathBuf,
    /// How the other members reach this one; opaque here.
    pub address: String,
    /// How often a leader is heard without news.
    pub heartbeat: Duration,
    /// A member that heard no leader for a random time of at least this stands for election.
    pub election_timeout_min: Duration,
    /// And of at most this, which is also how long a leader's lease lasts.
    pub election_timeout_max: Duration,
    /// Segment files and memory of the log.
    pub log: LogOptions,
    /// Bytes of log files kept below what the state machine has flushed, for members that are behind.
    pub log_kept_bytes: u64,
    /// Bytes of proposals handed over and not applied yet.
    pub in_flight_bytes_max: u32,
    /// Receives proposals that were not placed.
    pub on_refused: OnRefused,
    /// The disk under the log.
    pub disk: Arc<dyn Disk>,
}

impl Options {
    /// The defaults, for a log in the folder.
    pub fn new(dir: impl Into<PathBuf>, on_refused: OnRefused) -> Options {
        Options {
            dir: dir.into(),
            address: String::new(),
            heartbeat: Duration::from_millis(40),
            election_timeout_min: Duration::from_millis(100),
            election_timeout_max: Duration::from_millis(150),
            log: LogOptions::default(),
            log_kept_bytes: 1 << 30,
            in_flight_bytes_max: 64 << 20,
            on_refused,
            disk: Arc::new(RealDisk),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Options")
            .field("dir", &self.dir)
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}
