//! Reads replies out of a connection's bytes, without copying them.

use treekeeper_protocol::{ErrorCode, Request};

use crate::load::LoadError;

/// Replies larger than this make the buffer grow.
const BUFFER_BYTES: usize = 64 * 1024;
/// xid, zxid and error code.
const HEADER_BYTES: usize = 16;

/// Bytes received and not yet understood.
#[derive(Debug)]
pub struct Replies {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// One reply or notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// Of the request; −1 is a notification.
    pub xid: i32,
    /// 0, or an error code.
    pub error: i32,
    /// What follows the header.
    pub body: &'a [u8],
}

impl Default for Replies {
    fn default() -> Self {
        Self {
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
        }
    }
}

impl Replies {
    /// Room for the next read, never empty.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            if self.start == 0 {
                self.buffer.resize(self.buffer.len() * 2, 0);
            } else {
                self.buffer.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            }
        }
        &mut self.buffer[self.end..]
    }

    /// `count` bytes were read into [`Replies::space`].
    pub fn filled(&mut self, count: usize) {
        self.end += count;
    }

    /// The payload of the next complete frame.
    pub fn next_frame(&mut self) -> Option<&[u8]> {
        let bytes = &self.buffer[self.start..self.end];
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        if rest.len() < length {
            return None;
        }
        let from = self.start + 4;
        self.start = from + length;
        Some(&self.buffer[from..from + length])
    }

    /// The next complete reply.
    ///
    /// # Errors
    /// When a frame is too short to be a reply.
    pub fn next_reply(&mut self) -> Result<Option<Reply<'_>>, LoadError> {
        let Some(frame) = self.next_frame() else {
            return Ok(None);
        };
        Reply::parse(frame).map(Some)
    }
}

impl<'a> Reply<'a> {
    /// Reads the payload of a frame.
    ///
    /// # Errors
    /// When it is too short to be a reply.
    pub fn parse(frame: &'a [u8]) -> Result<Self, LoadError> {
        let Some((header, body)) = frame.split_first_chunk::<HEADER_BYTES>() else {
            return Err(LoadError::Unreadable(format!(
                "a frame of {} bytes",
                frame.len()
            )));
        };
        let word = |at: usize| {
            i32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        Ok(Self {
            xid: word(0),
            error: word(12),
            body,
        })
    }

    /// Whether it is the reply to `request`, sent under the xid `expected`, and says that it was done.
    ///
    /// # Errors
    /// When it is another one's, or names an error.
    pub fn expect(self, expected: i32, request: &Request) -> Result<(), LoadError> {
        if self.xid != expected {
            return Err(LoadError::WrongXid {
                expected,
                got: self.xid,
            });
        }
        if self.error == 0 {
            return Ok(());
        }
        let code = ErrorCode::from_i32(self.error)
            .ok_or_else(|| LoadError::Unreadable(format!("error code {}", self.error)))?;
        Err(LoadError::Refused {
            request: format!("{request:?}"),
            code,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(xid: i32, error: i32, body: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(HEADER_BYTES + body.len())
            .unwrap()
            .to_be_bytes()
            .to_vec();
        bytes.extend(xid.to_be_bytes());
        bytes.extend(77_i64.to_be_bytes());
        bytes.extend(error.to_be_bytes());
        bytes.extend(body);
        bytes
    }

    fn receive(replies: &mut Replies, bytes: &[u8]) {
        replies.space()[..bytes.len()].copy_from_slice(bytes);
        replies.filled(bytes.len());
    }

    #[test]
    fn replies_are_found_however_the_bytes_arrive() {
        let mut replies = Replies::default();
        let bytes = [reply(1, 0, b"abc"), reply(2, -101, b"")].concat();
        for byte in &bytes[..bytes.len() - 1] {
            receive(&mut replies, &[*byte]);
        }
        assert_eq!(
            replies.next_reply().unwrap(),
            Some(Reply {
                xid: 1,
                error: 0,
                body: b"abc"
            })
        );
        assert_eq!(replies.next_reply().unwrap(), None);
        receive(&mut replies, &bytes[bytes.len() - 1..]);
        assert_eq!(
            replies.next_reply().unwrap(),
            Some(Reply {
                xid: 2,
                error: -101,
                body: b""
            })
        );
    }

    #[test]
    fn a_reply_larger_than_the_buffer_makes_it_grow() {
        let body = vec![7; 3 * BUFFER_BYTES];
        let bytes = reply(5, 0, &body);
        let mut replies = Replies::default();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let space = replies.space();
            let count = space.len().min(rest.len());
            space[..count].copy_from_slice(&rest[..count]);
            replies.filled(count);
            rest = &rest[count..];
        }
        assert_eq!(
            replies.next_reply().unwrap(),
            Some(Reply {
                xid: 5,
                error: 0,
                body: &body
            })
        );
    }

    #[test]
    fn a_frame_without_a_header_is_an_error() {
        let mut replies = Replies::default();
        receive(&mut replies, &[0, 0, 0, 2, 1, 1]);
        assert!(matches!(
            replies.next_reply(),
            Err(LoadError::Unreadable(_))
        ));
    }
}
