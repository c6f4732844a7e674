//! The log's state that its writer and its readers share: live segments, recent entries, positions.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

use super::disk::LogFile;
use super::error::LogFailure;
use super::recent::Recent;
use super::record::Position;
use super::segment::{ActiveHeader, BATCH_START_SPACING, BatchStart, Scan};

/// One live segment file.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn LogFile>,
    /// Length of the file in bytes.
    pub(crate) len: u64,
    pub(crate) generation: u64,
    pub(crate) header: ActiveHeader,
    /// Where reading can start; `None` until the file was checked.
    places: Mutex<Option<Places>>,
}

/// Where the batches of a checked segment lie.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) batches: Vec<BatchStart>,
    /// The end of the last one.
    pub(crate) end: u64,
    pub(crate) term_starts: Vec<Position>,
}

impl Segment {
    pub(crate) fn new(
        path: PathBuf,
        file: Arc<dyn LogFile>,
        len: u64,
        generation: u64,
        header: ActiveHeader,
    ) -> Segment {
        Segment {
            path,
            file,
            len,
            generation,
            header,
            places: Mutex::new(None),
        }
    }

    /// Takes in what a scan of the file found.
    pub(crate) fn set_scan(&self, scan: Scan) {
        let places = Places {
            batches: scan.batches,
            end: scan.end,
            term_starts: scan.term_starts,
        };
        *self.places.lock() = Some(places);
    }

    /// Looks at what is known of the file without copying it.
    pub(crate) fn with_places<T>(&self, look: impl FnOnce(Option<&Places>) -> T) -> T {
        look(self.places.lock().as_ref())
    }

    /// Where to read for the index: the offset of a mark at or before it, and the next such offset or the end.
    pub(crate) fn window(&self, index: u64) -> Option<(u64, u64)> {
        let places = self.places.lock();
        let places = places.as_ref()?;
        let after = places
            .batches
            .partition_point(|start| start.first_index <= index);
        let from = places.batches.get(after.checked_sub(1)?)?.offset;
        let to = places
            .batches
            .get(after)
            .map_or(places.end, |start| start.offset);
        Some((from, to))
    }

    /// Takes in a batch that became durable.
    pub(crate) fn add_batch(&self, start: BatchStart, end: u64, term_starts: &[Position]) {
        let mut places = self.places.lock();
        let places = places.get_or_insert_with(|| Places {
            batches: Vec::new(),
            end,
            term_starts: Vec::new(),
        });
        if places
            .batches
            .last()
            .is_none_or(|last| start.offset - last.offset >= BATCH_START_SPACING)
        {
            places.batches.push(start);
        }
        places.end = end;
        places.term_starts.extend_from_slice(term_starts);
    }
}

/// What writer, handle and readers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) state: Mutex<State>,
    /// Told when [`State::durable_before`] rises, of the failure, and of the end.
    pub(crate) progressed: Condvar,
    /// Set once, by the first failed write or sync.
    pub(crate) failure: OnceLock<LogFailure>,
    pub(crate) stats: Mutex<Counts>,
}

/// What the writer has done.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) writes: u64,
    pub(crate) bytes: u64,
    pub(crate) time: Duration,
    pub(crate) time_max: Duration,
    /// When the write that runs now was begun.
    pub(crate) begun: Option<Instant>,
}

/// The log as its callers see it: what was appended counts at once, durable or not.
#[derive(Debug)]
pub(crate) struct State {
    /// Oldest first. Entries of a segment end where the next one begins.
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) recent: Recent,
    pub(crate) last: Option<Position>,
    /// The entries before this index are durable, or replaced by what is further.
    pub(crate) durable_before: u64,
    /// The writer is gone: nothing more becomes durable.
    pub(crate) closed: bool,
    pub(crate) committed: Option<Position>,
    pub(crate) purged: Option<Position>,
    pub(crate) vote: Option<Bytes>,
    /// Restarts that the writer has not come to: entries from there on are replaced, so its progress says nothing of them.
    pub(crate) restarts_queued: u32,
}
