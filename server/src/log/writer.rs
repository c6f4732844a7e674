//! Writes the log: all that was taken with one write and one sync, then reports in order.
//!
//! Nobody waits for company: a batch is what queued up while the one before was synced. After a failed write or sync
//! nothing is written or acknowledged any more.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::atomic_file;
use super::disk::{Disk, LogFile};
use super::error::LogFailure;
use super::prepare::Preparer;
use super::queue::Job;
use super::record::{self, Position, Record, encoded_len, record_seed};
use super::segment::{
    ActiveHeader, BatchStart, HEADER_BLOCK_LEN, MARK_LEN, Mark, SegmentHeader, next_index,
};
use super::segments::{Segment, Shared, State};

/// Most bytes in one write. More are split, so that memory and the time of a sync stay bounded.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The batch buffer is given back above this size.
const BATCH_BYTES_KEPT: usize = 256 * 1024;

/// Each new segment is this many times as long as the one before, up to the full length: a small log stays small.
const SEGMENT_GROWTH: u64 = 4;

/// Called when the operation is durable, or never will be.
pub type Done = Box<dyn FnOnce(Durable) + Send>;

/// What a callback is told.
#[derive(Clone, Debug)]
pub struct Durable {
    /// Whether it is durable.
    pub result: Result<(), LogFailure>,
    /// Whether the same sync covered more, so that another callback follows at once.
    pub more: bool,
}

/// Called once, with the first failure.
pub type OnFailure = Box<dyn FnOnce(&LogFailure) + Send>;

/// Lengths of the files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SegmentLengths {
    pub(crate) first: u64,
    pub(crate) full: u64,
}

/// Where the next batch goes.
#[derive(Debug)]
pub(crate) struct Tip {
    /// The newest segment; `None` before the first batch of an empty log.
    pub(crate) segment: Option<Arc<Segment>>,
    /// Its end in bytes.
    pub(crate) end: u64,
    /// The last entry written.
    pub(crate) last: Option<Position>,
}

/// The end of the log, where all is written; one thread has it at a time.
pub(crate) struct Writer {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) vote_path: PathBuf,
    pub(crate) shared: Arc<Shared>,
    pub(crate) preparer: Preparer,
    pub(crate) lengths: SegmentLengths,
    pub(crate) tip: Tip,
    pub(crate) nonce: u64,
    pub(crate) on_failure: Option<OnFailure>,
    pub(crate) purged: Option<Position>,
    pub(crate) committed: Option<Position>,
    /// The records of the batch in the making.
    pub(crate) batch: Batch,
    /// To be told when all before it is durable.
    pub(crate) waiting: Vec<Done>,
    /// Whether something was written or purged that no mark speaks of yet.
    pub(crate) unmarked: bool,
}

impl fmt::Debug for Writer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Writer")
            .field("tip", &self.tip)
            .finish_non_exhaustive()
    }
}

/// The records of one write, without the mark before them.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    records: Vec<u8>,
    last: Option<Position>,
    term_starts: Vec<Position>,
}

impl Writer {
    /// Does the job, or adds it to the batch; `false` after the last one.
    pub(crate) fn take(&mut self, job: Job) -> bool {
        match job {
            Job::Append(records, done) => {
                for record in &records {
                    self.add(record);
                }
                self.waiting.push(done);
            }
            Job::Restart(position) => {
                self.flush();
                self.attempt(|writer| writer.restart(position));
            }
            Job::Purge(position) => {
                self.purged = Some(position);
                self.unmarked = true;
            }
            Job::Vote(vote, done) => {
                self.flush();
                self.attempt(|writer| atomic_file::write(&*writer.disk, &writer.vote_path, &vote));
                self.waiting.push(done);
                self.report();
            }
            Job::Unmarked => {}
            Job::Close => {
                self.flush();
                self.write_mark();
                return false;
            }
        }
        true
    }

    /// Adds the record to the batch, writing the batch first if there is no room for both.
    fn add(&mut self, record: &Record) {
        if self.shared.failure.get().is_some() {
            return;
        }
        let len = encoded_len(record.payload.len());
        let with_record = self.batch.records.len() + len;
        if !self.has_room(with_record) || with_record > BATCH_BYTES_MAX {
            self.attempt(Writer::write_batch);
        }
        // A record that exceeds a whole segment gets one to itself, which grows.
        if self.batch.records.is_empty() && !self.has_room(len) && !self.segment_is_empty() {
            self.attempt(|writer| {
                writer.begin_segment(writer.tip.last, writer.tip.segment.clone())
            });
        }
        let position = record.position;
        let before = self.batch.last.or(self.tip.last);
        if before.is_none_or(|before| before.term != position.term) {
            self.batch.term_starts.push(position);
        }
        let seed = record_seed(self.generation(), self.nonce);
        record::encode(
            &mut self.batch.records,
            seed,
            position,
            record.kind as u8,
            &record.payload,
        );
        self.batch.last = Some(position);
    }

