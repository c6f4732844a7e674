//! The log as openraft sees it.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds, RangeInclusive};
use std::sync::Arc;

use futures::{Stream, stream};
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{EntryPayload, OptionalSend};
use tokio::sync::{Semaphore, oneshot};

use super::encoding::{
    decode_membership, decode_vote, encode_membership, encode_vote, log_id, position,
};
use super::in_flight::InFlight;
use super::types::{Command, LogId, RaftEntry, RaftPayload, RaftVote, Types};
use crate::log::{Durable, JOBS_MAX, Log, LogReader, Record, RecordKind};

/// Appends that wait for the log's writer. Fewer than its queue holds, so handing over never blocks a thread.
const APPENDS_MAX: usize = JOBS_MAX / 2;

/// Bytes read from the log at once for applying and replicating.
const READ_BYTES_MAX: usize = 1024 * 1024;

/// The writing side; openraft's core owns it.
#[derive(Debug)]
pub(crate) struct LogStore {
    log: Log,
    room: Arc<Semaphore>,
    in_flight: InFlight,
    /// Other members wait for this thread, too, so it never waits for the disk.
    has_peers: bool,
}

impl LogStore {
    pub(crate) fn new(log: Log, in_flight: InFlight, has_peers: bool) -> LogStore {
        LogStore {
            log,
            room: Arc::new(Semaphore::new(APPENDS_MAX)),
            in_flight,
            has_peers,
        }
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = StoreReader;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        let reader = self.log.reader();
        Ok(LogState {
            last_purged_log_id: reader.purged().map(log_id),
            last_log_id: reader.last().map(log_id),
        })
    }

    async fn get_log_reader(&mut self) -> StoreReader {
        StoreReader {
            log: self.log.reader(),
        }
    }

    async fn save_vote(&mut self, vote: &RaftVote) -> io::Result<()> {
        let (sender, saved) = oneshot::channel();
        // If the receiver is gone, so is the core.
        self.log.save_vote(
            encode_vote(vote),
            Box::new(move |durable| drop(sender.send(durable.result))),
        );
        saved
            .await
            .map_err(|_gone| io::Error::other("the thread that writes the log is gone"))??;
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        self.log.set_committed(committed.map(position));
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.log.reader().committed().map(log_id))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = RaftEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let records: Vec<Record> = entries.into_iter().map(record).collect();
        let alone = match records.as_slice() {
            [one] => !self.has_peers && self.in_flight.is_alone(one.payload.len()),
            _ => false,
        };
        let room = Arc::clone(&self.room)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let done = move |durable: Durable| {
            drop(room);
            // openraft keeps the newest completion only, and its task that waits for them sleeps a millisecond when
            // two come within a microsecond. So one sync gives one word.
            if !durable.more || durable.result.is_err() {
                callback.io_completed(durable.result.map_err(io::Error::from));
            }
        };
        if alone {
            // Nobody else waits for this thread, and a lone client saves the two wake-ups of handing it over.
            self.log.append_here(records, Box::new(done));
        } else {
            self.log.append(records, Box::new(done));
        }
        // Lets the task run that takes the completion, before more is appended.
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        self.log.truncate_after(last.map(position));
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        self.log.purge_to(position(upto));
        Ok(())
    }
}

/// The reading side; apply and every replication task have one.
#[derive(Clone, Debug)]
pub(crate) struct StoreReader {
    log: LogReader,
}

impl RaftLogReader<Types> for StoreReader {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<RaftEntry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = bounds(&range);
        let start = start.max(self.log.purged().map_or(0, |purged| purged.index + 1));
        self.chunks(start, end)
            .try_fold(Vec::new(), |mut all, chunk| {
                all.extend(chunk?);
                Ok(all)
            })
    }

    async fn read_vote(&mut self) -> io::Result<Option<RaftVote>> {
        let Some(bytes) = self.log.vote() else {
            return Ok(None);
        };
        decode_vote(&bytes)
            .map(Some)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the vote is unreadable"))
    }

    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = io::Result<RaftEntry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = bounds(&range);
        stream::iter(self.chunks(start, end).flat_map(|chunk| {
            let (entries, error) = match chunk {
                Ok(entries) => (entries, None),
                Err(error) => (Vec::new(), Some(error)),
            };
            entries.into_iter().map(Ok).chain(error.map(Err))
        }))
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> io::Result<Vec<RaftEntry>> {
        self.chunks(start, end)
            .next()
            .unwrap_or_else(|| Ok(Vec::new()))
    }

    async fn get_key_log_ids(&mut self, range: RangeInclusive<LogId>) -> io::Result<Vec<LogId>> {
        // The last entry of each term: the one before the next term begins, and the last of all.
        let mut last_of_terms = Vec::new();
        let mut term = range.start().leader_id.term;
        for start in self.log.term_starts()? {
            if start.index > range.start().index && start.index <= range.end().index {
                last_of_terms.push(log_id(crate::log::Position {
                    index: start.index - 1,
                    term,
                }));
                term = start.term;
            }
        }
        last_of_terms.push(*range.end());
        Ok(last_of_terms)
    }
}

impl StoreReader {
    /// The entries from `start` to before `end`, in pieces of bounded size.
    fn chunks(
        &self,
        start: u64,
        end: u64,
    ) -> impl Iterator<Item = io::Result<Vec<RaftEntry>>> + Send + use<> {
        let log = self.log.clone();
        let mut next = start;
        std::iter::from_fn(move || {
            if next >= end {
                return None;
            }
            match log.read(next..end, READ_BYTES_MAX) {
                Ok(records) => {
                    next = records.last()?.position.index + 1;
                    Some(records.into_iter().map(raft_entry).collect())
                }
                Err(error) => {
                    next = end;
                    Some(Err(error.into()))
                }
            }
        })
    }
}

fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

/// The record of the entry.
pub(crate) fn record(entry: RaftEntry) -> Record {
    let (kind, payload) = match entry.payload {
        EntryPayload::Blank => (RecordKind::Blank, bytes::Bytes::new()),
        EntryPayload::Normal(command) => (RecordKind::Command, command.0),
        EntryPayload::Membership(membership) => {
            (RecordKind::Membership, encode_membership(&membership))
        }
    };
    Record {
        position: position(entry.log_id),
        kind,
        payload,
    }
}

/// The entry that the record holds.
pub(crate) fn raft_entry(record: Record) -> io::Result<RaftEntry> {
    let payload = match record.kind {
        RecordKind::Blank => RaftPayload::Blank,
        RecordKind::Command => RaftPayload::Normal(Command(record.payload)),
        RecordKind::Membership => {
            let membership = decode_membership(&record.payload).ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the members in the log are unreadable",
                )
            })?;
            RaftPayload::Membership(membership)
        }
    };
    Ok(RaftEntry {
        log_id: log_id(record.position),
        payload,
    })
}
