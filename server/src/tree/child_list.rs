//! The names of a znode's children, encoded once as clients read them.

use bytes::{BufMut, Bytes, BytesMut};

/// The children of one znode at one moment.
#[derive(Debug, Clone)]
pub struct ChildList {
    encoded: Bytes,
    count: usize,
}

impl ChildList {
    /// Encodes names, in the order given, as the wire's `vec<str>`.
    pub(super) fn encode<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut out = BytesMut::with_capacity(256);
        out.put_i32(0);
        let mut count = 0;
        for name in names {
            out.put_i32(wire_length(name.len()));
            out.put_slice(name.as_bytes());
            count += 1;
        }
        out[..4].copy_from_slice(&wire_length(count).to_be_bytes());
        Self {
            encoded: out.freeze(),
            count,
        }
    }

    /// The wire's `vec<str>`: an `i32` count, then each name as an `i32` length and its bytes.
    #[must_use]
    pub fn encoded(&self) -> &Bytes {
        &self.encoded
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
        let mut rest = &self.encoded[4..];
        std::iter::from_fn(move || {
            let (length, tail) = rest.split_first_chunk::<4>()?;
            let length =
                usize::try_from(i32::from_be_bytes(*length)).expect("encoded from a length");
            let (name, tail) = tail.split_at(length);
            rest = tail;
            Some(std::str::from_utf8(name).expect("encoded from a str"))
        })
    }
}

fn wire_length(length: usize) -> i32 {
    i32::try_from(length).expect("names and lists stay far below 2 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_in_order() {
        let list = ChildList::encode(["b", "a", "", "ü"].into_iter());
        assert_eq!(list.names().collect::<Vec<_>>(), ["b", "a", "", "ü"]);
        assert_eq!(list.len(), 4);
        assert_eq!(
            ChildList::encode(std::iter::empty()).encoded().as_ref(),
            [0, 0, 0, 0]
        );
    }
}
