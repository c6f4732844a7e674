//! Writers for the primitive types and for frames, over [`BytesMut`].
//!
//! In: values. Out: their bytes at the end of a buffer.
//! Not here: records, which stand beside their types.

use crate::{Acl, Stat};
use bytes::{BufMut, BytesMut};

/// The `i32` that stands in front of `length` bytes or elements.
fn length_of(length: usize) -> i32 {
    i32::try_from(length)
        .expect("what is written is far below 2 GiB: frames, and with them all values, are limited")
}

/// Begins a frame and returns where, for [`end_frame`].
pub fn begin_frame(out: &mut BytesMut) -> usize {
    let start = out.len();
    out.put_i32(0);
    start
}

/// Ends the frame that begins at `start`: everything written since then is its payload.
///
/// # Panics
/// If the payload is 2 GiB or longer, or if no frame begins at `start`.
pub fn end_frame(out: &mut BytesMut, start: usize) {
    let payload_start = start + 4;
    let length = length_of(out.len() - payload_start);
    out[start..payload_start].copy_from_slice(&length.to_be_bytes());
}

/// Writes a boolean as one byte.
pub fn put_bool(out: &mut BytesMut, value: bool) {
    out.put_u8(u8::from(value));
}

/// Writes a string.
///
/// # Panics
/// If it is 2 GiB or longer.
pub fn put_string(out: &mut BytesMut, text: &str) {
    put_buffer(out, text.as_bytes());
}

/// Writes a string or null.
///
/// # Panics
/// If it is 2 GiB or longer.
pub fn put_opt_string(out: &mut BytesMut, text: Option<&str>) {
    put_opt_buffer(out, text.map(str::as_bytes));
}

/// Writes a buffer.
///
/// # Panics
/// If it is 2 GiB or longer.
pub fn put_buffer(out: &mut BytesMut, bytes: &[u8]) {
    out.put_i32(length_of(bytes.len()));
    out.put_slice(bytes);
}

/// Writes a buffer or null, which are different on the wire.
///
/// # Panics
/// If it is 2 GiB or longer.
pub fn put_opt_buffer(out: &mut BytesMut, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => put_buffer(out, bytes),
        None => out.put_i32(-1),
    }
}

/// Writes the count that stands in front of a list.
///
/// # Panics
/// If the count exceeds `i32::MAX`.
pub fn put_count(out: &mut BytesMut, count: usize) {
    out.put_i32(length_of(count));
}

/// Writes a list of strings.
///
/// # Panics
/// If a string or the list is longer than an `i32` can tell.
pub fn put_strings<T: AsRef<str>>(out: &mut BytesMut, list: &[T]) {
    put_count(out, list.len());
    for text in list {
        put_string(out, text.as_ref());
    }
}

/// Writes a stat, 68 bytes.
pub fn put_stat(out: &mut BytesMut, stat: &Stat) {
    stat.encode(out);
}

/// Writes an access control list or null.
///
/// # Panics
/// If a part of it is longer than an `i32` can tell.
pub fn put_acls(out: &mut BytesMut, acls: Option<&[Acl]>) {
    let Some(acls) = acls else {
        out.put_i32(-1);
        return;
    };
    put_count(out, acls.len());
    for acl in acls {
        acl.encode(out);
    }
}
