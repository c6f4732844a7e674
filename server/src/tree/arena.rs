//! The entries of one shard of the cache, one behind another in chunks of a fixed size.
//!
//! In: paths with stored forms. Out: where each lies, and what lies there. An entry that grows is written anew at the
//! end, and one that goes is only marked: the bytes are dead until whoever owns the arena empties their chunk. What is
//! too large for a chunk has allocations of its own, and an entry that names it.
//! Not here: which entry has which path (`resident`), when a chunk is emptied.

use std::collections::VecDeque;
use std::ops::{Index, IndexMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Stored, Znode};

/// Bytes of a chunk: the largest size that the allocator packs; each larger one takes a page more. A shard's last chunk
/// is half empty on average.
const CHUNK_BYTES: usize = 14 << 10;
/// Bytes of memory that a chunk takes; the allocator keeps 128 for two.
pub(super) const CHUNK_MEMORY: usize = CHUNK_BYTES + size_of::<Chunk>() + 64;
/// Longest entry in a chunk, in bytes: little of a chunk's end stays empty because the next one does not fit.
const ENTRY_BYTES_MAX: usize = (1 << LENGTH_BITS) - 1;
/// Entries that begin in the same so many bytes of a chunk share one mark; few are shorter.
const MARK_BYTES: usize = 64;
/// An entry that names a large one takes a byte for so many of its: so few share a chunk, and go together, and no two
/// small ones share a mark.
const LARGE_BYTES_PER_ROOM: usize = 16;
const MARK_WORDS: usize = CHUNK_BYTES.div_ceil(64 * MARK_BYTES);

/// Where an entry lies: the number of its chunk, and below it 14 bits for its first byte there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Location(u32);

impl Location {
    /// Bytes of chunks that locations tell apart, at least.
    pub(super) const BYTES_MAX: u64 = (CHUNK_BYTES as u64) << (32 - Self::AT_BITS);
    const AT_BITS: u32 = 14;

    fn new(chunk: u32, at: usize) -> Self {
        let place = (chunk as usize) << Self::AT_BITS | at;
        Self(u32::try_from(place).expect("a shard has a smaller share of the memory"))
    }

    fn chunk(self) -> u32 {
        self.0 >> Self::AT_BITS
    }

    fn at(self) -> usize {
        self.0 as usize & ((1 << Self::AT_BITS) - 1)
    }
}

/// What stands before an entry's path, in 4 bytes, little-endian: three lengths of ten bits, and two marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    /// Bytes of the path that follows; 0 of a large one.
    path_len: usize,
    /// Bytes of the stored form behind it, or of the number of a large one.
    stored_len: usize,
    /// Bytes up to the next entry, these 4 among them.
    room: usize,
    is_large: bool,
    is_dead: bool,
}

const HEADER_BYTES: usize = 4;
const LENGTH_BITS: u32 = 10;

impl Header {
    fn read(bytes: &[u8]) -> Self {
        let bits = read_number(bytes);
        let length = |nth: u32| (bits >> (nth * LENGTH_BITS)) as usize & ((1 << LENGTH_BITS) - 1);
        Self {
            path_len: length(0),
            stored_len: length(1),
            room: length(2),
            is_large: bits & 1 << 30 != 0,
            is_dead: bits & 1 << 31 != 0,
        }
    }

    fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let length = |length: usize, nth: u32| {
            u32::try_from(length).expect("ten bits") << (nth * LENGTH_BITS)
        };
        let bits = length(self.path_len, 0)
            | length(self.stored_len, 1)
            | length(self.room, 2)
            | u32::from(self.is_large) << 30
            | u32::from(self.is_dead) << 31;
        bits.to_le_bytes()
    }

    fn write(self, bytes: &mut [u8]) {
        bytes[..HEADER_BYTES].copy_from_slice(&self.to_bytes());
    }

    /// Bytes of the room that are not dead while the entry lives.
    fn needed(self) -> usize {
        match self.is_large {
            true => self.room,
            false => HEADER_BYTES + self.path_len + self.stored_len,
        }
    }
}

/// An entry in its chunk.
struct Entry<'a> {
    header: Header,
    path: &'a [u8],
    stored: &'a [u8],
}

