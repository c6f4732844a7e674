//! The log: segment files, written by one thread with one sync for all that waits.
//!
//! In: entries in order, truncations, purges, the vote. Out: a callback when they are durable; entries, read back from
//! memory or disk. An entry is readable as soon as [`Log::append`] returns, and safe when its callback ran. What an
//! opening log can and cannot tell about damage is written down in [`segment`]. After a failed write or sync nothing
//! is acknowledged any more.
//!
//! Not here: what entries mean, who leads, what is committed (`consensus`).

pub(crate) mod atomic_file;
mod chain;
mod disk;
mod error;
mod prepare;
mod queue;
mod reader;
mod recent;
mod record;
pub mod segment;
mod segments;
#[cfg(test)]
pub(crate) mod simulated;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt::{self, Debug};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

pub use disk::{Disk, LockGuard, LogFile, RealDisk};
pub use error::{LogError, LogFailure};
pub use queue::JOBS_MAX;
pub use reader::{LogReader, LogStats};
pub use record::{Position, Record, RecordKind};
pub use writer::{Done, Durable, OnFailure};

use prepare::Preparer;
use queue::{Job, Queue};
use recent::Recent;
use segment::next_index;
use segments::{Shared, State};
use writer::{Batch, SegmentLengths, Tip, Writer};

/// The file that is locked while a process has the log open.
const LOCK_FILE: &str = "lock";

/// The file that holds the vote.
const VOTE_FILE: &str = "vote";

/// How the log uses disk and memory.
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    /// Length of a segment file in bytes. The first ones are shorter.
    pub segment_bytes: u64,
    /// Length of the first segment file in bytes.
    pub first_segment_bytes: u64,
    /// Bytes of durable entries kept in memory for readers.
    pub recent_bytes: usize,
}

impl Default for LogOptions {
    fn default() -> LogOptions {
        LogOptions {
            segment_bytes: 32 << 20,
            first_segment_bytes: 1 << 20,
            recent_bytes: 4 << 20,
        }
    }
}

/// The log's one writing handle.
///
/// Invariants:
/// * indexes are contiguous from the purged position to [`LogReader::last`];
/// * callbacks run in the order of their calls, on the writer's thread or in [`Log::append_here`];
/// * no callback reports success for something that a power cut could take back.
pub struct Log {
    reader: LogReader,
    queue: Queue,
    // Last, so that it is released when no thread of this log touches the folder any more.
    _lock: LockGuard,
}

impl Debug for Log {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Log")
            .field("last", &self.reader.last())
            .finish_non_exhaustive()
    }
}

