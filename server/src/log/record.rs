//! The bytes of one record: encoder and decoder side by side, pure.
//!
//! ```text
//! offset  size
//!      0     4  crc32 of all that follows, seeded with the segment's generation and the writer's nonce
//!      4     4  payload length
//!      8     8  log index
//!     16     8  term
//!     24     1  kind
//!     25     7  zero
//!     32     n  payload, then zeros up to a multiple of 8
//! ```
//! All numbers are little-endian. The seed makes bytes of a recycled file, or of an earlier process, unreadable: they
//! fail the checksum. Not here: marks and headers (`segment`), files (`writer`).

use bytes::Bytes;
use crc32fast::Hasher;

/// Bytes before the payload.
pub(crate) const RECORD_HEADER_LEN: usize = 32;

/// The kind byte of a [`super::segment::Mark`]; it is no record of the caller's.
pub(crate) const KIND_MARK: u8 = 0x80;

/// Where an entry lies in the log: its index, and the term of the leader that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Place in the log, from 0.
    pub index: u64,
    /// Term of the leader that wrote it.
    pub term: u64,
}

/// What a record carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordKind {
    /// Nothing: the first entry of a leader.
    Blank = 1,
    /// A command for the state machine.
    Command = 2,
    /// The members of the ensemble.
    Membership = 3,
}

impl RecordKind {
    fn from_byte(byte: u8) -> Option<RecordKind> {
        match byte {
            1 => Some(RecordKind::Blank),
            2 => Some(RecordKind::Command),
            3 => Some(RecordKind::Membership),
            _ => None,
        }
    }
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it lies.
    pub position: Position,
    /// What the payload is.
    pub kind: RecordKind,
    /// Opaque to the log.
    pub payload: Bytes,
}

/// A record that lies, checked, in a buffer at a known place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawRecord {
    pub(crate) position: Position,
    pub(crate) kind: u8,
    /// Where its payload begins in the buffer.
    pub(crate) payload_at: usize,
    pub(crate) payload_len: usize,
    /// Where the next record begins in the buffer.
    pub(crate) next: usize,
}

impl RawRecord {
    /// The kind, unless it is a mark or unknown.
    pub(crate) fn record_kind(&self) -> Option<RecordKind> {
        RecordKind::from_byte(self.kind)
    }
}

/// The checksum's seed for records of one segment written by one process.
pub(crate) fn record_seed(generation: u64, nonce: u64) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&generation.to_le_bytes());
    hasher.update(&nonce.to_le_bytes());
    hasher.finalize()
}

/// The bytes that a payload of this length takes in a file, header and padding included.
pub(crate) fn encoded_len(payload_len: usize) -> usize {
    (RECORD_HEADER_LEN + payload_len).next_multiple_of(8)
}

/// Appends one record.
///
/// # Panics
/// When the payload exceeds 4 GiB; proposals are bounded far below.
pub(crate) fn encode(out: &mut Vec<u8>, seed: u32, position: Position, kind: u8, payload: &[u8]) {
    let start = out.len();
    let len = u32::try_from(payload.len()).expect("a payload is far smaller than 4 GiB");
    out.reserve(encoded_len(payload.len()));
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&position.index.to_le_bytes());
    out.extend_from_slice(&position.term.to_le_bytes());
    out.extend_from_slice(&[kind, 0, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(payload);
    out.resize(start + encoded_len(payload.len()), 0);
    let crc = checksum(seed, &out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

/// Reads the record at the offset; `None` where the bytes are no such record, or end before it does.
pub(crate) fn decode(bytes: &[u8], offset: usize, seed: u32) -> Option<RawRecord> {
    let header = bytes.get(offset..offset.checked_add(RECORD_HEADER_LEN)?)?;
    let crc = u32::from_le_bytes(field(header, 0)?);
    let payload_len = usize::try_from(u32::from_le_bytes(field(header, 4)?)).ok()?;
    let next = offset.checked_add(encoded_len(payload_len))?;
    let checked = bytes.get(offset + 4..next)?;
    if checksum(seed, checked) != crc {
        return None;
    }
    Some(RawRecord {
        position: Position {
            index: u64::from_le_bytes(field(header, 8)?),
            term: u64::from_le_bytes(field(header, 16)?),
        },
        kind: *header.get(24)?,
        payload_at: offset + RECORD_HEADER_LEN,
        payload_len,
        next,
    })
}

/// The `N` bytes at `at`.
pub(crate) fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

fn checksum(seed: u32, bytes: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(seed);
    hasher.update(bytes);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_of_a_record_is_seen() {
        let seed = record_seed(7, 9);
        let mut bytes = Vec::new();
        encode(
            &mut bytes,
            seed,
            Position { index: 3, term: 2 },
            RecordKind::Command as u8,
            b"thirteen byte",
        );
        let raw = decode(&bytes, 0, seed).unwrap();
        assert_eq!(raw.position, Position { index: 3, term: 2 });
        assert_eq!(raw.record_kind(), Some(RecordKind::Command));
        assert_eq!(
            &bytes[raw.payload_at..raw.payload_at + raw.payload_len],
            b"thirteen byte"
        );
        assert_eq!(raw.next, bytes.len());
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&damaged, 0, seed), None, "bit {bit}");
        }
    }

    #[test]
    fn another_generation_or_nonce_reads_nothing() {
        let mut bytes = Vec::new();
        encode(
            &mut bytes,
            record_seed(1, 1),
            Position { index: 0, term: 1 },
            RecordKind::Blank as u8,
            b"",
        );
        assert!(decode(&bytes, 0, record_seed(1, 1)).is_some());
        assert_eq!(decode(&bytes, 0, record_seed(2, 1)), None);
        assert_eq!(decode(&bytes, 0, record_seed(1, 2)), None);
    }

    #[test]
    fn a_record_cut_anywhere_is_no_record() {
        let mut bytes = Vec::new();
        encode(
            &mut bytes,
            5,
            Position { index: 0, term: 1 },
            RecordKind::Command as u8,
            b"payload",
        );
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len], 0, 5), None, "{len} bytes");
        }
        assert_eq!(decode(&bytes, usize::MAX, 5), None);
    }
}
