//! The znodes: in memory as far as the budget goes, and in RocksDB.
//!
//! In: changes from `apply`, in log order, under the publish lock. Out: znodes, child lists and counters for
//! `apply` and for reads. Everything that must survive a restart with the znodes (sessions, indexes, what was
//! applied) goes through the same write-behind buffer, so one flush always holds one index.
//! Not here: what an operation means (`apply`), who may do it (`auth`), who is told (`watch`). No tokio, no clock.

mod arena;
mod child_list;
mod children;
mod key;
mod resident;
mod store;
mod stored;
mod write_behind;
mod znode;

use std::path::Path;
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

pub use child_list::ChildList;
pub use children::StoredChildren;
pub use key::Key;
pub use store::{Cached, Store, StoreError, StoreOptions};
pub use stored::Stored;
pub use write_behind::{Frozen, Value};
pub use znode::{Owner, Znode};

use children::Listing;
use resident::Resident;
use write_behind::WriteBehind;

/// What memory alone can say about a znode.
#[derive(Debug)]
pub enum Lookup {
    /// The znode is in memory.
    Found(Arc<Znode>),
    /// It does not exist, and memory knows.
    Absent,
    /// Only the store can tell: load it outside the lock, then offer it with [`Tree::admit`].
    Unknown(Epoch),
}

/// Number of flushes completed. What was loaded from the store in one epoch may be stale in the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch(u64);

/// The znodes and everything stored beside them.
///
/// Lookup order: cache, write-behind buffer, frozen buffer being flushed, store.
///
/// Invariants:
/// * a znode in the cache is the current one: every change goes through the cache under the exclusive lock, and
///   [`Tree::admit`] refuses what was loaded before a flush ended;
/// * a key that differs from the store is in the write-behind buffer or in the frozen one;
/// * what is in the cache exists, so a cache that holds as many znodes as there are holds all of them.
pub struct Tree {
    store: Arc<Store>,
    znodes: Resident,
    lists: Cache<Box<str>, Arc<Listing>, ListWeight>,
    buffer: WriteBehind,
    frozen: Option<Arc<Frozen>>,
    epoch: u64,
    /// Where a znode is encoded.
    scratch: Vec<u8>,
    /// How many znodes there are, as `apply` counts them; more than there can be until it has said.
    len: u64,
}

/// Bytes of the buffer for encoding that stay when larger ones were needed.
const SCRATCH_BYTES_MAX: usize = 16 << 10;
/// Child lists that the cache has room for before it first grows.
const LISTS_ESTIMATE: usize = 256;
/// Bytes that the cache of child lists takes for one entry beside them, nearly.
const CACHE_ENTRY_OVERHEAD: u64 = 90;

#[derive(Clone)]
struct ListWeight;

impl Weighter<Box<str>, Arc<Listing>> for ListWeight {
    fn weight(&self, path: &Box<str>, listing: &Arc<Listing>) -> u64 {
        (path.len() + listing.weight()) as u64 + CACHE_ENTRY_OVERHEAD
    }
}

impl Tree {
    /// Opens the tree in `dir` with a memory budget of `cache_bytes` (znodes, child lists and blocks of the store).
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be used or was written by a newer version.
    pub fn open(dir: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let blocks = cache_bytes / 5;
        let lists = cache_bytes / 10;
        let znodes = cache_bytes - blocks - lists;
        let store = Store::open(
            dir,
            &StoreOptions {
                block_cache_bytes: blocks,
            },
        )?;
        Ok(Self {
            store: Arc::new(store),
            znodes: Resident::new(znodes),
            lists: Cache::with_weighter(LISTS_ESTIMATE, lists, ListWeight),
            buffer: WriteBehind::default(),
            frozen: None,
            epoch: 0,
            scratch: Vec::new(),
            len: u64::MAX,
        })
    }