impl Log {
    /// Opens the log in the folder, which is created where it is missing.
    ///
    /// `on_failure` is called once, on the writer's thread, with the first write or sync that fails.
    ///
    /// # Errors
    /// When the folder is in use or cannot be written, when a file is missing or from a later release, and when bytes
    /// that were durable are not what was written.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: LogOptions,
        on_failure: OnFailure,
    ) -> Result<Log, LogError> {
        disk.create_dir(dir).map_err(LogError::io("create", dir))?;
        let lock_path = dir.join(LOCK_FILE);
        let lock = disk.lock(&lock_path).map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => LogError::Locked {
                dir: dir.to_path_buf(),
            },
            _ => LogError::io("lock", &lock_path)(error),
        })?;
        // A killed process may have left names that only the kernel knows. They count from here on.
        disk.sync_dir(dir).map_err(LogError::io("sync", dir))?;
        let vote_path = dir.join(VOTE_FILE);
        let vote = atomic_file::read(&*disk, &vote_path)?;
        let chain = chain::open(&*disk, dir)?;

        let first = options.first_segment_bytes.min(options.segment_bytes);
        let lengths = SegmentLengths {
            first,
            full: options.segment_bytes,
        };
        let mut preparer = Preparer::start(Arc::clone(&disk), dir.to_path_buf(), lengths.full)
            .map_err(LogError::io("start a thread for", dir))?;
        let newest = chain.segments.last().cloned();
        let len = newest.as_ref().map_or(lengths.first, |segment| {
            writer::next_segment_len(segment.len, lengths)
        });
        preparer.begin(chain.prepared, chain.generation + 1, len);

        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                segments: chain.segments,
                recent: Recent::new(options.recent_bytes),
                last: chain.last,
                durable_before: next_index(chain.last),
                closed: false,
                committed: chain.committed,
                purged: chain.purged,
                vote,
                restarts_queued: 0,
            }),
            progressed: Condvar::new(),
            failure: OnceLock::new(),
            stats: Mutex::default(),
        });
        let writer = Writer {
            disk,
            vote_path,
            shared: Arc::clone(&shared),
            preparer,
            lengths,
            tip: Tip {
                segment: newest,
                end: chain.end,
                last: chain.last,
            },
            nonce: rand::random(),
            on_failure: Some(on_failure),
            purged: chain.purged,
            committed: chain.committed,
            batch: Batch::default(),
            waiting: Vec::new(),
            unmarked: chain.last.is_some(),
        };
        let queue = Queue::start(writer).map_err(LogError::io("start a thread for", dir))?;
        Ok(Log {
            reader: LogReader { shared },
            queue,
            _lock: lock,
        })
    }

    /// A handle that reads.
    pub fn reader(&self) -> LogReader {
        self.reader.clone()
    }

    /// Appends the entries. They are readable when this returns, and durable when `done` is called.
    ///
    /// # Panics
    /// When the entries do not follow the last one.
    pub fn append(&mut self, records: Vec<Record>, done: Done) {
        self.note(&records);
        self.queue.send(Job::Append(records, done));
    }

    /// [`Log::append`] that writes and syncs before it returns, on the caller's thread, if nothing is queued.
    ///
    /// # Panics
    /// When the entries do not follow the last one.
    pub fn append_here(&mut self, records: Vec<Record>, done: Done) {
        self.note(&records);
        self.queue.send_or_do(Job::Append(records, done));
    }

    /// Makes the entries readable.
    fn note(&mut self, records: &[Record]) {
        {
            let mut state = self.reader.shared.state.lock();
            for record in records {
                let next = next_index(state.last);
                assert_eq!(
                    record.position.index, next,
                    "entries are appended without a gap"
                );
                state.last = Some(record.position);
                state.recent.push(record.clone());
            }
        }
    }

    /// Removes the entries after the position; durable before whatever is appended next.
    pub fn truncate_after(&mut self, position: Option<Position>) {
        {
            let mut state = self.reader.shared.state.lock();
            if next_index(position) >= next_index(state.last) {
                return;
            }
            state.last = position;
            state.durable_before = state.durable_before.min(next_index(position));
            state.recent.truncate(next_index(position));
            state.restarts_queued += 1;
        }
        self.queue.send(Job::Restart(position));
    }

    /// Gives up the entries up to the position. A position beyond the last entry makes the log go on after it.
    pub fn purge_to(&mut self, position: Position) {
        let beyond_end = {
            let mut state = self.reader.shared.state.lock();
            if position.index < next_index(state.purged) {
                return;
            }
            state.purged = Some(position);
            state.recent.drop_before(position.index + 1);
            let beyond_end = position.index >= next_index(state.last);
            if beyond_end {
                state.last = Some(position);
                state.restarts_queued += 1;
            }
            beyond_end
        };
        self.queue.send(if beyond_end {
            Job::Restart(Some(position))
        } else {
            Job::Purge(position)
        });
    }

    /// Saves the vote; durable when `done` is called.
    pub fn save_vote(&mut self, vote: Bytes, done: Done) {
        self.reader.shared.state.lock().vote = Some(vote.clone());
        self.queue.send(Job::Vote(vote, done));
    }

    /// Notes what is committed. It reaches the disk with the next batch, or with the mark on closing.
    pub fn set_committed(&mut self, position: Option<Position>) {
        self.reader.shared.state.lock().committed = position;
    }

    /// Makes everything durable and ends. Dropping the log does the same, without the result.
    ///
    /// # Errors
    /// The failure after which nothing was written any more, if there was one.
    pub fn close(self) -> Result<(), LogFailure> {
        let reader = self.reader();
        drop(self);
        reader.failure().map_or(Ok(()), Err)
    }
}
