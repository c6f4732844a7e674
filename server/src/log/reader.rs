//! Reads entries: from memory where they are recent, otherwise from the segment files.
//!
//! A segment that was written before this process began is checked as a whole when it is first read, and every record
//! again each time. Bytes that are not what was written are an error with file and offset, never an entry.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::disk::LogFile;
use super::error::{LogError, LogFailure};
use super::record::{self, Position, Record, record_seed};
use super::segment::{self, Mark, SegmentHeader, next_index};
use super::segments::{Places, Segment, Shared};

/// What the log did since it was opened, and what it takes on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogStats {
    /// Writes, each with its sync.
    pub writes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Time spent in writes and their syncs.
    pub write_time: Duration,
    /// The longest of them.
    pub write_time_max: Duration,
    /// How long the one that runs now has been running: a disk that hangs shows here.
    pub writing_for: Option<Duration>,
    /// Segment files with entries.
    pub files: usize,
    /// Their length in bytes.
    pub file_bytes: u64,
}

/// Reads the log; cheap to clone, and independent of its writer.
#[derive(Clone, Debug)]
pub struct LogReader {
    pub(crate) shared: Arc<Shared>,
}

impl LogReader {
    /// The last entry, durable or not; the purged position where there is none after it.
    pub fn last(&self) -> Option<Position> {
        self.shared.state.lock().last
    }

    /// Waits until the entry at this index, and all before it, are durable here. False when they never will be, as the
    /// log has failed or is closed.
    #[must_use]
    pub fn wait_durable(&self, index: u64) -> bool {
        let mut state = self.shared.state.lock();
        while state.durable_before <= index {
            if state.closed || self.shared.failure.get().is_some() {
                return false;
            }
            self.shared.progressed.wait(&mut state);
        }
        true
    }

    /// The last entry that was purged.
    pub fn purged(&self) -> Option<Position> {
        self.shared.state.lock().purged
    }

    /// What was last recorded as committed.
    pub fn committed(&self) -> Option<Position> {
        self.shared.state.lock().committed
    }

    /// The vote, as it was last given to be saved.
    pub fn vote(&self) -> Option<Bytes> {
        self.shared.state.lock().vote.clone()
    }

    /// The first failed write or sync, after which nothing is acknowledged.
    pub fn failure(&self) -> Option<LogFailure> {
        self.shared.failure.get().cloned()
    }

    /// What the log did since it was opened, and what it takes on disk.
    pub fn stats(&self) -> LogStats {
        let (files, file_bytes) = {
            let state = self.shared.state.lock();
            (
                state.segments.len(),
                state.segments.iter().map(|segment| segment.len).sum(),
            )
        };
        let counts = self.shared.stats.lock();
        LogStats {
            writes: counts.writes,
            written_bytes: counts.bytes,
            write_time: counts.time,
            write_time_max: counts.time_max,
            writing_for: counts.begun.map(|begun| begun.elapsed()),
            files,
            file_bytes,
        }
    }

    /// The first index that would be left if the newest files of at least this many bytes were kept.
    pub fn first_index_within(&self, bytes: u64) -> u64 {
        let state = self.shared.state.lock();
        let mut total = 0;
        for segment in state.segments.iter().rev() {
            total += segment.len;
            if total >= bytes {
                return segment.header.first_index();
            }
        }
        next_index(state.purged)
    }

    /// The entries of the range that the log has, up to about `bytes_max` of payload but at least one.
    ///
    /// # Errors
    /// [`LogError::Purged`] where the range begins before the first entry, or what reading the files gives.
    ///
    /// # Panics
    /// When the segments do not cover the log: a broken invariant of this module.
    pub fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<Record>, LogError> {
        let mut records: Vec<Record> = Vec::new();
        let mut bytes = 0;
        let mut next = range.start;
        loop {
            let (segment, entries_before, until) = {
                let state = self.shared.state.lock();
                let first = next_index(state.purged);
                let end = range.end.min(next_index(state.last));
                if next >= end || (bytes >= bytes_max && !records.is_empty()) {
                    return Ok(records);
                }
                if next < first {
                    return Err(LogError::Purged { first, asked: next });
                }
                let recent = state.recent.first_index().unwrap_or(end);
                if recent <= next {
                    records.append(
                        &mut state
                            .recent
                            .read(next..end, bytes_max.saturating_sub(bytes)),
                    );
                    return Ok(records);
                }
                // An entry that is not recent is durable, so a segment has it.
                let after = state
                    .segments
                    .partition_point(|segment| segment.header.first_index() <= next);
                let segment = after
                    .checked_sub(1)
                    .map(|at| Arc::clone(&state.segments[at]));
                let segment =
                    segment.expect("the oldest segment begins at or before the first entry");
                let bound = state
                    .segments
                    .get(after)
                    .map(|segment| segment.header.first_index());
                // What the file holds from here on may be truncated, and replaced by entries in memory only.
                (
                    segment,
                    bound,
                    end.min(recent).min(bound.unwrap_or(u64::MAX)),
                )
            };
            ensure_checked(&segment, entries_before)?;
            let found = read_window(&segment, next..until)?;
            for record in found {
                if bytes >= bytes_max && !records.is_empty() {
                    return Ok(records);
                }
                bytes += record.payload.len();
                next = record.position.index + 1;
                records.push(record);
            }
        }
    }

