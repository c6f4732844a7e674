//! The server's state machine as openraft sees it here, and the word that it leaves in the history.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures::{Stream, StreamExt};
use openraft::EntryPayload;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf};
use parking_lot::Mutex;
use treekeeper_protocol::Request;
use treekeeper_server::apply::{Batch, Command, State};
use treekeeper_server::consensus::{
    Entry, Payload, StateMachine, decode_stored_membership, encode_stored_membership,
};
use treekeeper_server::publish::{Machine, Node};

use crate::history::{Applied, AppliedBatch, Closed, What};
use crate::types::{CommittedLeaderId, LogId, RaftEntry, StoredMembership, Types};
use crate::world::World;

/// openraft's view of a [`Machine`].
pub(crate) struct MachineAdapter {
    world: Arc<World>,
    member: u64,
    incarnation: u64,
    node: Arc<Node>,
    // Never locked: openraft asks for `Sync`, and all access is through `&mut`.
    machine: Mutex<Machine>,
}

fn log_id(index: u64, term: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(term), index)
}

impl MachineAdapter {
    pub(crate) fn new(
        world: Arc<World>,
        (member, incarnation): (u64, u64),
        node: Arc<Node>,
        machine: Machine,
    ) -> Self {
        Self {
            world,
            member,
            incarnation,
            node,
            machine: Mutex::new(machine),
        }
    }

    fn log_state(&mut self) -> (Option<LogId>, StoredMembership) {
        let Some(applied) = self.machine.get_mut().applied() else {
            return (None, StoredMembership::default());
        };
        let membership =
            decode_stored_membership(&applied.membership).expect("it is what this process wrote");
        (Some(log_id(applied.index, applied.term)), membership)
    }

    fn apply_entry(&mut self, entry: RaftEntry) -> io::Result<()> {
        let (index, term) = (entry.log_id.index, entry.log_id.leader_id.term);
        let mut batch = None;
        let payload = match entry.payload {
            EntryPayload::Blank => Payload::Blank,
            EntryPayload::Normal(command) => {
                let read = Batch::decode(command.0.clone()).map_err(io::Error::other)?;
                batch = Some(Watched::before(&self.node.state.read(), read));
                Payload::Command(command.0)
            }
            EntryPayload::Membership(members) => {
                let stored = StoredMembership::new(Some(entry.log_id), members);
                Payload::Membership(encode_stored_membership(&stored))
            }
        };
        let entry = Entry {
            index,
            term,
            payload,
        };
        let machine = self.machine.get_mut();
        catch_unwind(AssertUnwindSafe(|| machine.apply(vec![entry]))).map_err(|_panic| {
            let broken = format!("member {} could not apply entry {index}", self.member);
            self.world.history.note(What::Broken(broken));
            io::Error::other("the state machine panicked")
        })?;
        let state = self.node.state.read();
        let applied = Applied {
            member: self.member,
            incarnation: self.incarnation,
            index,
            term,
            zxid: state.meta.zxid,
            digest: state.meta.digest,
            batch: batch.map(|batch| batch.after(&state)),
        };
        drop(state);
        if self.world.runs(self.member, self.incarnation) {
            self.world.history.note(What::Applied(applied));
        }
        Ok(())
    }
}

/// A batch that is about to be applied.
struct Watched {
    batch: Batch,
    last: Option<(u64, u64)>,
    /// Sessions that it may close: who asks for it, and what is theirs.
    closing: Vec<(i64, bool, Vec<Arc<str>>)>,
}

impl Watched {
    fn before(state: &State, batch: Batch) -> Self {
        let mut closing = Vec::new();
        for command in &batch.commands {
            let (session, expired) = match command {
                Command::CloseSession { session, .. } => (session, true),
                Command::Client {
                    session,
                    request: Request::CloseSession,
                    ..
                } => (session, false),
                _ => continue,
            };
            if let Some(open) = state.sessions.get(session) {
                closing.push((*session, expired, open.ephemerals.iter().cloned().collect()));
            }
        }
        Self {
            last: origin(state, batch.member),
            batch,
            closing,
        }
    }

    fn after(self, state: &State) -> AppliedBatch {
        let Self {
            batch,
            last,
            closing,
        } = self;
        let left = |session: i64, paths: Vec<Arc<str>>| {
            let is_left = |path: &Arc<str>| {
                let znode = state.tree.get(path).ok().flatten();
                znode.is_some_and(|znode| znode.stat().ephemeral_owner == session)
            };
            let left = paths.iter().filter(|path| is_left(path));
            left.map(ToString::to_string).collect()
        };
        let closed = closing
            .into_iter()
            .filter(|(session, ..)| !state.sessions.contains_key(session))
            .map(|(session, expired, paths)| Closed {
                session,
                expired,
                left: left(session, paths),
            })
            .collect();
        AppliedBatch {
            member: batch.member,
            incarnation: batch.incarnation,
            number: batch.number,
            accepted: origin(state, batch.member) != last,
            tokens: tokens(&batch),
            closed,
        }
    }
}

fn origin(state: &State, member: u64) -> Option<(u64, u64)> {
    let origin = state.meta.origins.get(&member)?;
    Some((origin.incarnation, origin.last))
}

fn tokens(batch: &Batch) -> Vec<String> {
    let mut tokens = Vec::new();
    for command in &batch.commands {
        if let Command::Client { request, .. } = command {
            add_tokens(request, &mut tokens);
        }
    }
    tokens
}

fn add_tokens(request: &Request, tokens: &mut Vec<String>) {
    let data = match request {
        Request::Create(create) => &create.data,
        Request::SetData(set) => &set.data,
        Request::Multi(multi) => {
            for part in &multi.ops {
                add_tokens(part, tokens);
            }
            return;
        }
        _ => return,
    };
    if let Some(data) = data {
        tokens.push(String::from_utf8_lossy(data).into_owned());
    }
}

impl RaftStateMachine<Types> for MachineAdapter {
    type SnapshotData = ();
    type SnapshotBuilder = NoSnapshot;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        Ok(self.log_state())
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + Send,
    {
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            self.apply_entry(entry)?;
            if let Some(responder) = responder {
                responder.send(());
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> NoSnapshot {
        NoSnapshot
    }

    async fn install_snapshot(
        &mut self,
        _meta: &SnapshotMetaOf<Types>,
        _snapshot: (),
    ) -> io::Result<()> {
        Err(no_snapshot())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf<Types, ()>>> {
        Ok(None)
    }
}

/// No log is ever purged here, so no tree is sent whole.
pub(crate) struct NoSnapshot;

fn no_snapshot() -> io::Error {
    io::Error::other("trees are not sent whole in a simulation")
}

impl RaftSnapshotBuilder<Types> for NoSnapshot {
    type SnapshotData = ();

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<Types, ()>> {
        Err(no_snapshot())
    }
}
