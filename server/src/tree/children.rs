//! Who is below whom: child lists, and walks over all descendants, merged from the store and what it lacks yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ChildList, Epoch, Key, Lookup, Packed, StoreError, Tree, Value, Znode};

/// Changes that the store lacks: key → does the znode exist.
type Overlay<'a> = BTreeMap<&'a Key, Option<&'a Packed>>;

/// Names loaded from the store outside the lock, to be completed under it with [`Tree::complete_children`].
#[derive(Debug)]
pub struct StoredNames(Vec<Box<str>>);

impl StoredNames {
    /// Loads the names of the stored children of `path`.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn load(store: &super::Store, path: &str) -> Result<Self, StoreError> {
        let mut names = Vec::new();
        store.scan(&Key::children(path), |key, _| {
            names.push(Key::from_bytes(key).name().unwrap_or_default().into());
        })?;
        Ok(Self(names))
    }
}

impl Tree {
    /// The child list of `path` if it is cached. A znode without children needs none: ask its `num_children` first.
    #[must_use]
    pub fn cached_children(&self, path: &str) -> Option<Arc<ChildList>> {
        self.lists.get(path)
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
        stored: &StoredNames,
        epoch: Epoch,
    ) -> Option<Arc<ChildList>> {
        if epoch.0 != self.epoch {
            return None;
        }
        let overlay = self.overlay(&Key::children(path));
        let list = if overlay.is_empty() {
            ChildList::encode(stored.0.iter().map(AsRef::as_ref))
        } else {
            let mut changed = overlay
                .into_iter()
                .map(|(key, znode)| (name_of(key), znode.is_some()))
                .peekable();
            let mut names: Vec<&str> = Vec::with_capacity(stored.0.len());
            for name in stored.0.iter().map(AsRef::as_ref) {
                while let Some((new, exists)) = changed.next_if(|(new, _)| *new < name) {
                    names.extend(exists.then_some(new));
                }
                match changed.next_if(|(new, _)| *new == name) {
                    Some((_, exists)) => names.extend(exists.then_some(name)),
                    None => names.push(name),
                }
            }
            names.extend(changed.filter_map(|(new, exists)| exists.then_some(new)));
            ChildList::encode(names.into_iter())
        };
        let list = Arc::new(list);
        self.lists.insert(path.into(), Arc::clone(&list));
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
        let stored = StoredNames::load(&self.store, path)?;
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
            for (key, packed) in overlay {
                if let (Some(path), Some(packed)) = (key.path(), packed) {
                    each(&path, &packed.znode());
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

fn znode_in(value: &Value) -> Option<&Packed> {
    match value {
        Value::Znode(packed) => Some(packed),
        Value::Removed => None,
        Value::Record(_) => unreachable!("a znode's key never holds a record"),
    }
}

fn name_of(key: &Key) -> &str {
    key.name().expect("the overlay holds znodes' keys only")
}