impl<'a> Entry<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let header = Header::read(bytes);
        let (path, rest) = bytes[HEADER_BYTES..].split_at(header.path_len);
        Self {
            header,
            path,
            stored: &rest[..header.stored_len],
        }
    }

    /// The number of a large one.
    fn large(&self) -> Option<u32> {
        self.header.is_large.then(|| read_number(self.stored))
    }
}

/// The chunks of one shard, and what is too large for them.
///
/// Invariants:
/// * an entry lies in one chunk, and a chunk's entries leave no gap between them;
/// * the dead bytes of a chunk are those of its dead entries, and what living ones do not need of their room;
/// * no chunk is dead from its first byte to its last.
#[derive(Debug, Default)]
pub(super) struct Arena {
    chunks: Numbered<Chunk>,
    /// Chunks by age, the oldest first. Entries are written to the last one.
    by_age: VecDeque<u32>,
    large: Numbered<Large>,
    /// Bytes of memory of all that is large.
    large_bytes: usize,
    dead_bytes: usize,
}

#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    dead_bytes: usize,
    /// A bit for each [`MARK_BYTES`]: was an entry that begins there looked up since the bit was cleared?
    marks: [AtomicU64; MARK_WORDS],
}

#[derive(Debug, Default)]
struct Large {
    path: Box<[u8]>,
    stored: Stored,
}

impl Large {
    fn memory(&self) -> usize {
        size_of::<Self>() + allocated(self.path.len()) + allocated(self.stored.memory())
    }
}

/// Which living entries of a chunk that is emptied stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stays {
    /// All: the chunk has many dead bytes.
    Every,
    /// Those that were looked up since they were written or last stayed so.
    Touched,
    /// None: room is needed at once.
    Nothing,
}

impl Arena {
    /// The path of the entry at `location`.
    pub(super) fn path(&self, location: Location) -> &[u8] {
        let entry = self.entry(location);
        match entry.large() {
            Some(number) => &self.large[number].path,
            None => entry.path,
        }
    }

    /// The znode at `location`; data that are large are shared, not copied.
    pub(super) fn znode(&self, location: Location) -> Arc<Znode> {
        let entry = self.entry(location);
        match entry.large() {
            Some(number) => self.large[number].stored.znode(),
            None => Arc::new(Znode::decode(entry.stored).expect("it was encoded from a znode")),
        }
    }

