//! The znodes in memory, within a budget.
//!
//! In: znodes as they are changed or loaded. Out: those that were looked up of late. Many shards, each with a lock, a
//! share of the budget, and small tables over an arena: no znode of usual size has more to do at once than to empty a
//! few chunks or to grow one table, so neither is ever felt. One of a megabyte takes the place of thousands.
//! Not here: how entries lie in memory (`arena`), which znodes are current (`Tree`), and what is not flushed yet
//! (`write_behind`): all here may go.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::RwLock;

use super::arena::{Arena, CHUNK_MEMORY, Location, Stays, allocated};
use super::{Stored, Znode};

/// Fewest bytes of a shard's share, if there are more than [`SHARDS_MIN`]: half a chunk is little of it.
const SHARD_BYTES: u64 = 16 << 20;
/// Fewest shards: readers on many cores share no lock most of the time.
const SHARDS_MIN: u64 = 16;
/// Most shards: an empty one takes memory, too.
const SHARDS_MAX: u64 = 1 << 14;
/// Tables of a shard. The growth of one moves its own entries only: those of a full shard of 32 MB, 12 000, in a
/// millisecond.
const TABLES: usize = 16;

/// The shards.
pub(super) struct Resident {
    shards: Box<[RwLock<Shard>]>,
    shard_bytes_max: usize,
    hasher: DefaultHashBuilder,
    /// Znodes in all shards.
    len: AtomicUsize,
}

/// Invariant: each living entry of the arena is in the table of its path's hash, and nothing else is.
#[derive(Default)]
struct Shard {
    tables: [HashTable<Location>; TABLES],
    /// Bytes of memory that the tables take.
    table_bytes: usize,
    arena: Arena,
    /// Entries in all tables.
    len: usize,
}

impl Resident {
    /// Holds up to `bytes`.
    pub(super) fn new(bytes: u64) -> Self {
        let count = (bytes / SHARD_BYTES + 1).next_power_of_two() / 2;
        Self::with_shards(bytes, count.clamp(SHARDS_MIN, SHARDS_MAX))
    }

    fn with_shards(bytes: u64, count: u64) -> Self {
        let shards = (0..count).map(|_| RwLock::default()).collect();
        // One chunk more is there for a moment, before room is made; half is more than enough of a reserve.
        let share = (bytes / count).min(Location::BYTES_MAX / 2);
        Self {
            shards,
            shard_bytes_max: usize::try_from(share).unwrap_or(usize::MAX),
            hasher: DefaultHashBuilder::default(),
            len: AtomicUsize::new(0),
        }
    }

    /// The znode at `path`; otherwise how many others are here.
    ///
    /// That number is read while nothing can enter the znode's own shard. So when it is the number of all znodes that
    /// exist, there is none at `path`.
    pub(super) fn get(&self, path: &str) -> Result<Arc<Znode>, usize> {
        let path = path.as_bytes();
        let hash = self.hasher.hash_one(path);
        let shard = self.shard(hash).read();
        let arena = &shard.arena;
        let found = shard.tables[table(hash)].find(hash, |other| arena.path(*other) == path);
        let Some(&location) = found else {
            return Err(self.len.load(Ordering::Relaxed));
        };
        arena.touch(location);
        Ok(arena.znode(location))
    }

    /// Takes a znode in, in place of the one that was at its path.
    pub(super) fn insert(&self, path: &str, stored: &Stored) {
        self.change(path, |shard, hash, path| {
            // What would drive out most others has no place here.
            if path.len() + stored.as_bytes().len() > self.shard_bytes_max / 2 {
                shard.remove(hash, path);
            } else {
                shard.put(&self.hasher, hash, path, stored);
            }
        });
    }

    /// Forgets the znode at `path`.
    pub(super) fn remove(&self, path: &str) {
        self.change(path, Shard::remove);
    }

    /// Forgets everything.
    #[cfg(test)]
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            *shard.write() = Shard::default();
        }
        self.len.store(0, Ordering::Relaxed);
    }

    /// Changes the shard of `path`, and brings it back within its bounds.
    fn change(&self, path: &str, change: impl FnOnce(&mut Shard, u64, &[u8])) {
        let path = path.as_bytes();
        let hash = self.hasher.hash_one(path);
        let mut shard = self.shard(hash).write();
        let before = shard.len;
        change(&mut shard, hash, path);
        shard.make_room(&self.hasher, self.shard_bytes_max);
        // In one step and under the lock of the shard: see `get`.
        let after = shard.len;
        if after >= before {
            self.len.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.len.fetch_sub(before - after, Ordering::Relaxed);
        }
    }

    /// The shards differ in bits 24 to 37 of the hash, the tables of one in those from 40 on: a table uses those at
    /// both ends.
    fn shard(&self, hash: u64) -> &RwLock<Shard> {
        &self.shards[bits(hash, 24) & (self.shards.len() - 1)]
    }
}