    /// The entries after the purged position whose term is not that of the entry before, oldest first.
    ///
    /// # Errors
    /// What reading the files gives. Only segments in which the term changes are read.
    pub fn term_starts(&self) -> Result<Vec<Position>, LogError> {
        let (segments, last, first, recent) = {
            let state = self.shared.state.lock();
            (
                state.segments.clone(),
                state.last,
                next_index(state.purged),
                state.recent.term_starts(),
            )
        };
        let mut starts: Vec<Position> = Vec::new();
        for (at, segment) in segments.iter().enumerate() {
            let following = segments.get(at + 1).map(|segment| segment.header);
            let end = following.map_or(last, |header| header.before);
            let before = segment.header.before;
            if before.map(|position| position.term) == end.map(|position| position.term) {
                continue;
            }
            ensure_checked(segment, following.map(|header| header.first_index()))?;
            let within = |start: &&Position| start.index < next_index(end);
            segment.with_places(|places| {
                starts.extend(
                    places
                        .into_iter()
                        .flat_map(|places| &places.term_starts)
                        .filter(within),
                );
            });
        }
        starts.extend(recent);
        starts.sort_unstable_by_key(|start| start.index);
        let mut term = segments
            .first()
            .and_then(|oldest| oldest.header.before)
            .map(|before| before.term);
        starts.retain(|start| term.replace(start.term) != Some(start.term));
        starts.retain(|start| start.index >= first);
        Ok(starts)
    }
}

/// The file's bytes.
pub(crate) fn read_all(file: &dyn LogFile, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Checks the whole segment, unless that was done.
fn ensure_checked(segment: &Segment, entries_before: Option<u64>) -> Result<(), LogError> {
    if segment.is_checked() {
        return Ok(());
    }
    let bytes =
        read_all(&*segment.file, segment.len).map_err(LogError::io("read", &segment.path))?;
    let header = SegmentHeader {
        generation: segment.generation,
        active: Some(segment.header),
    };
    let scan = segment::scan(&bytes, &header, entries_before)
        .map_err(|error| damaged(segment, error.offset, error.reason))?;
    segment.set_scan(scan);
    Ok(())
}

/// The entries of the range that lie between two known places, at least the first of the range.
fn read_window(segment: &Segment, range: Range<u64>) -> Result<Vec<Record>, LogError> {
    let missing = |offset| damaged(segment, offset, "an entry is missing");
    let (from, to) = segment.window(range.start).ok_or_else(|| missing(0))?;
    let len =
        usize::try_from(to - from).expect("a window is part of a file that was read as a whole");
    let mut bytes = vec![0; len];
    segment
        .file
        .read_exact_at(&mut bytes, from)
        .map_err(LogError::io("read", &segment.path))?;
    let bytes = Bytes::from(bytes);
    let mut records = Vec::new();
    let mut at = 0;
    let mut seed = 0;
    while at < bytes.len() {
        let offset = from + at as u64;
        if let Some((mark, raw)) = Mark::decode(&bytes, at, offset, segment.generation) {
            seed = record_seed(segment.generation, mark.nonce);
            at = raw.next;
            continue;
        }
        let raw = record::decode(&bytes, at, seed);
        let Some((raw, kind)) = raw.and_then(|raw| Some((raw, raw.record_kind()?))) else {
            return Err(damaged(
                segment,
                offset,
                "the checksum of an entry is wrong",
            ));
        };
        at = raw.next;
        if raw.position.index >= range.end {
            break;
        }
        if raw.position.index >= range.start {
            let payload = bytes.slice(raw.payload_at..raw.payload_at + raw.payload_len);
            records.push(Record {
                position: raw.position,
                kind,
                payload,
            });
        }
    }
    if records.is_empty() {
        Err(missing(from))
    } else {
        Ok(records)
    }
}

fn damaged(segment: &Segment, offset: u64, reason: &'static str) -> LogError {
    LogError::Damaged {
        file: segment.path.clone(),
        offset,
        reason,
    }
}

impl Segment {
    fn is_checked(&self) -> bool {
        self.with_places(|places: Option<&Places>| places.is_some())
    }
}