    /// Whether the batch should be written before more is taken.
    pub(crate) fn is_batch_full(&self) -> bool {
        self.batch.records.len() >= BATCH_BYTES_MAX
    }

    fn generation(&self) -> u64 {
        self.tip
            .segment
            .as_ref()
            .map_or(0, |segment| segment.generation)
    }

    /// Whether a batch of this length fits into the segment, with space for a last mark.
    fn has_room(&self, records_len: usize) -> bool {
        let end = self.tip.end + (MARK_LEN + records_len + MARK_LEN) as u64;
        self.tip
            .segment
            .as_ref()
            .is_some_and(|segment| end <= segment.len)
    }

    fn segment_is_empty(&self) -> bool {
        self.tip.segment.is_some() && self.tip.end <= (HEADER_BLOCK_LEN + MARK_LEN) as u64
    }

    /// What a mark may say is committed.
    ///
    /// While a restart is queued, what is committed may lie in entries that replace some still in the file.
    fn committed(&mut self) -> Option<Position> {
        let state = self.shared.state.lock();
        if state.restarts_queued == 0 {
            self.committed = state.committed;
        }
        self.committed
    }

    /// Writes what is batched and reports to all that wait.
    pub(crate) fn flush(&mut self) {
        self.attempt(Writer::write_batch);
        self.report();
    }

    /// Writes a mark alone if something is unmarked.
    pub(crate) fn write_mark(&mut self) {
        if self.unmarked && self.tip.segment.is_some() {
            self.attempt(|writer| {
                writer.write(Vec::new(), None)?;
                writer.unmarked = false;
                Ok(())
            });
        }
        self.unmarked = false;
    }

    fn write_batch(&mut self) -> Result<(), LogFailure> {
        if self.batch.records.is_empty() {
            return Ok(());
        }
        self.write(Vec::new(), None)?;
        self.unmarked = true;
        Ok(())
    }

    /// Begins a segment whose first entry follows `before`, and makes that durable.
    ///
    /// Its mark is written with the header, so the first batch finds the segment like every other batch does.
    fn begin_segment(
        &mut self,
        before: Option<Position>,
        previous: Option<Arc<Segment>>,
    ) -> Result<(), LogFailure> {
        let prepared = self.preparer.take()?;
        self.preparer.request(
            prepared.generation + 1,
            next_segment_len(prepared.len, self.lengths),
        );
        let header = ActiveHeader {
            previous_generation: previous.map(|segment| segment.generation),
            before,
            committed: self.committed(),
            purged: self.purged,
        };
        let mut block = Vec::new();
        SegmentHeader {
            generation: prepared.generation,
            active: Some(header),
        }
        .encode(&mut block);
        let segment = Segment::new(
            prepared.path,
            prepared.file,
            prepared.len,
            prepared.generation,
            header,
        );
        let segment = Arc::new(segment);
        self.tip = Tip {
            segment: Some(Arc::clone(&segment)),
            end: 0,
            last: before,
        };
        self.write(block, Some(segment))
    }

    /// Goes on after the position, in a new segment.
    fn restart(&mut self, position: Option<Position>) -> Result<(), LogFailure> {
        let first_index = next_index(position);
        let segments = self.shared.state.lock().segments.clone();
        let beyond_end = first_index > next_index(self.tip.last);
        let keeps =
            |segment: &&Arc<Segment>| !beyond_end && segment.header.first_index() < first_index;
        if beyond_end {
            self.purged = position;
        }
        let previous = segments.iter().rev().find(keeps).cloned();
        self.begin_segment(position, previous)?;
        let dead: Vec<_> = {
            let mut state = self.shared.state.lock();
            state.restarts_queued -= 1;
            self.note_durable(&mut state);
            let newest = self.generation();
            state
                .segments
                .extract_if(.., |segment| {
                    segment.generation != newest
                        && (beyond_end || segment.header.first_index() >= first_index)
                })
                .collect()
        };
        drop(segments);
        for segment in dead {
            self.preparer.discard(segment);
        }
        Ok(())
    }

