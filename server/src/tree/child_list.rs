//! The names of a znode's children, encoded as clients read them, in chunks.
//!
//! A change rewrites one chunk and a reply shares all of them, so neither costs more in a directory of a million.

use bytes::{BufMut, Bytes};

/// Bytes of a chunk above which it is split: copying half of one costs about a microsecond, and shared by thousands of
/// replies each is one buffer.
const CHUNK_BYTES_MAX: usize = 32 << 10;

/// The children of one znode at one moment, in the order of their names' bytes.
///
/// Invariants:
/// * a chunk holds one name at least, each as the wire's `str`: an `i32` length and its bytes;
/// * names rise strictly, within chunks and from one to the next.
#[derive(Debug, Clone, Default)]
pub struct ChildList {
    chunks: Vec<Bytes>,
    count: usize,
    bytes: usize,
}

/// A name that came (true) or went.
pub(super) type Change<'a> = (&'a str, bool);

impl ChildList {
    /// Enters changes, whose names rise strictly. Rewrites the chunks that they fall into, and no other.
    pub(super) fn apply(&mut self, mut changes: &[Change<'_>]) {
        while let Some((name, _)) = changes.first() {
            let at = self
                .chunks
                .partition_point(|chunk| first_name(chunk) <= *name)
                .saturating_sub(1);
            let here = self.chunks.get(at + 1).map_or(changes.len(), |next| {
                changes.partition_point(|(name, _)| *name < first_name(next))
            });
            let (here, later) = changes.split_at(here);
            self.rewrite(at, here);
            changes = later;
        }
    }

    fn rewrite(&mut self, at: usize, changes: &[Change<'_>]) {
        let old = self.chunks.get(at).cloned().unwrap_or_default();
        let added: usize = changes
            .iter()
            .filter(|(_, exists)| *exists)
            .map(|(name, _)| name.len() + 4)
            .sum();
        let bytes_most = old.len() + added;
        // Split in the middle, so that both halves have room.
        let target = match bytes_most.div_ceil(CHUNK_BYTES_MAX) {
            0 | 1 => CHUNK_BYTES_MAX,
            parts => bytes_most / parts + 1,
        };
        let mut builder = Builder::of(target);
        let mut before = 0;
        let mut changes = changes.iter().copied().peekable();
        for name in names(&old) {
            before += 1;
            while let Some((new, exists)) = changes.next_if(|(new, _)| *new < name) {
                if exists {
                    builder.push(new);
                }
            }
            match changes.next_if(|(new, _)| *new == name) {
                Some((_, false)) => {}
                Some((_, true)) | None => builder.push(name),
            }
        }
        for (new, exists) in changes {
            if exists {
                builder.push(new);
            }
        }
        let rewritten = builder.finish();
        self.count = self.count + rewritten.count - before;
        self.bytes = self.bytes + rewritten.bytes - old.len();
        let end = self.chunks.len().min(at + 1);
        self.chunks.splice(at..end, rewritten.chunks);
    }

    /// The names as the wire's `vec<str>` holds them behind its `i32` count, in pieces.
    #[must_use]
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// Bytes of all chunks.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.bytes
    }

    /// How many there are, as the wire has it.
    #[must_use]
    pub fn wire_count(&self) -> i32 {
        wire_length(self.count)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.chunks.iter().flat_map(|chunk| names(chunk))
    }
}

/// A list in the making, of names that rise strictly.
#[derive(Debug)]
pub(super) struct Builder {
    target: usize,
    list: ChildList,
    open: Vec<u8>,
}

impl Builder {
    /// For a list of unknown length.
    pub(super) fn new() -> Self {
        Self::of(CHUNK_BYTES_MAX)
    }

