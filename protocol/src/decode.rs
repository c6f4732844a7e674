//! Parsers for the primitive types, and the error of everything that decodes.
//!
//! In: bytes of a frame. Out: numbers, text, buffers and lists. A declared length never allocates more than
//! the bytes at hand warrant, and no parser recurses.
//! Not here: records, which stand beside their types.

use crate::{ErrorCode, OpCode};
use bytes::Bytes;
use nom::error::{ErrorKind, ParseError};
use nom::number::complete::{be_i32, u8};
use nom::{IResult, Parser};

/// Why bytes are no valid record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end before the record does.
    #[error("record is truncated")]
    Truncated,
    /// A string or buffer declares a length below −1.
    #[error("unreasonable length {0}")]
    UnreasonableLength(i32),
    /// A path, list or other field that must be there is null.
    #[error("required field is null")]
    Null,
    /// A create inside a multi has flags that it must not have.
    #[error("invalid create flags {0} inside a multi")]
    MultiCreateFlags(i32),
    /// The operation must not be part of this multi.
    #[error("operation {0} inside a multi")]
    MultiOp(i32),
    /// The operation is not one that a client may send.
    #[error("operation {0:?} is not a client request")]
    NotAClientRequest(OpCode),
    /// A password has another length than 16.
    #[error("password of {0} bytes")]
    PasswordLength(usize),
    /// A number has no meaning where it stands.
    #[error("unknown {what} {number}")]
    UnknownNumber {
        /// What the number should be.
        what: &'static str,
        /// The number.
        number: i32,
    },
}

impl DecodeError {
    /// The error that a server answers. After [`ErrorCode::Unimplemented`] it also closes the connection.
    #[must_use]
    pub const fn error_code(&self) -> ErrorCode {
        match self {
            Self::NotAClientRequest(_) => ErrorCode::Unimplemented,
            Self::Truncated
            | Self::UnreasonableLength(_)
            | Self::Null
            | Self::MultiCreateFlags(_)
            | Self::MultiOp(_)
            | Self::PasswordLength(_)
            | Self::UnknownNumber { .. } => ErrorCode::MarshallingError,
        }
    }
}

/// The only error that nom's own parsers raise here is a lack of bytes.
impl ParseError<&[u8]> for DecodeError {
    fn from_error_kind(_: &[u8], _: ErrorKind) -> Self {
        Self::Truncated
    }

    fn append(_: &[u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

pub(crate) type Parsed<'a, T> = IResult<&'a [u8], T, DecodeError>;

/// Ends a decode: the bytes after a complete record are ignored.
pub(crate) fn finish<T>(parsed: Parsed<'_, T>) -> Result<T, DecodeError> {
    match parsed {
        Ok((_, value)) => Ok(value),
        Err(nom::Err::Error(error) | nom::Err::Failure(error)) => Err(error),
        Err(nom::Err::Incomplete(_)) => Err(DecodeError::Truncated),
    }
}

pub(crate) fn fail<'a, T>(error: DecodeError) -> Parsed<'a, T> {
    Err(nom::Err::Failure(error))
}

pub(crate) fn boolean(input: &[u8]) -> Parsed<'_, bool> {
    u8.map(|byte| byte != 0).parse(input)
}

/// The raw bytes of a string or buffer; `None` for null.
pub(crate) fn raw(input: &[u8]) -> Parsed<'_, Option<&[u8]>> {
    let (input, length) = be_i32(input)?;
    if length == -1 {
        return Ok((input, None));
    }
    let Ok(length) = usize::try_from(length) else {
        return fail(DecodeError::UnreasonableLength(length));
    };
    match input.split_at_checked(length) {
        Some((bytes, rest)) => Ok((rest, Some(bytes))),
        None => fail(DecodeError::Truncated),
    }
}

/// A buffer as a slice of `body`, which `input` must be a part of.
pub(crate) fn buffer<'a>(body: &'a Bytes) -> impl Fn(&'a [u8]) -> Parsed<'a, Option<Bytes>> {
    move |input| {
        let (input, bytes) = raw(input)?;
        Ok((input, bytes.map(|bytes| body.slice_ref(bytes))))
    }
}

pub(crate) fn opt_string(input: &[u8]) -> Parsed<'_, Option<String>> {
    let (input, bytes) = raw(input)?;
    Ok((input, bytes.map(lenient_utf8)))
}

/// A string that must not be null.
pub(crate) fn string(input: &[u8]) -> Parsed<'_, String> {
    match opt_string(input)? {
        (input, Some(text)) => Ok((input, text)),
        (_, None) => fail(DecodeError::Null),
    }
}