    /// One write and one sync: `block` (a segment's header, or nothing), a mark, the batch. Then all of it is durable.
    fn write(&mut self, mut block: Vec<u8>, new: Option<Arc<Segment>>) -> Result<(), LogFailure> {
        let segment = Arc::clone(
            self.tip
                .segment
                .as_ref()
                .expect("a segment was begun before anything is written"),
        );
        let batch = std::mem::take(&mut self.batch);
        let mark_at = self.tip.end + block.len() as u64;
        let mark = Mark {
            nonce: self.nonce,
            offset: mark_at,
            batch_len: batch.records.len() as u64,
            committed: self.committed(),
            purged: self.purged,
        };
        mark.encode(&mut block, segment.generation, self.tip.last);
        block.extend_from_slice(&batch.records);
        let begun = Instant::now();
        self.shared.stats.lock().begun = Some(begun);
        write_and_sync(&*segment.file, &block, self.tip.end)
            .map_err(|(action, source)| LogFailure::new(action, &segment.path)(source))?;
        self.count(block.len(), begun.elapsed());
        let start = BatchStart {
            first_index: next_index(self.tip.last),
            offset: mark_at,
        };
        self.tip.end += block.len() as u64;
        self.tip.last = batch.last.or(self.tip.last);
        segment.add_batch(start, self.tip.end, &batch.term_starts);
        self.published(new);
        self.reuse(batch);
        Ok(())
    }

    fn count(&self, bytes: usize, time: Duration) {
        let mut stats = self.shared.stats.lock();
        stats.writes += 1;
        stats.bytes += bytes as u64;
        stats.time += time;
        stats.time_max = stats.time_max.max(time);
        stats.begun = None;
    }

    /// Tells readers what became durable, and gives up the segments that a durable mark says are purged.
    fn published(&mut self, new: Option<Arc<Segment>>) {
        let first_needed = next_index(self.purged);
        let dead: Vec<_> = {
            let mut state = self.shared.state.lock();
            state.segments.extend(new);
            self.note_durable(&mut state);
            let needless = state
                .segments
                .iter()
                .skip(1)
                .take_while(|after| after.header.first_index() <= first_needed);
            let count = needless.count();
            state.segments.drain(..count).collect()
        };
        for segment in dead {
            self.preparer.discard(segment);
        }
    }

    /// Notes how far the log is durable, unless entries that are to be replaced lie there.
    fn note_durable(&self, state: &mut State) {
        if state.restarts_queued == 0 {
            state.durable_before = next_index(self.tip.last);
            state.recent.evict(state.durable_before);
            self.shared.progressed.notify_all();
        }
    }

    fn reuse(&mut self, mut batch: Batch) {
        if batch.records.capacity() <= BATCH_BYTES_KEPT {
            batch.records.clear();
            self.batch.records = batch.records;
        }
    }

    /// Runs the step unless something has failed before; a failure is the last thing that happens to this log.
    fn attempt(&mut self, step: impl FnOnce(&mut Writer) -> Result<(), LogFailure>) {
        if self.shared.failure.get().is_some() {
            return;
        }
        if let Err(failure) = step(self) {
            tracing::error!(%failure, "the log failed; nothing is acknowledged any more");
            self.batch = Batch::default();
            let failure = self.shared.failure.get_or_init(|| failure);
            // Whoever looked before is waiting now.
            drop(self.shared.state.lock());
            self.shared.progressed.notify_all();
            if let Some(on_failure) = self.on_failure.take() {
                on_failure(failure);
            }
        }
    }

    /// Tells all that wait what came of it.
    fn report(&mut self) {
        let failure = self.shared.failure.get();
        let mut waiting = self.waiting.drain(..).peekable();
        while let Some(done) = waiting.next() {
            done(Durable {
                result: failure.map_or(Ok(()), |failure| Err(failure.clone())),
                more: waiting.peek().is_some(),
            });
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.state.lock().closed = true;
        self.shared.progressed.notify_all();
    }
}

/// The length of the segment that follows one of length `len`.
pub(crate) fn next_segment_len(len: u64, lengths: SegmentLengths) -> u64 {
    len.saturating_mul(SEGMENT_GROWTH)
        .clamp(lengths.first, lengths.full)
}

fn write_and_sync(
    file: &dyn LogFile,
    bytes: &[u8],
    offset: u64,
) -> Result<(), (&'static str, std::io::Error)> {
    file.write_all_at(bytes, offset)
        .map_err(|source| ("write", source))?;
    file.sync().map_err(|source| ("sync", source))
}
