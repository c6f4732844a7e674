//! The log of a member as its disk keeps it: what was not synced is lost in a crash, all of it or a part.
//!
//! In: openraft's entries and votes. Out: completions some time later, in order, as the writer of the server's log gives
//! them. An entry is readable as soon as it is appended. A crash keeps everything that was completed, and of the rest
//! any beginning: the server's log cuts a torn tail at its first damaged record.
//! Not here: segment files, which have tests of their own.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::time::Duration;

use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{AsyncRuntime, OptionalSend};
use openraft_rt_sim::SimRuntime;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::oneshot;

use crate::time::now;
use crate::types::{LogId, RaftEntry, RaftVote, Types};

/// A sync takes so many microseconds at least, and mostly less than three times as many.
const SYNC_US: u64 = 100;
/// Of so many syncs one is slow.
const SLOW_SYNC_ONE_IN: u32 = 200;
/// A slow one takes up to so many milliseconds.
const SLOW_SYNC_MS_MAX: u64 = 200;

/// What a disk does not do as it should: to see that the checks notice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DiskFault {
    /// Nothing.
    #[default]
    None,
    /// It says that it has synced what it then loses.
    ForgetsSynced,
    /// It keeps a flushed tree before the log that the tree came from, as two disks may: a crash between leaves a tree
    /// that is ahead of its log, on which a server refuses to start.
    TreeBeforeLog,
}

/// A member's disk. It outlives the member's processes.
#[derive(Clone)]
pub(crate) struct Disk {
    shared: Arc<Mutex<Inner>>,
}

struct Inner {
    rng: StdRng,
    fault: DiskFault,
    /// Which start of the process owns it; the work of earlier ones comes too late.
    owner: u64,
    /// What is read.
    now: Image,
    /// What a crash cannot take away.
    synced: Image,
    /// What lies between the two, in order.
    unsynced: VecDeque<Change>,
    /// When the last sync that was begun ends.
    busy_until: Duration,
    committed: Option<LogId>,
}

#[derive(Clone, Default)]
struct Image {
    entries: BTreeMap<u64, RaftEntry>,
    vote: Option<RaftVote>,
}

/// Kept twice: in what is read, and in what is to be synced.
#[derive(Clone)]
enum Change {
    Append(RaftEntry),
    Truncate(u64),
    Vote(RaftVote),
}

impl Image {
    fn apply(&mut self, change: Change) {
        match change {
            Change::Append(entry) => {
                self.entries.insert(entry.log_id.index, entry);
            }
            Change::Truncate(first) => drop(self.entries.split_off(&first)),
            Change::Vote(vote) => self.vote = Some(vote),
        }
    }
}

impl Disk {
    pub(crate) fn new(seed: u64, fault: DiskFault) -> Self {
        let inner = Inner {
            rng: StdRng::seed_from_u64(seed),
            fault,
            owner: 0,
            now: Image::default(),
            synced: Image::default(),
            unsynced: VecDeque::new(),
            busy_until: Duration::ZERO,
            committed: None,
        };
        Self {
            shared: Arc::new(Mutex::new(inner)),
        }
    }

    /// A process starts on it: its number, counted from 1.
    pub(crate) fn open(&self) -> u64 {
        let mut inner = self.shared.lock();
        inner.owner += 1;
        inner.owner
    }

    /// Where the log ends that a crash leaves for sure.
    pub(crate) fn synced_index(&self) -> Option<u64> {
        let inner = self.shared.lock();
        inner.synced.entries.keys().next_back().copied()
    }

    /// Where the log ends.
    pub(crate) fn last_index(&self) -> Option<u64> {
        self.shared.lock().now.entries.keys().next_back().copied()
    }

    pub(crate) fn store(&self, owner: u64) -> Store {
        Store {
            owner,
            shared: Arc::clone(&self.shared),
        }
    }

