//! The bytes of a segment file, and the pure function that reads one.
//!
//! ```text
//! block of 4096 bytes   header (the first 512 bytes; one sector, so it is written wholly or not at all)
//! then                  batches: a mark, then records with contiguous indexes
//! then                  zeros, or old bytes of the file that this one was recycled from
//! ```
//! One batch is one write and one sync. A batch is begun only after the sync of the batch before it, so **a valid
//! mark proves that everything before it was durable**. From that follows what an opening log can tell:
//!
//! * Bytes that cannot be read, with a valid mark somewhere behind them, were durable once: damage, and an error.
//! * Bytes that cannot be read, with no mark behind them, belong to the last batch: torn by a power cut, and cut off.
//!   None of it can have been acknowledged, unless the sync was reported and the bytes went bad afterwards. Those two
//!   look the same until the next mark is written: with the next batch, after a second without one, or on a clean stop.
//!
//! A truncation begins a new segment, and so do entries after an installed checkpoint. So indexes within a file are
//! contiguous, and a segment's entries count up to the first index of the segment that follows it.
//!
//! Not here: which files make up the log (`chain`), reading and writing them (`reader`, `writer`).

use std::mem::size_of;

use crc32fast::Hasher;

use super::record::{self, KIND_MARK, Position, RawRecord, field, record_seed};

/// The version of the file format that this release writes, and the highest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// Bytes before the first batch.
pub(crate) const HEADER_BLOCK_LEN: usize = 4096;

/// Bytes of the header that the checksum covers: one sector, which a disk writes as a whole.
pub(crate) const HEADER_LEN: usize = 512;

const SEGMENT_MAGIC: [u8; 8] = *b"TKLOGSEG";
const MARK_MAGIC: [u8; 8] = *b"TKLOGMRK";
const MARK_PAYLOAD_LEN: usize = 8 + 3 * size_of::<u64>() + 2 * POSITION_LEN;
const POSITION_LEN: usize = 2 * size_of::<u64>();

/// Bytes of a mark in the file.
pub(crate) const MARK_LEN: usize = record::RECORD_HEADER_LEN + MARK_PAYLOAD_LEN;

/// The header of a segment that holds, or is about to hold, entries.
///
/// ```text
///  0  8  magic          these four fields keep their place and meaning in every version
///  8  4  version
/// 12  4  crc32 of the 512 bytes without this field
/// 16  8  generation
/// 24  1  state: 0 prepared (all that follows is zero), 1 active
/// 32  8  generation of the segment before, 0 = none
/// 40 16  position before the first entry
/// 56 16  committed when the segment was begun
/// 72 16  purged when the segment was begun
/// ```
/// A position is its index + 1 and its term; 0 and 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The file's number: higher than that of every file made before it, and never used twice.
    pub generation: u64,
    /// `None` for a prepared file that no entry was written to.
    pub active: Option<ActiveHeader>,
}

/// The header's part that is written with the first batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveHeader {
    /// The generation of the segment with the entries before, if there was one.
    pub previous_generation: Option<u64>,
    /// The entry before the first.
    pub before: Option<Position>,
    /// Committed when the segment was begun.
    pub committed: Option<Position>,
    /// Purged when the segment was begun.
    pub purged: Option<Position>,
}

impl ActiveHeader {
    /// The index of the first entry.
    pub fn first_index(&self) -> u64 {
        next_index(self.before)
    }
}

/// The index after a position.
pub(crate) fn next_index(position: Option<Position>) -> u64 {
    position.map_or(0, |position| position.index + 1)
}

/// Why a file's first bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// The bytes are not what was written.
    Damaged,
    /// A later release wrote the file.
    NewerVersion(u32),
}

