//! The state machine behind consensus, and how openraft sees it.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use openraft::EntryPayload;
use openraft::storage::{ApplyResponder, EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf};
use parking_lot::Mutex;

use super::checkpoint::Outgoing;
use super::encoding::{decode_stored_membership, encode_stored_membership, log_id};
use super::next_proposal::NextProposal;
use super::types::{LogId, RaftEntry, StoredMembership, Types};
use crate::config::Member;
use crate::log::{LogReader, Position};

/// Entries given to [`StateMachine::apply`] at once.
const APPLY_ENTRIES_MAX: usize = 1024;

/// Bytes of commands given to [`StateMachine::apply`] at once, unless a single one has more.
const APPLY_BYTES_MAX: usize = 1024 * 1024;

/// How far a state machine has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Index of the last applied entry.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// The bytes of the last applied [`Payload::Membership`]; empty if there was none.
    pub membership: Bytes,
}

/// A committed entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the log.
    pub index: u64,
    /// The term of the leader that placed it. Never falls.
    pub term: u64,
    /// What it carries.
    pub payload: Payload,
}

/// What an entry carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Nothing: a leader's first entry.
    Blank,
    /// A proposed command.
    Command(Bytes),
    /// The members of the ensemble; opaque, to be kept with the index and given back in [`Applied::membership`].
    Membership(Bytes),
}

/// The lines of the members in a [`Payload::Membership`], as clients may read them: `/zookeeper/config`. None while the
/// members are changing, and for a server alone.
#[must_use]
pub fn member_lines(membership: &[u8]) -> Option<Vec<String>> {
    let stored = decode_stored_membership(membership)?;
    let membership = stored.membership();
    let [voters] = membership.get_joint_config().as_slice() else {
        return None;
    };
    let mut members = Vec::new();
    for (node, known) in membership.nodes() {
        members.push(Member::with_vote(&known.addr, voters.contains(node))?);
    }
    members.sort_by_key(|member| member.id);
    Some(members.iter().map(Member::line).collect())
}

/// Index of the log entry that brought the members in a [`Payload::Membership`].
#[must_use]
pub fn membership_index(membership: &[u8]) -> Option<u64> {
    let stored = decode_stored_membership(membership)?;
    stored.log_id().as_ref().map(|at| at.index)
}

/// What committed entries are applied to.
///
/// All calls come from one task at a time, in log order. They may use the CPU and wait for the local disk, never for
/// the network. A panic stops the member: [`super::Consensus::failed`] fires and nothing more is applied.
///
/// A state machine may be behind the log after a restart; it is then given again exactly the entries after
/// [`StateMachine::applied`].
pub trait StateMachine: Send + 'static {
    /// How far it has come; `None` before the first entry.
    fn applied(&self) -> Option<Applied>;

    /// How far it has come for good: a restart after a power cut begins there or later. The log before may go.
    fn flushed(&self) -> Option<Applied>;

    /// The log that the entries come from. It may be durable less far than what is applied: what is made durable of the
    /// state must not overtake it, or a power cut leaves a state that nobody can go on from.
    fn follow(&mut self, log: LogReader);

    /// Applies the entries, which follow [`StateMachine::applied`] without a gap. Replies and events go out from here.
    fn apply(&mut self, batch: Vec<Entry>);

    /// Was the last entry the only write of a client that has nothing else in flight, as nobody has? Its next proposal
    /// may come at once.
    fn expects_next(&self) -> bool {
        false
    }

    /// What it can give to other members, and take from them.
    fn checkpoints(&self) -> Arc<dyn Checkpoints>;

    /// Index at which it began, if it came from another member.
    fn received(&self) -> Option<u64>;

    /// Goes on with the tree in this folder, a received and synced checkpoint that is further than this one. After a
    /// crash it is the old tree or this one that the next start opens.
    ///
    /// # Errors
    /// When it cannot be opened. The process should end.
    fn install(&mut self, dir: &Path) -> io::Result<()>;
}

/// Whole trees as files. Called on threads that may wait for the disk.
pub trait Checkpoints: Send + Sync + 'static {
    /// Makes a checkpoint of the flushed tree in a new folder of this name, without holding anybody up.
    ///
    /// # Errors
    /// Those of the disk.
    fn make(&self, name: &str) -> io::Result<PathBuf>;

    /// The folder to receive one in.
    fn incoming(&self, name: &str) -> PathBuf;

    /// How far the tree in the folder reaches.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    fn read(&self, dir: &Path) -> io::Result<Applied>;
}

/// openraft's view of a [`StateMachine`].
pub(crate) struct MachineAdapter {
    // Never locked: openraft asks for `Sync`, and all access is through `&mut`.
    machine: Mutex<Box<dyn StateMachine>>,
    outgoing: Arc<Outgoing>,
    next: NextProposal,
}

/// A whole tree, as openraft hands it around.
#[derive(Clone)]
pub(crate) enum FlushedTree {
    /// The one that lies flushed on this member's disk. A transfer to another member begins by making a checkpoint.
    Here(Arc<dyn Checkpoints>),
    /// One that came from another member, in this folder.
    Received(PathBuf),
}

impl fmt::Debug for FlushedTree {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlushedTree::Here(_) => formatter.write_str("Here"),
            FlushedTree::Received(dir) => formatter.debug_tuple("Received").field(dir).finish(),
        }
    }
}

impl MachineAdapter {
    pub(super) fn new(
        machine: Box<dyn StateMachine>,
        outgoing: Arc<Outgoing>,
        next: NextProposal,
    ) -> MachineAdapter {
        MachineAdapter {
            machine: Mutex::new(machine),
            outgoing,
            next,
        }
    }