    /// Notes that the entry at `location` was looked up.
    pub(super) fn touch(&self, location: Location) {
        let (word, bit) = mark(location.at());
        let word = &self.chunks[location.chunk()].marks[word];
        // Most are touched already: nothing is written to a line that others read.
        if word.load(Ordering::Relaxed) & bit == 0 {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Was the entry at `location` looked up since it was written or last spared for that?
    pub(super) fn is_touched(&self, location: Location) -> bool {
        self.chunks[location.chunk()].is_marked(location.at())
    }

    /// Writes an entry at the end.
    pub(super) fn push(&mut self, path: &[u8], stored: &Stored) -> Location {
        let bytes = stored.as_bytes();
        let room = HEADER_BYTES + path.len() + bytes.len();
        if room <= ENTRY_BYTES_MAX {
            return self.append(path, bytes, room, false);
        }
        let large = Large {
            path: path.into(),
            stored: stored.clone(),
        };
        let memory = large.memory();
        self.large_bytes += memory;
        let number = self.large.add(large);
        let room = (memory / LARGE_BYTES_PER_ROOM).clamp(MARK_BYTES, ENTRY_BYTES_MAX);
        self.append(&[], &number.to_le_bytes(), room, true)
    }

    /// Writes a new stored form over the one at `location`. False when there is no room for it.
    pub(super) fn replace(&mut self, location: Location, stored: &Stored) -> bool {
        let stored = stored.as_bytes();
        let (at, chunk) = (location.at(), &mut self.chunks[location.chunk()]);
        let header = Header::read(&chunk.bytes[at..]);
        let needed = HEADER_BYTES + header.path_len + stored.len();
        if header.is_large || needed > header.room {
            return false;
        }
        let start = at + HEADER_BYTES + header.path_len;
        chunk.bytes[start..start + stored.len()].copy_from_slice(stored);
        let stored_len = stored.len();
        Header {
            stored_len,
            ..header
        }
        .write(&mut chunk.bytes[at..]);
        chunk.dead_bytes = chunk.dead_bytes + header.stored_len - stored_len;
        self.dead_bytes = self.dead_bytes + header.stored_len - stored_len;
        true
    }

    /// Lets the entry at `location` die.
    pub(super) fn remove(&mut self, location: Location) {
        if let Some(number) = self.entry(location).large() {
            self.forget_large(number);
        }
        let (at, chunk) = (location.at(), &mut self.chunks[location.chunk()]);
        let header = Header::read(&chunk.bytes[at..]);
        Header {
            is_dead: true,
            ..header
        }
        .write(&mut chunk.bytes[at..]);
        chunk.dead_bytes += header.needed();
        self.dead_bytes += header.needed();
        if chunk.dead_bytes == chunk.bytes.len() {
            self.empty(location.chunk(), Stays::Nothing, |_, _, _| {});
        }
    }

    /// Bytes of memory that everything here takes.
    pub(super) fn memory(&self) -> usize {
        self.by_age.len() * CHUNK_MEMORY + self.large_bytes
    }

    /// The chunk to empty for its dead bytes, when there are too many of them. It has at least their average share, so
    /// that no more than seven bytes are moved for a dead one.
    pub(super) fn wasteful(&self) -> Option<u32> {
        if self.dead_bytes <= CHUNK_BYTES + self.by_age.len() * CHUNK_BYTES / 8 {
            return None;
        }
        let dead_bytes = |number: &u32| self.chunks[*number].dead_bytes;
        self.by_age.iter().copied().max_by_key(dead_bytes)
    }

    /// The chunk that was begun before all others.
    pub(super) fn oldest(&self) -> Option<u32> {
        self.by_age.front().copied()
    }

    /// Frees a chunk. Those of its living entries that stay move to the end; `moved` hears of each its path, where it
    /// was, and where it is.
    pub(super) fn empty(
        &mut self,
        number: u32,
        stays: Stays,
        mut moved: impl FnMut(&[u8], Location, Option<Location>),
    ) {
        self.by_age.retain(|other| *other != number);
        // The number is in use until the end, so that no entry gets the location of one that has not moved yet.
        let chunk = std::mem::take(&mut self.chunks[number]);
        self.dead_bytes -= chunk.dead_bytes;
        let mut at = 0;
        while at < chunk.bytes.len() {
            let entry = Entry::read(&chunk.bytes[at..]);
            if !entry.header.is_dead {
                let from = Location::new(number, at);
                let to = match stays {
                    Stays::Every => Some(chunk.is_marked(at)),
                    Stays::Touched => chunk.is_marked(at).then_some(false),
                    Stays::Nothing => None,
                }
                .map(|is_touched| {
                    let to = self.append(
                        entry.path,
                        entry.stored,
                        entry.header.needed(),
                        entry.header.is_large,
                    );
                    if is_touched {
                        self.touch(to);
                    }
                    to
                });
                match entry.large() {
                    None => moved(entry.path, from, to),
                    Some(number) => {
                        moved(&self.large[number].path, from, to);
                        if to.is_none() {
                            self.forget_large(number);
                        }
                    }
                }
            }
            at += entry.header.room;
        }
        self.chunks.take(number);
    }

    fn entry(&self, location: Location) -> Entry<'_> {
        Entry::read(&self.chunks[location.chunk()].bytes[location.at()..])
    }

    fn append(&mut self, path: &[u8], stored: &[u8], room: usize, is_large: bool) -> Location {
        let header = Header {
            path_len: path.len(),
            stored_len: stored.len(),
            room,
            is_large,
            is_dead: false,
        };
        let number = self.chunk_with_room(header.room);
        let chunk = &mut self.chunks[number];
        let at = chunk.bytes.len();
        chunk.bytes.extend_from_slice(&header.to_bytes());
        chunk.bytes.extend_from_slice(path);
        chunk.bytes.extend_from_slice(stored);
        chunk.bytes.resize(at + room, 0);
        Location::new(number, at)
    }

    /// The last chunk, or a new one when it has not that much room.
    fn chunk_with_room(&mut self, bytes: usize) -> u32 {
        if let Some(&last) = self.by_age.back()
            && self.chunks[last].bytes.len() + bytes <= CHUNK_BYTES
        {
            return last;
        }
        let number = self.chunks.add(Chunk {
            bytes: Vec::with_capacity(CHUNK_BYTES),
            ..Chunk::default()
        });
        self.by_age.push_back(number);
        number
    }

    fn forget_large(&mut self, number: u32) {
        self.large_bytes -= self.large.take(number).memory();
    }
}

impl Chunk {
    fn is_marked(&self, at: usize) -> bool {
        let (word, bit) = mark(at);
        self.marks[word].load(Ordering::Relaxed) & bit != 0
    }
}

/// The word and the bit of the mark of an entry that begins at `at`.
fn mark(at: usize) -> (usize, u64) {
    let nth = at / MARK_BYTES;
    (nth / 64, 1 << (nth % 64))
}

/// Things by small numbers, which are used again.
#[derive(Debug, Default)]
struct Numbered<T> {
    things: Vec<T>,
    free: Vec<u32>,
}

impl<T: Default> Numbered<T> {
    fn add(&mut self, thing: T) -> u32 {
        if let Some(number) = self.free.pop() {
            self[number] = thing;
            return number;
        }
        let number = u32::try_from(self.things.len()).expect("each takes many bytes of memory");
        self.things.push(thing);
        number
    }