impl SegmentHeader {
    /// The block of [`HEADER_BLOCK_LEN`] bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&SEGMENT_MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.generation.to_le_bytes());
        if let Some(active) = &self.active {
            out.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
            out.extend_from_slice(&active.previous_generation.unwrap_or(0).to_le_bytes());
            put_position(out, active.before);
            put_position(out, active.committed);
            put_position(out, active.purged);
        }
        out.resize(start + HEADER_BLOCK_LEN, 0);
        let crc = header_checksum(&out[start..start + HEADER_LEN]);
        out[start + 12..start + 16].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads the header from a file's first bytes.
    ///
    /// # Errors
    /// [`HeaderError`] where they are none that this release reads.
    pub fn decode(bytes: &[u8]) -> Result<SegmentHeader, HeaderError> {
        let bytes = bytes.get(..HEADER_LEN).ok_or(HeaderError::Damaged)?;
        let crc = u32::from_le_bytes(field(bytes, 12).ok_or(HeaderError::Damaged)?);
        if field(bytes, 0) != Some(SEGMENT_MAGIC) || header_checksum(bytes) != crc {
            return Err(HeaderError::Damaged);
        }
        let version = u32::from_le_bytes(field(bytes, 8).ok_or(HeaderError::Damaged)?);
        if version > FORMAT_VERSION {
            return Err(HeaderError::NewerVersion(version));
        }
        Self::decode_fields(bytes).ok_or(HeaderError::Damaged)
    }

    fn decode_fields(bytes: &[u8]) -> Option<SegmentHeader> {
        let active = match bytes.get(24)? {
            0 => None,
            1 => {
                let previous = u64::from_le_bytes(field(bytes, 32)?);
                Some(ActiveHeader {
                    previous_generation: (previous != 0).then_some(previous),
                    before: get_position(bytes, 40)?,
                    committed: get_position(bytes, 56)?,
                    purged: get_position(bytes, 72)?,
                })
            }
            _ => return None,
        };
        Some(SegmentHeader {
            generation: u64::from_le_bytes(field(bytes, 16)?),
            active,
        })
    }
}

/// What opens a batch. Its index and term are those of the entry before the batch.
///
/// ```text
///  0  8  magic
///  8  8  nonce of the process that writes: the seed of the batch's records
/// 16  8  offset of this mark in the file
/// 24  8  length of the batch's records in bytes
/// 32 16  committed
/// 48 16  purged
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Distinguishes the records of one opening of the log from those of another.
    pub nonce: u64,
    /// Where the mark lies in the file.
    pub offset: u64,
    /// Bytes of records that follow it.
    pub batch_len: u64,
    /// Committed when the batch was written.
    pub committed: Option<Position>,
    /// Purged when the batch was written.
    pub purged: Option<Position>,
}

impl Mark {
    /// Appends the mark as a record of [`MARK_LEN`] bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>, generation: u64, before: Option<Position>) {
        let mut payload = Vec::with_capacity(MARK_PAYLOAD_LEN);
        payload.extend_from_slice(&MARK_MAGIC);
        payload.extend_from_slice(&self.nonce.to_le_bytes());
        payload.extend_from_slice(&self.offset.to_le_bytes());
        payload.extend_from_slice(&self.batch_len.to_le_bytes());
        put_position(&mut payload, self.committed);
        put_position(&mut payload, self.purged);
        let position = Position {
            index: next_index(before),
            term: before.map_or(0, |before| before.term),
        };
        record::encode(
            out,
            record_seed(generation, self.offset),
            position,
            KIND_MARK,
            &payload,
        );
    }

    /// Reads the mark that lies at `at` in the buffer and at `offset` in the file, and where its records begin.
    pub(crate) fn decode(
        bytes: &[u8],
        at: usize,
        offset: u64,
        generation: u64,
    ) -> Option<(Mark, RawRecord)> {
        let payload_at = at.checked_add(record::RECORD_HEADER_LEN)?;
        // The cheap test first: a search for marks tries every place.
        if field(bytes, payload_at)? != MARK_MAGIC {
            return None;
        }
        let raw = record::decode(bytes, at, record_seed(generation, offset))?;
        let payload = bytes.get(raw.payload_at..raw.payload_at + raw.payload_len)?;
        let mark = Mark {
            nonce: u64::from_le_bytes(field(payload, 8)?),
            offset: u64::from_le_bytes(field(payload, 16)?),
            batch_len: u64::from_le_bytes(field(payload, 24)?),
            committed: get_position(payload, 32)?,
            purged: get_position(payload, 48)?,
        };
        (raw.kind == KIND_MARK && mark.offset == offset).then_some((mark, raw))
    }
}