    /// The power goes: what was not synced is lost from some point on.
    pub(crate) fn crash(&self) {
        let mut inner = self.shared.lock();
        let inner = &mut *inner;
        inner.owner += 1;
        let kept = inner.rng.random_range(0..=inner.unsynced.len());
        for change in std::mem::take(&mut inner.unsynced).into_iter().take(kept) {
            inner.synced.apply(change);
        }
        if inner.fault == DiskFault::ForgetsSynced && inner.rng.random_ratio(1, 2) {
            for _ in 0..inner.rng.random_range(1..20) {
                inner.synced.entries.pop_last();
            }
        }
        inner.now = inner.synced.clone();
        inner.busy_until = Duration::ZERO;
        // Written now and then in the server, so it may be an older one, or none.
        if inner.rng.random_ratio(1, 3) {
            inner.committed = None;
        }
        let last = inner.now.entries.keys().next_back().copied();
        if inner
            .committed
            .is_some_and(|at| last.is_none_or(|last| at.index > last))
        {
            inner.committed = None;
        }
    }
}

/// One process's hold on a disk.
#[derive(Clone)]
pub(crate) struct Store {
    owner: u64,
    shared: Arc<Mutex<Inner>>,
}

fn gone() -> io::Error {
    io::Error::other("the process has crashed")
}

impl Store {
    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> io::Result<T> {
        let mut inner = self.shared.lock();
        if inner.owner == self.owner {
            Ok(work(&mut inner))
        } else {
            Err(gone())
        }
    }

    /// Makes the change, to be synced later: completes when it is.
    fn write(&self, changes: Vec<Change>) -> io::Result<oneshot::Receiver<io::Result<()>>> {
        let count = changes.len();
        let pause = self.with(|inner| {
            for change in changes {
                inner.now.apply(change.clone());
                inner.unsynced.push_back(change);
            }
            let slow = inner.rng.random_ratio(1, SLOW_SYNC_ONE_IN);
            let took = match slow {
                true => Duration::from_millis(inner.rng.random_range(1..=SLOW_SYNC_MS_MAX)),
                false => Duration::from_micros(inner.rng.random_range(SYNC_US..SYNC_US * 3)),
            };
            let at = now();
            inner.busy_until = inner.busy_until.max(at) + took;
            inner.busy_until - at
        })?;
        let (sender, synced) = oneshot::channel();
        let store = self.clone();
        let _detached = SimRuntime::spawn(async move {
            SimRuntime::sleep(pause).await;
            let done = store.with(|inner| {
                for change in inner.unsynced.drain(..count) {
                    inner.synced.apply(change);
                }
            });
            // Who waited may have gone.
            let _ = sender.send(done);
        });
        Ok(synced)
    }
}

impl RaftLogReader<Types> for Store {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<RaftEntry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let bounds: (Bound<u64>, Bound<u64>) =
            (range.start_bound().cloned(), range.end_bound().cloned());
        self.with(|inner| {
            let entries = inner.now.entries.range(bounds);
            entries.map(|(_, entry)| entry.clone()).collect()
        })
    }

    async fn read_vote(&mut self) -> io::Result<Option<RaftVote>> {
        self.with(|inner| inner.now.vote)
    }
}

impl RaftLogStorage<Types> for Store {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        self.with(|inner| LogState {
            last_purged_log_id: None,
            last_log_id: inner
                .now
                .entries
                .values()
                .next_back()
                .map(|last| last.log_id),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &RaftVote) -> io::Result<()> {
        let synced = self.write(vec![Change::Vote(*vote)])?;
        synced.await.unwrap_or_else(|_gone| Err(gone()))
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        self.with(|inner| inner.committed = committed)
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        self.with(|inner| inner.committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = RaftEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let synced = self.write(entries.into_iter().map(Change::Append).collect())?;
        let _detached = SimRuntime::spawn(async move {
            let done = synced.await.unwrap_or_else(|_gone| Err(gone()));
            callback.io_completed(done);
        });
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let first = last.map_or(0, |last| last.index + 1);
        // Nobody waits for it: it is synced before whatever is appended behind it.
        self.write(vec![Change::Truncate(first)]).map(drop)
    }

    async fn purge(&mut self, _up_to: LogId) -> io::Result<()> {
        // Everything is kept: trees that are sent whole have tests of their own.
        Ok(())
    }
}