    /// The store below, to read from it outside the lock.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// What memory knows about the znode at `path`; touches no disk.
    #[must_use]
    pub fn lookup(&self, path: &str) -> Lookup {
        match self.znodes.get(path) {
            Ok(znode) => return Lookup::Found(znode),
            // All there are, and this is none of them: a create need not ask the store.
            Err(resident) if resident as u64 == self.len => return Lookup::Absent,
            Err(_) => {}
        }
        match self.buffered(&Key::znode(path)) {
            Some(Value::Znode(stored)) => Lookup::Found(stored.znode()),
            Some(Value::Removed) => Lookup::Absent,
            Some(Value::Record(_)) => unreachable!("a znode's key never holds a record"),
            None => Lookup::Unknown(Epoch(self.epoch)),
        }
    }

    /// Takes what was loaded for `path` after [`Lookup::Unknown`]. False when it may be stale: look it up again.
    #[must_use]
    pub fn admit(&self, path: &str, loaded: Option<&Arc<Znode>>, epoch: Epoch) -> bool {
        if epoch.0 != self.epoch || self.buffered(&Key::znode(path)).is_some() {
            return false;
        }
        if let Some(znode) = loaded {
            self.znodes
                .insert(path, &Stored::new(znode, &mut Vec::new()));
        }
        true
    }

    /// The znode at `path`, from memory or the store. For `apply`, which alone changes the tree.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read or holds what it did not write.
    pub fn get(&self, path: &str) -> Result<Option<Arc<Znode>>, StoreError> {
        match self.lookup(path) {
            Lookup::Found(znode) => Ok(Some(znode)),
            Lookup::Absent => Ok(None),
            Lookup::Unknown(epoch) => {
                let loaded = self.store.znode(path)?;
                let _ = self.admit(path, loaded.as_ref(), epoch);
                Ok(loaded)
            }
        }
    }

    /// Says how many znodes there are; after each change of that number, under the same hold of the lock.
    pub fn set_len(&mut self, len: u64) {
        self.len = len;
    }

    /// Puts a znode.
    pub fn put(&mut self, path: &str, znode: &Znode) {
        let stored = Stored::new(znode, &mut self.scratch);
        self.scratch.clear();
        self.scratch.shrink_to(SCRATCH_BYTES_MAX);
        self.znodes.insert(path, &stored);
        self.buffer.insert(Key::znode(path), Value::Znode(stored));
    }

    /// Removes the znode at `path`, which must have no children.
    pub fn remove(&mut self, path: &str) {
        self.znodes.remove(path);
        self.lists.remove(path);
        self.buffer.insert(Key::znode(path), Value::Removed);
    }

    /// Puts a record that is stored beside the znodes.
    pub fn put_record(&mut self, key: Key, record: Vec<u8>) {
        self.buffer
            .insert(key, Value::Record(record.into_boxed_slice()));
    }

    /// Removes a record.
    pub fn remove_record(&mut self, key: Key) {
        self.buffer.insert(key, Value::Removed);
    }

    /// Bytes that wait in the write-behind buffer, without those being flushed.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.bytes()
    }

    /// True while a frozen buffer is being written to the store.
    #[must_use]
    pub fn is_flushing(&self) -> bool {
        self.frozen.is_some()
    }

    /// Freezes what is buffered, for the flusher to write with [`Store::write`]. None while one is being flushed,
    /// and when there is nothing to write.
    pub fn freeze(&mut self) -> Option<Arc<Frozen>> {
        if self.frozen.is_some() || self.buffer.is_empty() {
            return None;
        }
        let frozen = Arc::new(self.buffer.freeze());
        self.frozen = Some(Arc::clone(&frozen));
        Some(frozen)
    }

    /// Ends a flush: the store now holds what was frozen. The buffer is returned so that it is dropped outside the
    /// lock.
    pub fn flushed(&mut self) -> Option<Arc<Frozen>> {
        self.epoch += 1;
        self.frozen.take()
    }

    fn buffered(&self, key: &Key) -> Option<&Value> {
        self.buffer
            .get(key)
            .or_else(|| self.frozen.as_ref().and_then(|frozen| frozen.get(key)))
    }
}

#[cfg(test)]
mod tests;