/// Where a batch begins: a place that reading can start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchStart {
    /// Index of the batch's first entry.
    pub first_index: u64,
    /// Offset of its mark in the file.
    pub offset: u64,
}

/// What a segment file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Batches that begin at least [`BATCH_START_SPACING`] bytes apart.
    pub batches: Vec<BatchStart>,
    /// The last entry, or the one before the segment's first where it holds none.
    pub last: Option<Position>,
    /// The last mark, if there is any.
    pub mark: Option<Mark>,
    /// Where the next batch goes.
    pub end: u64,
    /// Bytes of an incomplete last batch that were passed over.
    pub cut: u64,
    /// The first entry of each term that differs from the one before.
    pub term_starts: Vec<Position>,
}

/// Damage below the durable point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanError {
    /// Where it begins in the file.
    pub offset: u64,
    /// What is wrong there.
    pub reason: &'static str,
}

/// Bytes between two places in [`Scan::batches`]: the most that a read passes over, and 500 places for a full segment.
pub const BATCH_START_SPACING: u64 = 64 * 1024;

/// Reads a whole segment file: checks every record and finds the end.
///
/// `before_index` bounds a segment that another follows: its entries end there, and must reach it.
///
/// # Errors
/// [`ScanError`] where bytes that were durable cannot be read.
pub fn scan(
    bytes: &[u8],
    header: &SegmentHeader,
    before_index: Option<u64>,
) -> Result<Scan, ScanError> {
    let mut scan = Scan {
        batches: Vec::new(),
        last: header.active.and_then(|active| active.before),
        mark: None,
        end: HEADER_BLOCK_LEN as u64,
        cut: 0,
        term_starts: Vec::new(),
    };
    let mut at = HEADER_BLOCK_LEN;
    let mut batch: Option<(u32, usize)> = None;
    loop {
        if before_index.is_some_and(|before| next_index(scan.last) >= before) {
            return Ok(scan);
        }
        if let Some((mark, raw)) = Mark::decode(bytes, at, at as u64, header.generation) {
            if raw.position.index != next_index(scan.last) {
                return Err(ScanError {
                    offset: scan.end,
                    reason: "entries are missing before this place",
                });
            }
            let start = BatchStart {
                first_index: raw.position.index,
                offset: at as u64,
            };
            if scan
                .batches
                .last()
                .is_none_or(|last| start.offset - last.offset >= BATCH_START_SPACING)
            {
                scan.batches.push(start);
            }
            let batch_len = usize::try_from(mark.batch_len).unwrap_or(usize::MAX);
            batch = Some((
                record_seed(header.generation, mark.nonce),
                raw.next.saturating_add(batch_len),
            ));
            scan.mark = Some(mark);
            at = raw.next;
        } else if let Some(raw) = batch.and_then(|(seed, _)| record::decode(bytes, at, seed)) {
            let in_order = raw.position.index == next_index(scan.last)
                && scan.last.is_none_or(|last| last.term <= raw.position.term)
                && raw.record_kind().is_some();
            if !in_order {
                return Err(ScanError {
                    offset: at as u64,
                    reason: "an entry is out of place",
                });
            }
            if scan.last.is_none_or(|last| last.term != raw.position.term) {
                scan.term_starts.push(raw.position);
            }
            scan.last = Some(raw.position);
            at = raw.next;
        } else {
            break;
        }
        scan.end = at as u64;
    }
    if before_index.is_some() {
        return Err(ScanError {
            offset: at as u64,
            reason: "the checksum of an entry is wrong",
        });
    }
    if mark_follows(bytes, at, header.generation) {
        return Err(ScanError {
            offset: at as u64,
            reason: "the checksum is wrong, and what follows was durable",
        });
    }
    scan.cut = batch.map_or(0, |(_, end)| end.saturating_sub(at) as u64);
    Ok(scan)
}

