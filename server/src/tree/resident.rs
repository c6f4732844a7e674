//! The znodes in memory, within a budget.
//!
//! In: znodes as they are changed or loaded. Out: those that were looked up of late. Many small tables, each with a
//! lock and a share of the budget: none of them is ever large enough for its growth or its cleaning to be felt.
//! Not here: which znodes are current (`Tree`), and what is not flushed yet (`write_behind`): all here may go.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::RwLock;

use super::{Packed, Znode};

/// Bytes of one table, about. Its cleaning walks it whole, which takes well under a millisecond.
const SHARD_BYTES: u64 = 2 << 20;
/// Fewest tables: readers on many cores share no lock most of the time.
const SHARDS_MIN: u64 = 16;
/// Most tables: an empty one takes memory, too.
const SHARDS_MAX: u64 = 1 << 14;
/// Bytes that a table takes for one entry, nearly: a pointer and a byte, and the room between.
const ENTRY_OVERHEAD: usize = 16;

/// The tables.
pub(super) struct Resident {
    shards: Box<[RwLock<Shard>]>,
    shard_bytes_max: usize,
    hasher: DefaultHashBuilder,
    /// Znodes in all tables.
    len: AtomicUsize,
}

#[derive(Default)]
struct Shard {
    table: HashTable<Packed>,
    bytes: usize,
}

impl Resident {
    /// Holds up to `bytes`.
    pub(super) fn new(bytes: u64) -> Self {
        let count = (bytes / SHARD_BYTES)
            .next_power_of_two()
            .clamp(SHARDS_MIN, SHARDS_MAX);
        let shards = (0..count).map(|_| RwLock::default()).collect();
        Self {
            shards,
            shard_bytes_max: usize::try_from(bytes / count).unwrap_or(usize::MAX),
            hasher: DefaultHashBuilder::default(),
            len: AtomicUsize::new(0),
        }
    }

    /// The znode at `path`; otherwise how many others are here.
    ///
    /// That number is read while nothing can enter the znode's own table. So when it is the number of all znodes that
    /// exist, there is none at `path`.
    pub(super) fn get(&self, path: &str) -> Result<Arc<Znode>, usize> {
        let hash = self.hasher.hash_one(path.as_bytes());
        let shard = self.shard(hash).read();
        let Some(found) = shard.table.find(hash, is(path.as_bytes())) else {
            return Err(self.len.load(Ordering::Relaxed));
        };
        found.touch();
        Ok(found.znode())
    }

    /// Takes a znode in, in place of the one that was at its path.
    pub(super) fn insert(&self, packed: Packed) {
        let hash = self.hasher.hash_one(packed.path());
        let mut shard = self.shard(hash).write();
        let shard = &mut *shard;
        let before = shard.table.len();
        shard.bytes += cost(&packed);
        let rehash = |packed: &Packed| self.hasher.hash_one(packed.path());
        match shard.table.entry(hash, is(packed.path()), rehash) {
            Entry::Occupied(mut known) => {
                if known.get().take_touched() {
                    packed.touch();
                }
                shard.bytes -= cost(known.get());
                *known.get_mut() = packed;
            }
            Entry::Vacant(free) => {
                free.insert(packed);
            }
        }
        if shard.bytes > self.shard_bytes_max {
            shard.make_room(self.shard_bytes_max / 10 * 9);
        }
        // In one step and under the lock of the table: see `get`.
        let after = shard.table.len();
        if after >= before {
            self.len.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.len.fetch_sub(before - after, Ordering::Relaxed);
        }
    }

    /// Forgets the znode at `path`.
    pub(super) fn remove(&self, path: &str) {
        let hash = self.hasher.hash_one(path.as_bytes());
        let mut shard = self.shard(hash).write();
        if let Ok(known) = shard.table.find_entry(hash, is(path.as_bytes())) {
            let (gone, _) = known.remove();
            shard.bytes -= cost(&gone);
            self.len.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Forgets everything.
    #[cfg(test)]
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            *shard.write() = Shard::default();
        }
        self.len.store(0, Ordering::Relaxed);
    }

