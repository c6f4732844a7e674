//! A state with its store, and the log from which it recovers.

use std::collections::BTreeMap;
use std::sync::Arc;

use tempfile::TempDir;

use super::super::{Change, Command, Meta, Outcome, State, Znode, execute};
use super::reference::{Reference, Told};
use crate::tree::Frozen;

/// A command with what goes beside it through the log.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) term: u64,
    pub(super) time_ms: i64,
    pub(super) command: Command,
}

pub(super) struct Member {
    dir: TempDir,
    cache_bytes: u64,
    /// None only while it is opened again.
    state: Option<State>,
    frozen: Option<Arc<Frozen>>,
    log: Vec<Entry>,
}

impl Member {
    pub(super) fn new(cache_bytes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(dir.path(), cache_bytes).unwrap();
        Self {
            dir,
            cache_bytes,
            state: Some(state),
            frozen: None,
            log: Vec::new(),
        }
    }

    fn state(&self) -> &State {
        self.state.as_ref().unwrap()
    }

    fn state_mut(&mut self) -> &mut State {
        self.state.as_mut().unwrap()
    }

    pub(super) fn run(&mut self, entry: &Entry) -> (Option<Outcome>, Vec<Told>) {
        self.log.push(entry.clone());
        self.apply(entry)
    }

    fn apply(&mut self, entry: &Entry) -> (Option<Outcome>, Vec<Told>) {
        let state = self.state_mut();
        let outcome = execute(state, entry.term, entry.time_ms, &entry.command).unwrap();
        state.meta.index += 1;
        let told = |change: Change| {
            let acl = change.acl.map(|acl| acl.to_vec());
            (change.event, change.path.to_string(), acl)
        };
        (outcome, state.take_changes().map(told).collect())
    }

    /// Freezes what is buffered; what follows waits for the next flush.
    pub(super) fn freeze(&mut self) {
        let state = self.state_mut();
        state.store_meta();
        if let Some(frozen) = state.tree.freeze() {
            self.frozen = Some(frozen);
        }
    }

    /// Ends a flush that was begun.
    pub(super) fn write(&mut self) {
        if let Some(frozen) = self.frozen.take() {
            let state = self.state_mut();
            state.tree.store().write(&frozen).unwrap();
            drop(state.tree.flushed());
        }
    }

    /// Loses what was not written, and applies the log from where the store stands.
    pub(super) fn crash(&mut self) {
        self.frozen = None;
        drop(self.state.take());
        self.state = Some(State::open(self.dir.path(), self.cache_bytes).unwrap());
        let applied = usize::try_from(self.state().meta.index).unwrap();
        for entry in self.log.split_off(applied) {
            drop(self.run(&entry));
        }
    }

    /// Flushes everything, ends and opens again: nothing is left to apply.
    pub(super) fn restart(&mut self) {
        let before = self.state().meta.clone();
        for _ in 0..2 {
            self.freeze();
            self.write();
        }
        let store = Arc::clone(self.state().tree.store());
        store.sync().unwrap();
        drop((store, self.state.take()));
        self.state = Some(State::open(self.dir.path(), self.cache_bytes).unwrap());
        assert_eq!(self.state().meta, before, "as it was stored");
    }

    fn znodes(&self) -> BTreeMap<String, Znode> {
        let tree = &self.state().tree;
        let root = tree.get("/").unwrap().unwrap();
        let mut all = BTreeMap::from([("/".to_owned(), root.as_ref().clone())]);
        let note = |path: &str, znode: &Znode| drop(all.insert(path.to_owned(), znode.clone()));
        tree.for_each_descendant("/", note).unwrap();
        all
    }

    /// Everything that is replicated is the same on both.
    pub(super) fn assert_equal(&self, other: &Self) {
        let (one, other) = (self.state(), other.state());
        assert_eq!(one.meta, other.meta);
        assert_eq!(one.sessions, other.sessions);
        assert_eq!(one.ephemeral_count, other.ephemeral_count);
        assert_eq!(one.expirables, other.expirables);
        assert_eq!(one.quotas, other.quotas);
    }

    /// Every invariant holds, and what can be read is what the model says.
    pub(super) fn assert_is(&self, reference: &Reference) {
        let state = self.state();
        state.validate().unwrap();
        let expected = reference.znodes();
        assert_eq!(self.znodes(), expected);
        for (path, znode) in &expected {
            let found = state.tree.get(path).unwrap();
            assert_eq!(found.as_deref(), Some(znode), "{path}");
            let list = state.tree.children(path).unwrap();
            let names: Vec<&str> = list.names().collect();
            assert_eq!(names, reference.children(path), "{path}");
        }
        for path in reference.absent() {
            assert_eq!(state.tree.get(path).unwrap(), None, "{path}");
        }
        let expirables: Vec<&str> = state.expirables.iter().map(AsRef::as_ref).collect();
        assert_eq!(expirables, reference.expirables());
        let quotas: Vec<&str> = state.quotas.iter().map(AsRef::as_ref).collect();
        assert_eq!(quotas, reference.quotas());
        let sessions: Vec<(i64, u32)> = state
            .sessions
            .iter()
            .map(|(id, session)| (*id, session.generation))
            .collect();
        assert_eq!(sessions, reference.sessions());
        let Meta { zxid, time_ms, .. } = state.meta;
        assert_eq!((zxid, time_ms), (reference.zxid, reference.time_ms));
    }
}
