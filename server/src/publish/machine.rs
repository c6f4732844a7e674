//! The publish step: committed entries become visible, command by command.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use treekeeper_protocol::EventType;

use super::flusher::FlushSignal;
use super::{Node, Origin, TreeCheckpoints, TreeFolders};
use crate::apply::{Batch, Command, Meta, Outcome, Reply, State, execute, members_changed};
use crate::config::ReplicatedSettings;
use crate::connection::{Connection, Scope, Session, WATCHERS_TOGETHER, answer_behind};
use crate::consensus::{Applied, Checkpoints, Entry, Payload, StateMachine, member_lines};
use crate::log::LogReader;
use crate::tree::{Lookup, Store, StoreError};
use crate::watch::{Fired, Sink};

/// Applies what is committed, in log order. Owned by one task; the only writer of the state.
pub struct Machine {
    node: Arc<Node>,
    flush: FlushSignal,
    /// What lies under the tree, to read from it without the publish lock.
    store: Arc<Store>,
    checkpoints: Arc<TreeCheckpoints>,
    received: Option<u64>,
    /// Was the last entry a lone write of a client of this member?
    lone_write: bool,
    fatal: Box<dyn Fn(ApplyError) + Send>,
}

/// Why apply cannot go on. Stops the process.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The tree's store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log holds what this release cannot read.
    #[error(transparent)]
    Command(#[from] crate::apply::CommandError),
    /// The log goes on by rules that this server does not support.
    #[error(transparent)]
    Rules(#[from] crate::apply::RulesError),
}

impl StateMachine for Machine {
    fn applied(&self) -> Option<Applied> {
        applied(&self.node.state.read().meta)
    }

    fn flushed(&self) -> Option<Applied> {
        self.flush.durable()
    }

    fn follow(&mut self, log: LogReader) {
        self.flush.follow(log);
    }

    fn apply(&mut self, batch: Vec<Entry>) {
        self.lone_write = false;
        for entry in batch {
            if let Err(error) = self.apply_entry(entry) {
                (self.fatal)(error);
                // Consensus must not count it as applied; the reason has been told, so this tells nothing more.
                std::panic::resume_unwind(Box::new("an entry could not be applied"));
            }
        }
    }

    fn expects_next(&self) -> bool {
        self.lone_write
    }

    fn checkpoints(&self) -> Arc<dyn Checkpoints> {
        Arc::clone(&self.checkpoints) as Arc<dyn Checkpoints>
    }

    fn received(&self) -> Option<u64> {
        self.received
    }

    fn install(&mut self, dir: &Path) -> io::Result<()> {
        let cache_bytes = self.node.config.storage.cache_bytes;
        let dir = self.checkpoints.adopt(dir)?;
        let state = State::open(&dir, cache_bytes).map_err(io::Error::other)?;
        let supported = self.node.config.rules;
        supported.check(state.rules()).map_err(io::Error::other)?;
        tracing::info!(index = state.meta.index, folder = %dir.display(), "installing a checkpoint");
        // No flush of the old tree may reach the new one.
        let flush = self.flush.clone();
        let _no_flush = flush.hold();
        self.replace(state);
        Ok(())
    }
}

/// How far a state has come, as consensus wants to know it. The first entry of a log names the members, so a state
/// without any has applied nothing.
#[must_use]
pub fn applied(meta: &Meta) -> Option<Applied> {
    let membership = meta.consensus.clone();
    (!membership.is_empty()).then_some(Applied {
        index: meta.index,
        term: meta.term,
        membership,
    })
}

/// Changes that very many watchers are told of one by one, while apply goes on: a create's and a delete's, of the znode and
/// of its parent.
const CHANGES_TOLD_SOON: usize = 2;

/// Whom to wake once the lock is released, as far as the workers were not given them before.
#[derive(Default)]
struct Wakes {
    /// Is there one command in the entry? Then who is told of it hears of little else behind it.
    of_one_command: bool,
    /// Were watchers given to the workers?
    fanned_out: bool,
    watchers: Vec<Arc<dyn Sink>>,
    connections: Vec<Arc<Connection>>,
}

impl Machine {
    /// A machine that changes the state of `node`, which lies in `folders`, and asks for flushes through `flush`.
    /// `fatal` is called once, when it cannot go on.
    #[must_use]
    pub fn new(
        node: Arc<Node>,
        flush: FlushSignal,
        folders: TreeFolders,
        received: Option<u64>,
        fatal: impl Fn(ApplyError) + Send + 'static,
    ) -> Self {
        let store = Arc::clone(node.state.read().tree.store());
        let checkpoints = TreeCheckpoints::new(folders, Arc::clone(&store));
        Self {
            node,
            flush,
            store,
            checkpoints: Arc::new(checkpoints),
            received,
            lone_write: false,
            fatal: Box::new(fatal),
        }
    }

    /// Takes the place of everything that this member knew. Its clients go first: what they saw is not what is there
    /// now, and they come back with the zxid that they have seen.
    fn replace(&mut self, state: State) {
        for connection in self.node.registry.all() {
            connection.close();
        }
        let store = Arc::clone(state.tree.store());
        self.checkpoints.moved_to(Arc::clone(&store));
        self.store = store;
        self.node.divergence.lock().forget();
        let now_ms = self.node.clock.now_ms();
        let origins = state.meta.origins.clone();
        let durable = applied(&state.meta);
        let old = {
            let mut present = self.node.state.write();
            let old = std::mem::replace(&mut *present, state);
            let mut expiry = self.node.expiry.lock();
            for id in old.sessions.keys() {
                expiry.close(*id);
            }
            for (id, session) in &present.sessions {
                expiry.open(*id, session.generation, session.timeout_ms, now_ms);
            }
            old
        };
        // Large, and nobody waits for its end. Its folder goes with it, now or with the next start.
        let folders = self.checkpoints.folders().clone();
        std::thread::spawn(move || {
            drop(old);
            if let Err(error) = folders.remove_old_trees() {
                tracing::warn!(%error, "cannot remove the tree that was replaced");
            }
        });
        self.flush.replaced(durable);
        for (member, origin) in origins {
            self.node
                .proposer
                .applied_elsewhere(member, origin.incarnation, origin.last);
        }
    }

    fn apply_entry(&mut self, entry: Entry) -> Result<(), ApplyError> {
        let Entry {
            index,
            term,
            payload,
        } = entry;
        let mut entry_bytes = 0;
        match payload {
            Payload::Blank => self.done(index, term),
            Payload::Command(bytes) => {
                entry_bytes = bytes.len();
                let batch = Batch::decode(bytes)?;
                // Before anything of it is done: a newer server goes on from here.
                self.node.config.rules.check(batch.rules)?;
                self.apply_batch(index, term, &batch)?;
            }
            Payload::Membership(members) => {
                let mut wakes = Wakes::default();
                let mut state = self.node.state.write();
                state.damaged = true;
                if let Some(lines) = member_lines(&members) {
                    members_changed(&mut state, term, &lines)?;
                    let zxid = state.meta.zxid;
                    self.fire(&mut state, zxid, &mut wakes);
                }
                state.meta.consensus = members;
                state.meta.index = index;
                state.meta.term = term;
                state.damaged = false;
                drop(state);
                wakes.all(&self.node);
            }
        }
        let buffered = self.node.state.read().tree.buffered_bytes();
        self.flush.applied(entry_bytes, buffered);
        Ok(())
    }

    fn done(&self, index: u64, term: u64) {
        let mut state = self.node.state.write();
        state.meta.index = index;
        state.meta.term = term;
    }

    /// The whole entry under one hold of the lock: a flush in between would hold half of it, and a restart would
    /// take the other half for applied.
    fn apply_batch(&mut self, index: u64, term: u64, batch: &Batch) -> Result<(), ApplyError> {
        self.prefetch(&batch.commands)?;
        let own =
            !batch.is_of_ensemble() && self.node.proposer.is_own(batch.member, batch.incarnation);
        let mut wakes = Wakes {
            of_one_command: batch.commands.len() == 1,
            ..Wakes::default()
        };
        let mut state = self.node.state.write();
        // Half of an entry must never reach the disk, not even when this panics.
        state.damaged = true;
        if batch.is_of_ensemble()
            || state
                .meta
                .accept(batch.member, batch.incarnation, batch.number)
        {
            let origins = if own {
                self.node.proposer.applied(batch.number)
            } else {
                Vec::new()
            };
            self.lone_write =
                matches!(*origins, [Origin::Write(..)]) && self.node.proposer.outstanding() == 0;
            self.apply_commands(&mut state, term, batch, origins, &mut wakes)?;
        }
        // Else it was sent twice, or after a gap: it was applied already, or will be sent again.
        state.meta.index = index;
        state.meta.term = term;
        state.damaged = false;
        self.node.divergence.lock().note(index, state.meta.digest);
        drop(state);
        wakes.all(&self.node);
        Ok(())
    }

    fn apply_commands(
        &self,
        state: &mut State,
        term: u64,
        batch: &Batch,
        origins: Vec<Origin>,
        wakes: &mut Wakes,
    ) -> Result<(), StoreError> {
        let mut origins = origins.into_iter();
        for command in &batch.commands {
            if let Command::Settings(settings) = command {
                self.tell_settings(state, settings);
            }
            let outcome = execute(state, term, batch.time_ms, command)?;
            self.publish(state, command, outcome, origins.next(), wakes)?;
        }
        Ok(())
    }

    /// The server that started last decides on the settings that are the same for all: those with others are told.
    fn tell_settings(&self, state: &State, settings: &ReplicatedSettings) {
        let own = &self.node.config.replicated;
        if *settings == state.meta.settings
            || settings == own
            || self.node.config.ensemble.is_none()
        {
            return;
        }
        tracing::warn!(
            ensemble = ?settings, this_server = ?own,
            "another server was started with other settings, which count for the whole ensemble from now on: give all servers \
             the same skipACL, enforceQuota, extendedTypesEnabled and DigestAuthenticationProvider.enabled"
        );
    }

    /// Events, then the reply, then who holds the session: all of one command before the next.
    fn publish(
        &self,
        state: &mut State,
        command: &Command,
        outcome: Option<Outcome>,
        origin: Option<Origin>,
        wakes: &mut Wakes,
    ) -> Result<(), StoreError> {
        let zxid = state.meta.zxid;
        if let Some(Origin::Start(started)) = origin {
            // Nobody to tell when the start was given up.
            let _ = started.send(());
            return Ok(());
        }
        self.fire(state, zxid, wakes);
        self.node.metrics.commit_count.increment();
        let Some(outcome) = outcome else {
            // The session is gone or has moved: whoever sent this is told nothing and loses its connection.
            if let Some(Origin::Write(connection, _)) = origin {
                connection.close();
            }
            return Ok(());
        };
        self.node.digests.lock().note(zxid, state.meta.digest);
        match &outcome.result {
            Ok(Reply::Session {
                id,
                generation,
                timeout_ms,
                password,
            }) => {
                let now_ms = self.node.clock.now_ms();
                let mut expiry = self.node.expiry.lock();
                let liveness = expiry.open(*id, *generation, *timeout_ms, now_ms);
                drop(expiry);
                let session = Session {
                    id: *id,
                    generation: *generation,
                    timeout_ms: *timeout_ms,
                    scope: Scope::Global,
                    liveness,
                };
                let replaced = if let Some(Origin::Handshake(connection)) = &origin {
                    connection.opened(session, *password);
                    wakes.connections.push(Arc::clone(connection));
                    let mut holders = self.node.holders.lock();
                    let replaced = holders.hold(*id, connection);
                    if connection.is_closing() {
                        // It has gone meanwhile, perhaps before it could say so for this session.
                        holders.ended(*id, connection);
                    }
                    replaced
                } else {
                    self.node.holders.lock().release(*id)
                };
                if let Some(replaced) = replaced {
                    replaced.close();
                }
                return Ok(());
            }
            Ok(Reply::SessionUpgraded { id, timeout_ms }) => {
                let now_ms = self.node.clock.now_ms();
                let session = match &origin {
                    Some(Origin::Upgrade(connection)) => connection.session(),
                    _ => None,
                };
                let mut expiry = self.node.expiry.lock();
                match session {
                    Some(Session { liveness, .. }) => {
                        expiry.adopt(*id, *timeout_ms, liveness, now_ms);
                    }
                    None => drop(expiry.open(*id, 0, *timeout_ms, now_ms)),
                }
                return Ok(());
            }
            Ok(Reply::SessionClosed { id }) => {
                self.node.expiry.lock().close(*id);
                let holder = self.node.holders.lock().release(*id);
                self.complete(state, &outcome, origin.as_ref(), wakes)?;
                // Who asked for it closes behind its reply, and behind what it was asked before.
                let asked = matches!(&origin, Some(Origin::Write(asked, _)) if Some(asked.id()) == holder.as_ref().map(|holder| holder.id()));
                if let Some(holder) = holder.filter(|_| !asked) {
                    holder.close();
                }
                return Ok(());
            }
            Ok(_) | Err(_) => {}
        }
        if let (Err(_), Some(Origin::Upgrade(connection))) = (&outcome.result, &origin) {
            connection.close();
            return Ok(());
        }
        if let (Err(_), Some(Origin::Handshake(connection))) = (&outcome.result, &origin) {
            debug_assert!(
                matches!(command, Command::ReopenSession { .. }),
                "only a reopen is refused"
            );
            connection.refused();
            wakes.connections.push(Arc::clone(connection));
            return Ok(());
        }
        self.complete(state, &outcome, origin.as_ref(), wakes)
    }

    fn complete(
        &self,
        state: &State,
        outcome: &Outcome,
        origin: Option<&Origin>,
        wakes: &mut Wakes,
    ) -> Result<(), StoreError> {
        if let Some(Origin::Write(connection, turn)) = origin {
            if let Some(latency) = connection.complete(*turn, outcome) {
                self.node.metrics.updatelatency.record(latency);
            }
            answer_behind(&self.node, connection, state)?;
            wakes.connections.push(Arc::clone(connection));
        }
        Ok(())
    }

    fn fire(&self, state: &mut State, zxid: i64, wakes: &mut Wakes) {
        let mut watches = self.node.watches.lock();
        let changes = state.take_changes();
        // The end of a session has many, and who watches them all gets one write for all of them.
        let is_told_soon = wakes.of_one_command && changes.len() <= CHANGES_TOLD_SOON;
        let fan_out = (self.node.fan_out.get()).filter(|_| is_told_soon);
        for change in changes {
            let Fired { events, bytes } = watches.fire(&change, zxid, |watcher| {
                wakes.watchers.push(Arc::clone(watcher));
                if wakes.watchers.len() >= WATCHERS_TOGETHER
                    && let Some(fan_out) = fan_out
                {
                    fan_out.send(&self.node, std::mem::take(&mut wakes.watchers));
                    wakes.fanned_out = true;
                }
            });
            if events == 0 {
                continue;
            }
            let metrics = &self.node.metrics;
            metrics.watch_bytes.add(bytes);
            let told = usize::try_from(events).unwrap_or(usize::MAX);
            match change.event {
                EventType::NodeCreated => metrics.node_created_watch_count.record(told),
                EventType::NodeDeleted => metrics.node_deleted_watch_count.record(told),
                EventType::NodeDataChanged => metrics.node_changed_watch_count.record(told),
                _ => metrics.node_children_watch_count.record(told),
            }
        }
    }

    /// Brings the znodes that the commands name into memory, so that nothing is read from the disk under the lock.
    fn prefetch(&self, commands: &[Command]) -> Result<(), StoreError> {
        if !self.store.may_need_disk() {
            return Ok(());
        }
        for command in commands {
            match command {
                Command::Client { request, .. } | Command::LocalClient { request, .. } => {
                    for path in crate::apply::paths_of(request) {
                        self.prefetch_path(path)?;
                    }
                }
                Command::CloseSession { session, .. } => {
                    let owned = self.node.state.read().sessions.get(session).cloned();
                    for path in owned.iter().flat_map(|session| &session.ephemerals) {
                        self.prefetch_path(path)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn prefetch_path(&self, path: &str) -> Result<(), StoreError> {
        let lookup = self.node.state.read().tree.lookup(path);
        let Lookup::Unknown(epoch) = lookup else {
            return Ok(());
        };
        let loaded = self.store.znode(path)?;
        let _ = self
            .node
            .state
            .read()
            .tree
            .admit(path, loaded.as_ref(), epoch);
        Ok(())
    }
}

impl Wakes {
    fn all(self, node: &Node) {
        for watcher in &self.watchers {
            watcher.wake();
        }
        if let (false, [], [lone]) = (self.fanned_out, &*self.watchers, &*self.connections) {
            lone.send(&node.metrics, &node.contact);
            return;
        }
        let mut last = None;
        for connection in self.connections {
            // A pipelining client's writes stand together: wake it once.
            if last != Some(connection.id()) {
                last = Some(connection.id());
                connection.wake();
            }
        }
    }
}

/// How long apply waits for a flush before it looks again.
pub(super) const FLUSH_WAIT: Duration = Duration::from_millis(100);