impl Shard {
    fn put(&mut self, hasher: &impl BuildHasher, hash: u64, path: &[u8], stored: &Stored) {
        let Self { tables, arena, .. } = self;
        let table = &mut tables[table(hash)];
        if let Some(known) = table.find_mut(hash, |other| arena.path(*other) == path) {
            if !arena.replace(*known, stored) {
                let moved = arena.push(path, stored);
                if arena.is_touched(*known) {
                    arena.touch(moved);
                }
                arena.remove(*known);
                *known = moved;
            }
            return;
        }
        let location = arena.push(path, stored);
        let bytes_before = table.allocation_size();
        table.insert_unique(hash, location, |other| hasher.hash_one(arena.path(*other)));
        if table.allocation_size() != bytes_before {
            self.table_bytes -= allocated(bytes_before);
            self.table_bytes += memory(table);
        }
        self.len += 1;
    }

    fn remove(&mut self, hash: u64, path: &[u8]) {
        let Self { tables, arena, .. } = self;
        let table = &mut tables[table(hash)];
        if let Ok(known) = table.find_entry(hash, |other| arena.path(*other) == path) {
            let (location, _) = known.remove();
            arena.remove(location);
            self.len -= 1;
        }
    }

    fn memory(&self) -> usize {
        self.table_bytes + self.arena.memory()
    }

    /// Lets go of the oldest entries that were not looked up since the last time, and of others when that is not
    /// enough; then of dead bytes that are too many.
    fn make_room(&mut self, hasher: &impl BuildHasher, bytes_max: usize) {
        let excess = self.memory().saturating_sub(bytes_max);
        // So that a single change never goes through a whole shard in which everything was looked up.
        let mut chunks_spared_max = 2 * excess.div_ceil(CHUNK_MEMORY);
        while self.memory() > bytes_max {
            let Some(oldest) = self.arena.oldest() else {
                // The tables alone are too large.
                *self = Self::default();
                return;
            };
            let stays = match chunks_spared_max {
                0 => Stays::Nothing,
                _ => Stays::Touched,
            };
            chunks_spared_max = chunks_spared_max.saturating_sub(1);
            self.empty(hasher, oldest, stays);
        }
        while let Some(wasteful) = self.arena.wasteful() {
            self.empty(hasher, wasteful, Stays::Every);
        }
    }

    fn empty(&mut self, hasher: &impl BuildHasher, chunk: u32, stays: Stays) {
        let Self {
            tables, arena, len, ..
        } = self;
        arena.empty(chunk, stays, |path, from, to| {
            let hash = hasher.hash_one(path);
            let known = tables[table(hash)].find_entry(hash, |other| *other == from);
            let mut known = known.expect("a living entry is in its table");
            match to {
                Some(to) => *known.get_mut() = to,
                None => {
                    known.remove();
                    *len -= 1;
                }
            }
        });
    }
}

/// The table of a path in its shard.
///
/// Tables double when they are full. The last has twice the share of the first, so that they do not all do it at the
/// same number of znodes: their memory and their growth spread evenly.
fn table(hash: u64) -> usize {
    const SHARES: usize = TABLES * (3 * TABLES - 1) / 2;
    const TABLE_OF_SHARE: [u8; SHARES] = {
        let mut table_of_share = [0; SHARES];
        let (mut share, mut table) = (0, 0);
        while share < SHARES {
            let end = share + TABLES + table as usize;
            while share < end {
                table_of_share[share] = table;
                share += 1;
            }
            table += 1;
        }
        table_of_share
    };
    TABLE_OF_SHARE[((bits(hash, 40) & 0xFFFF) * SHARES) >> 16].into()
}

/// 32 bits of a hash from `first` on.
fn bits(hash: u64, first: u32) -> usize {
    usize::try_from(hash >> first & 0xFFFF_FFFF).expect("at least 32 bits")
}

/// Bytes of memory that a table takes.
fn memory(table: &HashTable<Location>) -> usize {
    allocated(table.allocation_size())
}

#[cfg(test)]
mod tests;
