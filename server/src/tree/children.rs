//! Who is below whom: child lists, and walks over all descendants, merged from the store and what it lacks yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::child_list::Builder;
use super::{ChildList, Epoch, Key, Lookup, StoreError, Stored, Tree, Value, Znode};

/// Changes that the store lacks: key → does the znode exist.
type Overlay<'a> = BTreeMap<&'a Key, Option<&'a Stored>>;

/// The stored children of a znode, loaded outside the lock, to be completed under it with [`Tree::complete_children`].
#[derive(Debug)]
pub struct StoredChildren(ChildList);

impl StoredChildren {
    /// Loads the names of the stored children of `path`.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn load(store: &super::Store, path: &str) -> Result<Self, StoreError> {
        let mut builder = Builder::new();
        store.scan(&Key::children(path), |key, _| {
            builder.push(Key::from_bytes(key).name().unwrap_or_default());
        })?;
        Ok(Self(builder.finish()))
    }
}

/// A cached child list, kept up to date.
#[derive(Debug)]
pub(super) struct Listing {
    list: Mutex<Arc<ChildList>>,
    /// Bytes of the list when it was cached.
    weighed: usize,
}

impl Listing {
    fn new(list: Arc<ChildList>) -> Self {
        Self {
            weighed: list.encoded_len(),
            list: Mutex::new(list),
        }
    }

    /// Bytes of it when it was cached.
    pub(super) fn weight(&self) -> usize {
        self.weighed
    }

    /// Enters a change. False when the list has grown so much that it must be weighed again.
    fn enter(&self, name: &str, exists: bool) -> bool {
        let mut list = self.list.lock();
        // In place, unless a reader has it right now: then its table of chunks is copied, not the names.
        Arc::make_mut(&mut list).apply(&[(name, exists)]);
        list.encoded_len() <= self.weighed * 2 + LISTING_GROWTH
    }

    fn list(&self) -> Arc<ChildList> {
        Arc::clone(&self.list.lock())
    }
}

/// Bytes that a small cached list may grow before it is weighed again.
const LISTING_GROWTH: usize = 128;

impl Tree {
    /// The child list of `path` if it is cached. A znode without children needs none: ask its `num_children` first.
    #[must_use]
    pub fn cached_children(&self, path: &str) -> Option<Arc<ChildList>> {
        self.lists.get(path).map(|listing| listing.list())
    }

    /// Keeps the child list of `parent` up to date: `name` came (`exists`) or went.
    pub fn child_changed(&mut self, parent: &str, name: &str, exists: bool) {
        let Some(listing) = self.lists.get(parent) else {
            return;
        };
        if !listing.enter(name, exists) {
            self.cache_list(parent, listing.list());
        }
    }

    fn cache_list(&self, path: &str, list: Arc<ChildList>) {
        self.lists.insert(path.into(), Arc::new(Listing::new(list)));
    }

    /// The epoch in which a load starts.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        Epoch(self.epoch)
    }

    /// Completes names loaded in `epoch` with what the store lacks, and caches the list. None when a flush has ended
    /// since: load again.
    #[must_use]
    pub fn complete_children(
        &self,
        path: &str,
        stored: &StoredChildren,
        epoch: Epoch,
    ) -> Option<Arc<ChildList>> {
        if epoch.0 != self.epoch {
            return None;
        }
        let mut list = stored.0.clone();
        let overlay = self.overlay(&Key::children(path));
        let changes: Vec<_> = overlay
            .into_iter()
            .map(|(key, znode)| (name_of(key), znode.is_some()))
            .collect();
        list.apply(&changes);
        let list = Arc::new(list);
        self.cache_list(path, Arc::clone(&list));
        Some(list)
    }

    /// The child list of `path`, loaded under the lock: for `apply`, which needs it rarely.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn children(&self, path: &str) -> Result<Arc<ChildList>, StoreError> {
        if let Some(list) = self.cached_children(path) {
            return Ok(list);
        }
        let stored = StoredChildren::load(&self.store, path)?;
        Ok(self
            .complete_children(path, &stored, self.epoch())
            .expect("no flush ends under the lock"))
    }

    /// Calls `each` with every descendant of `path`, `path` itself not among them, in no particular order.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn for_each_descendant(
        &self,
        path: &str,
        mut each: impl FnMut(&str, &Znode),
    ) -> Result<(), StoreError> {
        for prefix in Key::descendants(path) {
            let overlay = self.overlay(&prefix);
            let mut damaged = None;
            self.store.scan(&prefix, |key, value| {
                let key = Key::from_bytes(key);
                if overlay.contains_key(&key) {
                    return;
                }
                match (key.path(), Znode::decode(value)) {
                    (Some(path), Some(znode)) => each(&path, &znode),
                    _ => damaged = Some(key),
                }
            })?;
            if let Some(key) = damaged {
                return Err(StoreError::Damaged {
                    key: String::from_utf8_lossy(key.as_bytes()).into_owned(),
                });
            }
            for (key, stored) in overlay {
                if let (Some(path), Some(stored)) = (key.path(), stored) {
                    each(&path, &stored.znode());
                }
            }
        }
        Ok(())
    }

    /// Completes a count of stored descendants, taken in `epoch`, with what the store lacks. None when a flush has
    /// ended since: count again.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn complete_descendants(
        &self,
        path: &str,
        stored: usize,
        epoch: Epoch,
    ) -> Result<Option<usize>, StoreError> {
        if epoch.0 != self.epoch {
            return Ok(None);
        }
        let mut count = stored;
        for prefix in Key::descendants(path) {
            for (key, znode) in self.overlay(&prefix) {
                match (self.store.contains(key)?, znode.is_some()) {
                    (false, true) => count += 1,
                    (true, false) => count -= 1,
                    (true, true) | (false, false) => {}
                }
            }
        }
        Ok(Some(count))
    }

    /// Loads `path` so that a later [`Tree::get`] finds it in memory; touches nothing when it is there.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn prefetch(&self, path: &str) -> Result<(), StoreError> {
        match self.lookup(path) {
            Lookup::Found(_) | Lookup::Absent => Ok(()),
            Lookup::Unknown(_) => self.get(path).map(drop),
        }
    }

    fn overlay(&self, prefix: &Key) -> Overlay<'_> {
        let frozen = self
            .frozen
            .iter()
            .flat_map(|frozen| frozen.starting_with(prefix));
        frozen
            .chain(self.buffer.starting_with(prefix))
            .map(|(key, value)| (key, znode_in(value)))
            .collect()
    }
}

fn znode_in(value: &Value) -> Option<&Stored> {
    match value {
        Value::Znode(stored) => Some(stored),
        Value::Removed => None,
        Value::Record(_) => unreachable!("a znode's key never holds a record"),
    }
}

fn name_of(key: &Key) -> &str {
    key.name().expect("the overlay holds znodes' keys only")
}
