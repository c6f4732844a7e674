//! openraft's conformance suite for log stores.

use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::{Stream, StreamExt};
use openraft::storage::{
    EntryResponder, IOFlushed, LogState, RaftLogReader, RaftLogStorage, RaftSnapshotBuilder,
    RaftStateMachine,
};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf};
use openraft::{OptionalSend, StorageError};

use super::super::encoding::{decode_stored_membership, log_id};
use super::super::in_flight::InFlight;
use super::super::log_store::{LogStore, StoreReader};
use super::super::machine::{self, FlushedTree, Payload};
use super::super::types::{LogId, RaftEntry, RaftVote, StoredMembership, Types};
use crate::log::simulated::SimulatedDisk;
use crate::log::{Log, LogOptions, Position};

/// The suite begins logs at any index; ours begin at 0, or after a purge. This makes the difference invisible.
struct AnyStart {
    store: LogStore,
    begun_after: Option<LogId>,
}

impl RaftLogReader<Types> for AnyStart {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<RaftEntry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        self.store
            .get_log_reader()
            .await
            .try_get_log_entries(range)
            .await
    }

    async fn read_vote(&mut self) -> io::Result<Option<RaftVote>> {
        self.store.get_log_reader().await.read_vote().await
    }
}

impl RaftLogStorage<Types> for AnyStart {
    type LogReader = StoreReader;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        let mut state = self.store.get_log_state().await?;
        state.last_purged_log_id = state
            .last_purged_log_id
            .filter(|purged| Some(*purged) != self.begun_after);
        Ok(state)
    }

    async fn get_log_reader(&mut self) -> StoreReader {
        self.store.get_log_reader().await
    }

    async fn save_vote(&mut self, vote: &RaftVote) -> io::Result<()> {
        self.store.save_vote(vote).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        self.store.save_committed(committed).await
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        self.store.read_committed().await
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = RaftEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<_> = entries.into_iter().collect();
        let empty = self.store.get_log_state().await?.last_log_id.is_none();
        if let Some(before) = entries
            .first()
            .and_then(|first| first.log_id.index.checked_sub(1))
            .filter(|_| empty)
        {
            self.begun_after = Some(log_id(Position {
                index: before,
                term: 0,
            }));
            self.store
                .purge(log_id(Position {
                    index: before,
                    term: 0,
                }))
                .await?;
        }
        self.store.append(entries, callback).await
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        self.store.truncate_after(last).await
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        self.begun_after = None;
        self.store.purge(upto).await
    }
}

/// A tree that is nothing but its position. The suite moves it by snapshots without files.
#[derive(Default)]
struct PositionOnly {
    at: (Option<LogId>, StoredMembership),
}

impl PositionOnly {
    fn snapshot(&self) -> SnapshotOf<Types, FlushedTree> {
        let (last_log_id, last_membership) = self.at.clone();
        SnapshotOf::<Types, FlushedTree> {
            meta: SnapshotMetaOf::<Types> {
                last_log_id,
                last_membership,
            },
            snapshot: FlushedTree::Received(PathBuf::new()),
        }
    }
}

struct Ready(Option<SnapshotOf<Types, FlushedTree>>);

impl RaftSnapshotBuilder<Types> for Ready {
    type SnapshotData = FlushedTree;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<Types, FlushedTree>> {
        Ok(self.0.take().unwrap())
    }
}

impl RaftStateMachine<Types> for PositionOnly {
    type SnapshotData = FlushedTree;
    type SnapshotBuilder = Ready;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        Ok(self.at.clone())
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + OptionalSend,
    {
        while let Some(next) = entries.next().await {
            let (entry, _) = next?;
            self.at.0 = Some(entry.log_id);
            // Through the bytes that a tree keeps, so that they are tested too.
            if let Payload::Membership(bytes) = machine::entry(entry).payload {
                self.at.1 = decode_stored_membership(&bytes).unwrap();
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Ready {
        Ready(Some(self.snapshot()))
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMetaOf<Types>,
        _tree: FlushedTree,
    ) -> io::Result<()> {
        self.at = (meta.last_log_id, meta.last_membership.clone());
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf<Types, FlushedTree>>> {
        Ok(self.at.0.is_some().then(|| self.snapshot()))
    }
}

struct Stores {
    options: LogOptions,
}

impl StoreBuilder<Types, AnyStart, PositionOnly> for Stores {
    async fn build(&self) -> Result<((), AnyStart, PositionOnly), StorageError<Types>> {
        let disk = Arc::new(SimulatedDisk::new());
        let log = Log::open(disk, Path::new("/log"), self.options, Box::new(|_| {})).unwrap();
        let store = AnyStart {
            store: LogStore::new(log, InFlight::new(1 << 20), false),
            begun_after: None,
        };
        Ok(((), store, PositionOnly::default()))
    }
}

async fn run(options: LogOptions) {
    Suite::<Types, AnyStart, PositionOnly, Stores, ()>::test_all(Stores { options })
        .await
        .unwrap();
}

#[tokio::test]
async fn the_log_passes_openrafts_suite() {
    run(LogOptions {
        segment_bytes: 64 << 10,
        first_segment_bytes: 16 << 10,
        recent_bytes: 1 << 20,
    })
    .await;
}

#[tokio::test]
async fn the_log_passes_openrafts_suite_reading_from_disk() {
    // A batch fills a segment, and no durable entry stays in memory.
    run(LogOptions {
        segment_bytes: 4500,
        first_segment_bytes: 4500,
        recent_bytes: 0,
    })
    .await;
}