    /// The tables differ in the middle bits of the hash: a table uses those at its ends.
    fn shard(&self, hash: u64) -> &RwLock<Shard> {
        let mask = self.shards.len() - 1;
        let middle = usize::try_from(hash >> 24 & 0xFFFF_FFFF).unwrap_or(usize::MAX);
        &self.shards[middle & mask]
    }
}

impl Shard {
    /// Lets go of what was not looked up since the last time, and of the rest when that is not enough.
    fn make_room(&mut self, bytes_max: usize) {
        let Self { table, bytes } = self;
        for spare_touched in [true, false] {
            table.retain(|packed| {
                let stays = *bytes <= bytes_max || (spare_touched && packed.take_touched());
                if !stays {
                    *bytes -= cost(packed);
                }
                stays
            });
        }
    }
}

fn cost(packed: &Packed) -> usize {
    packed.memory() + ENTRY_OVERHEAD
}

fn is(path: &[u8]) -> impl Fn(&Packed) -> bool {
    move |packed| packed.path() == path
}

#[cfg(test)]
mod tests {
    use super::super::Owner;
    use super::*;

    fn packed(path: &str, version: i32) -> Packed {
        let znode = Znode {
            version,
            data: Some(vec![7; 100].into()),
            ..Znode::born(1, 1, Owner::Persistent)
        };
        Packed::new(path, &znode)
    }

    #[test]
    fn the_last_one_put_is_found_and_a_removed_one_is_not() {
        let resident = Resident::new(1 << 20);
        resident.insert(packed("/a", 1));
        resident.insert(packed("/a", 2));
        resident.insert(packed("/b", 3));
        assert_eq!(resident.get("/a").map(|znode| znode.version), Ok(2));
        resident.remove("/a");
        resident.remove("/absent");
        assert_eq!(resident.get("/a").err(), Some(1));
        assert_eq!(resident.get("/b").map(|znode| znode.version), Ok(3));
        resident.remove("/b");
        let left: usize = resident.shards.iter().map(|shard| shard.read().bytes).sum();
        assert_eq!(left, 0);
    }

    #[test]
    fn the_budget_holds_and_what_is_looked_up_stays() {
        let budget = 1 << 20;
        let resident = Resident::new(budget);
        let hot: Vec<String> = (0..200).map(|at| format!("/hot/{at}")).collect();
        for path in &hot {
            resident.insert(packed(path, 0));
        }
        for at in 0..50_000 {
            resident.insert(packed(&format!("/cold/{at}"), 0));
            if at % 50 == 0 {
                for path in &hot {
                    assert!(resident.get(path).is_ok(), "{path} after {at}");
                }
            }
        }
        let bytes: usize = resident.shards.iter().map(|shard| shard.read().bytes).sum();
        let entries: usize = (resident.shards.iter())
            .map(|shard| shard.read().table.iter().map(cost).sum::<usize>())
            .sum();
        assert_eq!(bytes, entries);
        let count: usize = (resident.shards.iter())
            .map(|shard| shard.read().table.len())
            .sum();
        assert_eq!(resident.len.load(Ordering::Relaxed), count);
        assert!(u64::try_from(bytes).expect("small") <= budget);
        assert!(bytes > (1 << 20) / 2, "the budget is used");
    }

    #[test]
    fn one_that_exceeds_the_budget_is_not_kept() {
        let resident = Resident::new(4096);
        let large = Znode {
            data: Some(vec![7; 10_000].into()),
            ..Znode::born(1, 1, Owner::Persistent)
        };
        resident.insert(Packed::new("/large", &large));
        assert_eq!(resident.get("/large").err(), Some(0));
        resident.insert(packed("/a", 1));
        assert!(resident.get("/a").is_ok());
    }
}
