//! Looking znodes up for a read: in memory under the publish lock, on the disk outside it.
//!
//! A read that misses memory lets the lock go, loads what it missed, and starts again with what it loaded; what a
//! flush has made stale meanwhile is loaded anew. After a few rounds it reads under the lock, so that it ends.

use std::collections::HashMap;
use std::sync::Arc;

use crate::apply::State;
use crate::publish::Node;
use crate::tree::{Cached, ChildList, Epoch, Lookup, Store, StoreError, StoredChildren, Znode};

/// Rounds after which a read no longer lets the lock go.
const ROUNDS_MAX: u32 = 8;

/// What a read has loaded outside the lock so far.
#[derive(Default)]
pub(super) struct Loaded {
    znodes: HashMap<String, (Epoch, Option<Arc<Znode>>)>,
    names: HashMap<String, (Epoch, StoredChildren)>,
    counts: HashMap<String, (Epoch, usize)>,
    missing: Vec<Missing>,
    under_lock: bool,
}

enum Missing {
    Znode(String),
    Names(String),
    Count(String),
}

/// Something is not in memory: load and try again.
#[derive(Debug)]
pub(super) struct Retry;

/// Why a read has no answer yet.
pub(super) enum Fault {
    Retry,
    Store(StoreError),
}

impl From<Retry> for Fault {
    fn from(_: Retry) -> Self {
        Self::Retry
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Loaded {
    /// For a caller that holds the lock anyway, and may wait for the disk under it.
    pub(super) fn under_lock() -> Self {
        Self {
            under_lock: true,
            ..Self::default()
        }
    }

    /// The znode at `path`; "" is the root, as in ZooKeeper's tree.
    pub(super) fn znode(&mut self, state: &State, path: &str) -> Result<Option<Arc<Znode>>, Fault> {
        let path = if path.is_empty() { "/" } else { path };
        let epoch = match state.tree.lookup(path) {
            Lookup::Found(znode) => return Ok(Some(znode)),
            Lookup::Absent => return Ok(None),
            Lookup::Unknown(epoch) => epoch,
        };
        if self.under_lock {
            return Ok(state.tree.get(path)?);
        }
        if let Some((loaded_in, znode)) = self.znodes.get(path)
            && *loaded_in == epoch
            && state.tree.admit(path, znode.as_ref(), epoch)
        {
            return Ok(znode.clone());
        }
        self.missing.push(Missing::Znode(path.to_owned()));
        Err(Fault::Retry)
    }

    /// The children of `path`, a znode that has some.
    pub(super) fn children(&mut self, state: &State, path: &str) -> Result<Arc<ChildList>, Fault> {
        let path = if path.is_empty() { "/" } else { path };
        if let Some(list) = state.tree.cached_children(path) {
            return Ok(list);
        }
        if self.under_lock {
            return Ok(state.tree.children(path)?);
        }
        if let Some((loaded_in, names)) = self.names.get(path)
            && let Some(list) = state.tree.complete_children(path, names, *loaded_in)
        {
            return Ok(list);
        }
        self.missing.push(Missing::Names(path.to_owned()));
        Err(Fault::Retry)
    }

    /// How many znodes are below `path`, itself not counted.
    pub(super) fn descendants(&mut self, state: &State, path: &str) -> Result<usize, Fault> {
        if matches!(path, "" | "/") {
            return Ok(usize::try_from(state.meta.znode_count).unwrap_or(usize::MAX) - 1);
        }
        let counted = match self.counts.get(path) {
            Some((counted_in, count)) => {
                let epoch = *counted_in;
                state.tree.complete_descendants(path, *count, epoch)?
            }
            None if self.under_lock => {
                let count = state.tree.store().count_descendants(path)?;
                let epoch = state.tree.epoch();
                state.tree.complete_descendants(path, count, epoch)?
            }
            None => None,
        };
        counted.ok_or_else(|| {
            self.missing.push(Missing::Count(path.to_owned()));
            Fault::Retry
        })
    }

    fn load_missing(&mut self, store: &Store, epoch: Epoch) -> Result<(), StoreError> {
        for missing in std::mem::take(&mut self.missing) {
            match missing {
                Missing::Znode(path) => {
                    let znode = load_znode(store, &path)?;
                    self.znodes.insert(path, (epoch, znode));
                }
                Missing::Count(path) => {
                    let count = tokio::task::block_in_place(|| store.count_descendants(&path))?;
                    self.counts.insert(path, (epoch, count));
                }
                Missing::Names(path) => {
                    let names = blocking(store, || StoredChildren::load(store, &path))?;
                    self.names.insert(path, (epoch, names));
                }
            }
        }
        Ok(())
    }
}

/// Runs `attempt` under the shared side of the publish lock until memory, helped by the disk, has what it needs.
/// `attempt` changes nothing before it has everything.
pub(super) fn read<T>(
    node: &Node,
    mut attempt: impl FnMut(&State, &mut Loaded) -> Result<T, Fault>,
) -> Result<T, StoreError> {
    let mut loaded = Loaded::default();
    for round in 0.. {
        loaded.under_lock = round >= ROUNDS_MAX;
        let (store, epoch) = {
            let state = node.state.read();
            match attempt(&state, &mut loaded) {
                Ok(answer) => return Ok(answer),
                Err(Fault::Store(error)) => return Err(error),
                Err(Fault::Retry) => (Arc::clone(state.tree.store()), state.tree.epoch()),
            }
        };
        loaded.load_missing(&store, epoch)?;
    }
    unreachable!("under the lock nothing is missing")
}

fn load_znode(store: &Store, path: &str) -> Result<Option<Arc<Znode>>, StoreError> {
    match store.cached_znode(path)? {
        Cached::Known(znode) => Ok(znode),
        Cached::OnDisk => tokio::task::block_in_place(|| store.znode(path)),
    }
}

/// Runs what may wait for the disk, or take long, so that other connections go on meanwhile.
fn blocking<T>(store: &Store, load: impl FnOnce() -> T) -> T {
    if store.may_need_disk() {
        tokio::task::block_in_place(load)
    } else {
        load()
    }
}