    /// How far the machine has come.
    pub(crate) fn applied(&mut self) -> Option<Applied> {
        self.machine.get_mut().applied()
    }

    fn here(&mut self) -> FlushedTree {
        FlushedTree::Here(self.machine.get_mut().checkpoints())
    }

    /// How far the machine has come for good.
    pub(crate) fn flushed(&mut self) -> Option<Position> {
        let flushed = self.machine.get_mut().flushed()?;
        Some(Position {
            index: flushed.index,
            term: flushed.term,
        })
    }

    fn flushed_meta(&mut self) -> io::Result<SnapshotMetaOf<Types>> {
        let (last_log_id, last_membership) = log_state(self.machine.get_mut().flushed())?;
        Ok(SnapshotMetaOf::<Types> {
            last_log_id,
            last_membership,
        })
    }

    /// Applies the batch and lets go of the proposals' share of memory.
    fn apply_batch(
        &mut self,
        batch: &mut Vec<Entry>,
        responders: &mut Vec<ApplyResponder<Types>>,
    ) -> io::Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let machine = self.machine.get_mut();
        let entries = std::mem::take(batch);
        // A panic here would end openraft's apply task only, and the member would hang.
        catch_unwind(AssertUnwindSafe(|| machine.apply(entries)))
            .map_err(|_panic| io::Error::other("the state machine panicked"))?;
        if machine.expects_next() {
            self.next.expect();
        }
        responders
            .drain(..)
            .for_each(|responder| responder.send(()));
        Ok(())
    }
}

/// openraft's names for a position and its members.
pub(super) fn log_state(applied: Option<Applied>) -> io::Result<(Option<LogId>, StoredMembership)> {
    let Some(applied) = applied else {
        return Ok((None, StoredMembership::default()));
    };
    let membership = decode_stored_membership(&applied.membership).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "the members kept with the tree are unreadable",
        )
    })?;
    Ok((
        Some(log_id(Position {
            index: applied.index,
            term: applied.term,
        })),
        membership,
    ))
}

/// The entry as a state machine gets it.
pub(crate) fn entry(entry: RaftEntry) -> Entry {
    let payload = match entry.payload {
        EntryPayload::Blank => Payload::Blank,
        EntryPayload::Normal(command) => Payload::Command(command.0),
        EntryPayload::Membership(membership) => {
            let stored = StoredMembership::new(Some(entry.log_id), membership);
            Payload::Membership(encode_stored_membership(&stored))
        }
    };
    Entry {
        index: entry.log_id.index,
        term: entry.log_id.leader_id.term,
        payload,
    }
}

impl RaftStateMachine<Types> for MachineAdapter {
    type SnapshotData = FlushedTree;
    type SnapshotBuilder = FlushedMeta;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        log_state(self.machine.get_mut().applied())
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + Send,
    {
        let mut batch = Vec::new();
        let mut responders = Vec::new();
        let mut bytes = 0;
        while let Some(next) = entries.next().await {
            let (raft_entry, responder) = next?;
            let next = entry(raft_entry);
            bytes += match &next.payload {
                Payload::Blank => 0,
                Payload::Command(bytes) | Payload::Membership(bytes) => bytes.len(),
            };
            batch.push(next);
            responders.extend(responder);
            if batch.len() >= APPLY_ENTRIES_MAX || bytes >= APPLY_BYTES_MAX {
                self.apply_batch(&mut batch, &mut responders)?;
                bytes = 0;
                // There is more, so this may go on for long: let the other tasks of this thread have their turn.
                tokio::task::yield_now().await;
            }
        }
        self.apply_batch(&mut batch, &mut responders)
    }

    async fn get_snapshot_builder(&mut self) -> FlushedMeta {
        FlushedMeta {
            meta: self.flushed_meta().ok(),
            tree: self.here(),
        }
    }

    async fn install_snapshot(
        &mut self,
        _meta: &SnapshotMetaOf<Types>,
        snapshot: FlushedTree,
    ) -> io::Result<()> {
        match snapshot {
            FlushedTree::Received(dir) => self.machine.get_mut().install(&dir),
            FlushedTree::Here(_) => Ok(()),
        }
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf<Types, FlushedTree>>> {
        // While a checkpoint is on its way it is the one to send; openraft goes on from the position that it is told here.
        let at = self
            .outgoing
            .oldest()
            .or_else(|| self.machine.get_mut().flushed());
        let (last_log_id, last_membership) = log_state(at)?;
        let meta = SnapshotMetaOf::<Types> {
            last_log_id,
            last_membership,
        };
        Ok(meta
            .last_log_id
            .is_some()
            .then(|| SnapshotOf::<Types, FlushedTree> {
                meta,
                snapshot: self.here(),
            }))
    }
}

/// "Builds a snapshot" by saying how far the tree is flushed: the tree on disk is the snapshot.
pub(crate) struct FlushedMeta {
    meta: Option<SnapshotMetaOf<Types>>,
    tree: FlushedTree,
}

impl RaftSnapshotBuilder<Types> for FlushedMeta {
    type SnapshotData = FlushedTree;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<Types, FlushedTree>> {
        let meta = self.meta.take();
        let meta =
            meta.ok_or_else(|| io::Error::other("the flushed position of the tree is unreadable"))?;
        Ok(SnapshotOf::<Types, FlushedTree> {
            meta,
            snapshot: self.tree.clone(),
        })
    }
}
