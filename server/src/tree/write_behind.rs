//! The write-behind buffer: changes that the store does not have yet, newest only, sorted as the store sorts them.
//!
//! The log is the write-ahead log, so nothing is lost with the buffer: it is replayed from what the store says was
//! applied. Many changes of one znode (a parent's counters, a counter's value) become one put, and puts in key
//! order cost RocksDB half of unsorted ones.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Key, Stored};

/// What a key will hold in the store.
#[derive(Debug, Clone)]
pub enum Value {
    /// A znode.
    Znode(Stored),
    /// A record beside the znodes.
    Record(Box<[u8]>),
    /// Nothing: the key is deleted.
    Removed,
}

impl Value {
    fn memory(&self) -> usize {
        match self {
            Self::Znode(stored) => stored.memory(),
            Self::Record(record) => record.len(),
            Self::Removed => 0,
        }
    }
}

/// Bytes that the map takes for one entry, nearly.
const ENTRY_OVERHEAD: usize = 64;

/// Changes since the last freeze.
#[derive(Debug, Default)]
pub(super) struct WriteBehind {
    entries: BTreeMap<Key, Value>,
    bytes: usize,
}

impl WriteBehind {
    pub(super) fn insert(&mut self, key: Key, value: Value) {
        let (key_bytes, value_bytes) = (key.as_bytes().len() + ENTRY_OVERHEAD, value.memory());
        match self.entries.insert(key, value) {
            None => self.bytes += key_bytes + value_bytes,
            Some(old) => self.bytes = self.bytes + value_bytes - old.memory(),
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Value> {
        self.entries.get(key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn starting_with(&self, prefix: &Key) -> impl Iterator<Item = (&Key, &Value)> {
        starting_with(&self.entries, prefix)
    }

    pub(super) fn freeze(&mut self) -> Frozen {
        self.bytes = 0;
        Frozen {
            entries: std::mem::take(&mut self.entries),
        }
    }
}

/// A buffer that changes no more and is being written to the store.
#[derive(Debug)]
pub struct Frozen {
    entries: BTreeMap<Key, Value>,
}

impl Frozen {
    pub(super) fn get(&self, key: &Key) -> Option<&Value> {
        self.entries.get(key)
    }

    pub(super) fn starting_with(&self, prefix: &Key) -> impl Iterator<Item = (&Key, &Value)> {
        starting_with(&self.entries, prefix)
    }

    /// Everything in it, in the store's order.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Value)> {
        self.entries.iter()
    }
}

fn starting_with<'a>(
    entries: &'a BTreeMap<Key, Value>,
    prefix: &Key,
) -> impl Iterator<Item = (&'a Key, &'a Value)> + use<'a> {
    let prefix = prefix.clone();
    entries
        .range((Bound::Included(prefix.clone()), Bound::Unbounded))
        .take_while(move |(key, _)| key.as_bytes().starts_with(prefix.as_bytes()))
}