    fn take(&mut self, number: u32) -> T {
        self.free.push(number);
        std::mem::take(&mut self[number])
    }
}

impl<T> Index<u32> for Numbered<T> {
    type Output = T;

    fn index(&self, number: u32) -> &T {
        &self.things[number as usize]
    }
}

impl<T> IndexMut<u32> for Numbered<T> {
    fn index_mut(&mut self, number: u32) -> &mut T {
        &mut self.things[number as usize]
    }
}

/// What the allocator takes for so many bytes. jemalloc has four sizes between a power of two and the next, and starts
/// large allocations at a random place in a page.
pub(super) fn allocated(bytes: usize) -> usize {
    let step = (bytes.next_power_of_two() / 8).max(16);
    let size = (bytes + step - 1) & !(step - 1);
    size + if size > CHUNK_BYTES { 4096 } else { 0 }
}

fn read_number(bytes: &[u8]) -> u32 {
    let (number, _) = bytes.split_first_chunk().expect("four bytes stand here");
    u32::from_le_bytes(*number)
}

#[cfg(test)]
impl Arena {
    /// Counts everything again, and gives the living entries.
    pub(super) fn validate(&self) -> Vec<Location> {
        let mut living = Vec::new();
        let (mut dead_bytes, mut large_bytes) = (0, 0);
        for &number in &self.by_age {
            let chunk = &self.chunks[number];
            assert_eq!(chunk.bytes.capacity(), CHUNK_BYTES);
            let mut dead_bytes_here = 0;
            let mut at = 0;
            while at < chunk.bytes.len() {
                let entry = Entry::read(&chunk.bytes[at..]);
                dead_bytes_here += entry.header.room;
                if !entry.header.is_dead {
                    dead_bytes_here -= entry.header.needed();
                    large_bytes += entry
                        .large()
                        .map_or(0, |number| self.large[number].memory());
                    living.push(Location::new(number, at));
                }
                at += entry.header.room;
            }
            assert_eq!(at, chunk.bytes.len(), "no gap, no overlap");
            assert_eq!(dead_bytes_here, chunk.dead_bytes);
            assert!(chunk.dead_bytes < at, "a dead chunk is freed");
            dead_bytes += dead_bytes_here;
        }
        assert_eq!(dead_bytes, self.dead_bytes);
        assert_eq!(large_bytes, self.large_bytes);
        assert_eq!(self.chunks.in_use(), self.by_age.len());
        let is_large = |location: &&Location| self.entry(**location).header.is_large;
        assert_eq!(self.large.in_use(), living.iter().filter(is_large).count());
        living
    }
}

#[cfg(test)]
impl<T> Numbered<T> {
    fn in_use(&self) -> usize {
        self.things.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives() {
        let longest = Header {
            path_len: ENTRY_BYTES_MAX,
            stored_len: 0,
            room: ENTRY_BYTES_MAX,
            is_large: false,
            is_dead: true,
        };
        let other = Header {
            path_len: 1,
            stored_len: ENTRY_BYTES_MAX,
            room: 5,
            is_large: true,
            is_dead: false,
        };
        for header in [longest, other] {
            assert_eq!(Header::read(&header.to_bytes()), header);
        }
    }

    #[test]
    fn memory_is_counted_in_the_allocators_sizes() {
        let sizes = [1, 16, 17, 129, 1024, 1025, 12_289, 40_976].map(allocated);
        assert_eq!(sizes, [16, 16, 32, 160, 1024, 1280, 14_336, 53_248]);
    }
}
