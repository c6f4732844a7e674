//! Frames: `u32` length of what follows, `u32` crc32 of what follows it, `u8` kind, `u64` id, body; big-endian.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

/// Bytes of a frame after its length: more than the largest batch of entries that a member sends.
pub(super) const FRAME_BYTES_MAX: usize = 64 << 20;

/// Checksum, kind and id.
const HEADER_LEN: usize = 4 + 1 + 8;

/// An answer; its id is that of the request.
pub(super) const ANSWER: u8 = 0x80;
/// The request was refused; the body says why, as text.
pub(super) const REFUSAL: u8 = 0x81;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) id: u64,
    pub(super) body: Bytes,
}

/// Why bytes are no frame. The link is closed: nothing behind them can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum FrameError {
    /// Shorter than its own header, or longer than allowed.
    #[error("a frame of {0} bytes")]
    Length(usize),
    /// Changed on its way.
    #[error("a frame with a wrong checksum")]
    Checksum,
}

/// Appends a frame.
pub(super) fn put(out: &mut BytesMut, kind: u8, id: u64, body: &[u8]) {
    let len = u32::try_from(HEADER_LEN + body.len()).expect("a body is bounded by its maker");
    out.reserve(4 + HEADER_LEN + body.len());
    out.put_u32(len);
    let crc_at = out.len();
    out.put_u32(0);
    out.put_u8(kind);
    out.put_u64(id);
    out.put_slice(body);
    let crc = crc32fast::hash(&out[crc_at + 4..]);
    out[crc_at..crc_at + 4].copy_from_slice(&crc.to_be_bytes());
}

/// Takes the next frame, once it is there whole.
pub(super) fn take(input: &mut BytesMut, bytes_max: usize) -> Result<Option<Frame>, FrameError> {
    let Some(len) = input.first_chunk::<4>() else {
        return Ok(None);
    };
    let len = u32::from_be_bytes(*len) as usize;
    if !(HEADER_LEN..=bytes_max).contains(&len) {
        return Err(FrameError::Length(len));
    }
    if input.len() < 4 + len {
        return Ok(None);
    }
    input.advance(4);
    let mut frame = input.split_to(len).freeze();
    let crc = frame.get_u32();
    if crc32fast::hash(&frame) != crc {
        return Err(FrameError::Checksum);
    }
    Ok(Some(Frame {
        kind: frame.get_u8(),
        id: frame.get_u64(),
        body: frame,
    }))
}