/// Whether a valid mark lies anywhere after `at`: the bytes at `at` were durable then.
fn mark_follows(bytes: &[u8], at: usize, generation: u64) -> bool {
    let first = at.saturating_add(8).next_multiple_of(8);
    (first..bytes.len())
        .step_by(8)
        .any(|at| Mark::decode(bytes, at, at as u64, generation).is_some())
}

fn header_checksum(sector: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&sector[..12]);
    hasher.update(&sector[16..]);
    hasher.finalize()
}

fn put_position(out: &mut Vec<u8>, position: Option<Position>) {
    out.extend_from_slice(&next_index(position).to_le_bytes());
    out.extend_from_slice(&position.map_or(0, |position| position.term).to_le_bytes());
}

fn get_position(bytes: &[u8], at: usize) -> Option<Option<Position>> {
    let next = u64::from_le_bytes(field(bytes, at)?);
    let term = u64::from_le_bytes(field(bytes, at + 8)?);
    Some(next.checked_sub(1).map(|index| Position { index, term }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::RecordKind;

    /// A segment of format version 1 with one batch of two entries, as the release that made it wrote it.
    fn version_1() -> Vec<u8> {
        let mut bytes = Vec::new();
        let at = |index, term| Some(Position { index, term });
        let active = ActiveHeader {
            previous_generation: Some(5),
            before: at(99, 3),
            committed: at(98, 3),
            purged: at(10, 1),
        };
        SegmentHeader {
            generation: 6,
            active: Some(active),
        }
        .encode(&mut bytes);
        let seed = record_seed(6, 0x1122_3344_5566_7788);
        let mut records = Vec::new();
        record::encode(
            &mut records,
            seed,
            Position {
                index: 100,
                term: 3,
            },
            RecordKind::Command as u8,
            b"payload",
        );
        record::encode(
            &mut records,
            seed,
            Position {
                index: 101,
                term: 4,
            },
            RecordKind::Blank as u8,
            b"",
        );
        let mark = Mark {
            nonce: 0x1122_3344_5566_7788,
            offset: HEADER_BLOCK_LEN as u64,
            batch_len: records.len() as u64,
            committed: at(99, 3),
            purged: at(20, 2),
        };
        mark.encode(&mut bytes, 6, active.before);
        bytes.extend_from_slice(&records);
        bytes
    }

    #[test]
    fn the_bytes_of_format_version_1_stay_what_they_are() {
        let bytes = version_1();
        // A difference means that released logs cannot be read: raise the version and keep reading this one.
        assert_eq!(bytes.len(), HEADER_BLOCK_LEN + MARK_LEN + 40 + 32);
        assert_eq!(crc32fast::hash(&bytes), CHECKSUM);
        let header = SegmentHeader::decode(&bytes).unwrap();
        assert_eq!(header.active.unwrap().first_index(), 100);
        let scan = scan(&bytes, &header, None).unwrap();
        assert_eq!(
            scan.last,
            Some(Position {
                index: 101,
                term: 4
            })
        );
        assert_eq!(
            scan.term_starts,
            [Position {
                index: 101,
                term: 4
            }]
        );
        assert_eq!((scan.end, scan.cut), (bytes.len() as u64, 0));
        assert_eq!(
            scan.mark.unwrap().purged,
            Some(Position { index: 20, term: 2 })
        );
    }

    const CHECKSUM: u32 = 0x9334_429d;
}