    /// With chunks of at most `target` bytes, unless a single name has more.
    fn of(target: usize) -> Self {
        Self {
            target,
            list: ChildList::default(),
            open: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, name: &str) {
        if self.open.len() + name.len() + 4 > self.target {
            self.close_chunk();
        }
        self.open.put_i32(wire_length(name.len()));
        self.open.put_slice(name.as_bytes());
        self.list.count += 1;
    }

    pub(super) fn finish(mut self) -> ChildList {
        self.close_chunk();
        self.list
    }

    /// Copied, so that a cached chunk takes no more than its bytes.
    fn close_chunk(&mut self) {
        if !self.open.is_empty() {
            self.list.bytes += self.open.len();
            self.list.chunks.push(Bytes::copy_from_slice(&self.open));
            self.open.clear();
        }
    }
}

fn names(chunk: &[u8]) -> impl Iterator<Item = &str> {
    let mut rest = chunk;
    std::iter::from_fn(move || {
        let (length, tail) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(i32::from_be_bytes(*length)).expect("encoded from a length");
        let (name, tail) = tail.split_at(length);
        rest = tail;
        Some(std::str::from_utf8(name).expect("encoded from a str"))
    })
}

fn first_name(chunk: &[u8]) -> &str {
    names(chunk)
        .next()
        .expect("a chunk holds one name at least")
}

fn wire_length(length: usize) -> i32 {
    i32::try_from(length).expect("names and lists stay far below 2 GiB")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn encode<'a>(names: impl Iterator<Item = &'a str>) -> ChildList {
        let mut builder = Builder::new();
        names.for_each(|name| builder.push(name));
        builder.finish()
    }

    #[test]
    fn names_come_back_in_order() {
        let list = encode(["", "a", "b", "ü"].into_iter());
        assert_eq!(list.names().collect::<Vec<_>>(), ["", "a", "b", "ü"]);
        assert_eq!((list.len(), list.wire_count()), (4, 4));
        assert!(encode(std::iter::empty()).chunks().is_empty());
    }

    #[test]
    fn a_large_list_is_split_evenly_and_a_change_leaves_the_other_chunks_alone() {
        let all: Vec<String> = (0..10_000).map(|at| format!("{at:08}")).collect();
        let mut list = ChildList::default();
        for name in &all {
            list.apply(&[(name, true)]);
        }
        assert_eq!(list.len(), all.len());
        let lengths = list.chunks().iter().map(Bytes::len);
        for length in lengths.rev().skip(1) {
            assert!(
                (CHUNK_BYTES_MAX / 2 - 16..=CHUNK_BYTES_MAX).contains(&length),
                "{length}"
            );
        }
        let before = list.clone();
        list.apply(&[("00000007", false), ("00000007x", true)]);
        let moved = |(old, new): (&Bytes, &Bytes)| old.as_ptr() != new.as_ptr();
        let changed = before
            .chunks
            .iter()
            .zip(&list.chunks)
            .filter(|pair| moved(*pair));
        assert_eq!(changed.count(), 1);
        assert_eq!(list.len(), all.len());
    }

    proptest! {
        #[test]
        fn a_changed_list_is_the_one_encoded_anew(
            first in prop::collection::btree_set("[a-c]{0,3}", 0..30),
            batches in prop::collection::vec(
                prop::collection::btree_map("[a-c]{0,3}", any::<bool>(), 0..8), 0..8),
            repeat in 1..800_usize,
        ) {
            // Long names make many chunks of few.
            let long = |name: &str| format!("{name}{}", "-".repeat(repeat * 40));
            let mut model: BTreeSet<String> = first.iter().map(|name| long(name)).collect();
            let mut list = encode(model.iter().map(String::as_str));
            for batch in &batches {
                let mut changes: Vec<(String, bool)> =
                    batch.iter().map(|(name, exists)| (long(name), *exists)).collect();
                changes.sort();
                for (name, exists) in &changes {
                    if *exists { model.insert(name.clone()); } else { model.remove(name); }
                }
                let changes: Vec<Change<'_>> =
                    changes.iter().map(|(name, exists)| (name.as_str(), *exists)).collect();
                list.apply(&changes);
                let expected: Vec<&str> = model.iter().map(String::as_str).collect();
                prop_assert_eq!(list.names().collect::<Vec<_>>(), expected);
                prop_assert_eq!(list.len(), model.len());
                prop_assert_eq!(list.encoded_len(), list.chunks().iter().map(Bytes::len).sum::<usize>());
                prop_assert!(list.chunks().iter().all(|chunk| !chunk.is_empty()));
            }
        }
    }
}
