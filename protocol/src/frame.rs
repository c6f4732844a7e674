//! Frames: `i32 length`, then that many bytes of payload.
//!
//! In: what a socket has delivered so far. Out: whole payloads, without their length.

use bytes::{Buf, Bytes, BytesMut};

/// The longest payload that a server accepts unless told otherwise (`jute.maxbuffer`), inclusive.
pub const FRAME_LEN_MAX_DEFAULT: usize = 0xf_ffff;

/// Bytes of the length in front of a payload.
const LENGTH_LEN: usize = 4;

/// Why the bytes at hand do not begin a frame. The connection is lost: there is no next frame to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length is zero or negative.
    #[error("frame length {0} is not positive")]
    NotPositive(i32),
    /// The length is above the limit.
    #[error("frame length {length} is above the limit of {max}")]
    TooLong {
        /// The declared length.
        length: usize,
        /// The limit, inclusive.
        max: usize,
    },
}

/// Takes the first frame off `buf` and returns its payload without copying; `None` if it is not complete yet.
///
/// # Errors
/// If the length is not between 1 and `max`.
pub fn split_frame(buf: &mut BytesMut, max: usize) -> Result<Option<Bytes>, FrameError> {
    let Some(prefix) = buf.first_chunk::<LENGTH_LEN>() else {
        return Ok(None);
    };
    let declared = i32::from_be_bytes(*prefix);
    let length = usize::try_from(declared).map_err(|_| FrameError::NotPositive(declared))?;
    if length == 0 {
        return Err(FrameError::NotPositive(declared));
    }
    if length > max {
        return Err(FrameError::TooLong { length, max });
    }
    if buf.len() - LENGTH_LEN < length {
        return Ok(None);
    }
    buf.advance(LENGTH_LEN);
    Ok(Some(buf.split_to(length).freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{begin_frame, end_frame};
    use bytes::BufMut;
    use proptest::prelude::*;

    #[test]
    fn a_frame_waits_for_its_last_byte() {
        let mut buf = BytesMut::from(&[0, 0, 0, 3, b'a', b'b'][..]);
        assert_eq!(split_frame(&mut buf, 10), Ok(None));
        buf.put_slice(b"cd");
        assert_eq!(
            split_frame(&mut buf, 10),
            Ok(Some(Bytes::from_static(b"abc")))
        );
        assert_eq!(&buf[..], b"d");
    }

    #[test]
    fn the_limit_is_inclusive() {
        let frame = |length: u8| BytesMut::from(&[&[0, 0, 0, length][..], &[7; 11]].concat()[..]);
        assert_eq!(
            split_frame(&mut frame(10), 10),
            Ok(Some(Bytes::from_static(&[7; 10])))
        );
        assert_eq!(
            split_frame(&mut frame(11), 10),
            Err(FrameError::TooLong {
                length: 11,
                max: 10
            })
        );
    }

    #[test]
    fn lengths_must_be_positive() {
        assert_eq!(
            split_frame(&mut BytesMut::from(&[0; 4][..]), 10),
            Err(FrameError::NotPositive(0))
        );
        assert_eq!(
            split_frame(&mut BytesMut::from(&[0xFF; 4][..]), 10),
            Err(FrameError::NotPositive(-1))
        );
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in(payloads: Vec<Vec<u8>>, cut: prop::sample::Index) {
            let payloads: Vec<_> = payloads.into_iter().filter(|payload| !payload.is_empty()).collect();
            let mut sent = BytesMut::new();
            for payload in &payloads {
                let start = begin_frame(&mut sent);
                sent.put_slice(payload);
                end_frame(&mut sent, start);
            }
            let late = sent.split_off(cut.index(sent.len() + 1));
            let mut received = Vec::new();
            while let Some(payload) = split_frame(&mut sent, 1 << 20)? {
                received.push(payload);
            }
            sent.unsplit(late);
            while let Some(payload) = split_frame(&mut sent, 1 << 20)? {
                received.push(payload);
            }
            prop_assert_eq!(received, payloads);
            prop_assert!(sent.is_empty());
        }

        #[test]
        fn any_bytes_are_taken_or_refused(bytes: Vec<u8>) {
            let mut buf = BytesMut::from(&bytes[..]);
            while let Ok(Some(payload)) = split_frame(&mut buf, 64) {
                prop_assert!((1..=64).contains(&payload.len()));
            }
        }
    }
}