/// A string where null means the same as empty.
pub(crate) fn string_or_empty(input: &[u8]) -> Parsed<'_, String> {
    opt_string.map(Option::unwrap_or_default).parse(input)
}

/// A list whose elements take at least `element_len_min` bytes each; `None` for null. A count below −1 is an
/// empty list, as in a stock server.
pub(crate) fn opt_list<'a, T>(
    element_len_min: usize,
    element: impl Fn(&'a [u8]) -> Parsed<'a, T>,
) -> impl Fn(&'a [u8]) -> Parsed<'a, Option<Vec<T>>> {
    move |input| {
        let (mut input, count) = be_i32(input)?;
        if count == -1 {
            return Ok((input, None));
        }
        let count = usize::try_from(count).unwrap_or(0);
        if count > input.len() / element_len_min {
            return fail(DecodeError::Truncated);
        }
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            let (rest, value) = element(input)?;
            elements.push(value);
            input = rest;
        }
        Ok((input, Some(elements)))
    }
}

/// A list of strings that are not null; the list itself must not be null either.
pub(crate) fn strings(input: &[u8]) -> Parsed<'_, Vec<String>> {
    match opt_list(4, string)(input)? {
        (input, Some(list)) => Ok((input, list)),
        (_, None) => fail(DecodeError::Null),
    }
}

/// Text of a peer: UTF-8, or the CESU-8 of a Java peer, whose surrogate pairs become one character.
/// Anything else becomes U+FFFD.
fn lenient_utf8(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        match std::str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                return text;
            }
            Err(error) => {
                let (valid, invalid) = rest.split_at(error.valid_up_to());
                text.push_str(&String::from_utf8_lossy(valid));
                let (character, length) = surrogate_pair(invalid).map_or_else(
                    || {
                        (
                            char::REPLACEMENT_CHARACTER,
                            error.error_len().unwrap_or(invalid.len()),
                        )
                    },
                    |character| (character, 6),
                );
                text.push(character);
                rest = &invalid[length..];
            }
        }
    }
}

/// The character of two surrogates that are encoded in three bytes each, if `bytes` begin with such a pair.
fn surrogate_pair(bytes: &[u8]) -> Option<char> {
    let &[
        0xED,
        high @ 0xA0..=0xAF,
        high_low @ 0x80..=0xBF,
        0xED,
        low @ 0xB0..=0xBF,
        low_low @ 0x80..=0xBF,
        ..,
    ] = bytes
    else {
        return None;
    };
    let high = u32::from(high & 0x0F) << 6 | u32::from(high_low & 0x3F);
    let low = u32::from(low & 0x0F) << 6 | u32::from(low_low & 0x3F);
    char::from_u32(0x1_0000 + (high << 10 | low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_java_peer_is_understood() {
        assert_eq!(lenient_utf8("grüße 🌲".as_bytes()), "grüße 🌲");
        assert_eq!(lenient_utf8(b"a\xED\xA0\xBC\xED\xBC\xB2b"), "a🌲b");
    }

    #[test]
    fn invalid_text_is_replaced() {
        assert_eq!(lenient_utf8(b"a\xFFb"), "a\u{FFFD}b");
        assert_eq!(lenient_utf8(b"a\xED\xA0\xBC"), "a\u{FFFD}\u{FFFD}\u{FFFD}");
        assert_eq!(lenient_utf8(b"a\xF0\x9F"), "a\u{FFFD}");
    }

    #[test]
    fn lengths_are_checked_before_they_allocate() {
        assert_eq!(
            finish(raw(&[0x7F, 0xFF, 0xFF, 0xFF, 1])),
            Err(DecodeError::Truncated)
        );
        assert_eq!(
            finish(raw(&[0xFF, 0xFF, 0xFF, 0xFE])),
            Err(DecodeError::UnreasonableLength(-2))
        );
        assert_eq!(
            finish(strings(&[0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0])),
            Err(DecodeError::Truncated)
        );
    }

    #[test]
    fn negative_counts_are_null_or_empty() {
        assert_eq!(finish(opt_list(4, string)(&[0xFF; 4])), Ok(None));
        assert_eq!(
            finish(opt_list(4, string)(&[0xFF, 0xFF, 0xFF, 0xFE])),
            Ok(Some(Vec::new()))
        );
        assert_eq!(finish(strings(&[0xFF; 4])), Err(DecodeError::Null));
    }
}
