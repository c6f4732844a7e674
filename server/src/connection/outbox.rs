//! What waits to be written to a socket.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

/// From here on sharing a buffer costs less than copying it.
pub(super) const SHARED_BYTES_MIN: usize = 16 << 10;
/// Buffers handed to the system in one write.
const SLICES_MAX: usize = 64;

/// Finished frames, in order. Small ones are copied together, so that they leave in one write.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    parts: VecDeque<Bytes>,
    tail: BytesMut,
    bytes: usize,
}

impl Outbox {
    /// Queues a small frame, written in place.
    pub(super) fn frame(&mut self, write: impl FnOnce(&mut BytesMut)) {
        let before = self.tail.len();
        write(&mut self.tail);
        self.bytes += self.tail.len() - before;
    }

    /// Queues a frame, or the rest of one, that others may share.
    pub(super) fn share(&mut self, bytes: &Bytes) {
        self.bytes += bytes.len();
        if bytes.len() < SHARED_BYTES_MIN {
            self.tail.extend_from_slice(bytes);
        } else {
            self.close_tail();
            self.parts.push_back(bytes.clone());
        }
    }

    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    /// Moves everything into `sending`.
    pub(super) fn take(&mut self, sending: &mut Sending) {
        self.close_tail();
        self.bytes = 0;
        sending.parts.append(&mut self.parts);
    }

    /// Takes everything if it is in one piece and not empty.
    pub(super) fn take_small(&mut self) -> Option<Bytes> {
        if !self.parts.is_empty() || self.tail.is_empty() {
            return None;
        }
        self.bytes = 0;
        Some(self.tail.split().freeze())
    }

    /// Puts back what was taken and not sent.
    pub(super) fn put_back(&mut self, rest: Bytes) {
        if !rest.is_empty() {
            self.bytes += rest.len();
            self.parts.push_front(rest);
        }
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.parts.push_back(self.tail.split().freeze());
        }
    }
}

/// Frames on their way into the socket.
#[derive(Debug, Default)]
pub(super) struct Sending {
    parts: VecDeque<Bytes>,
}

impl Sending {
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Bytes left to send.
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    /// The next buffer, if it is the only one.
    pub(super) fn single(&self) -> Option<&[u8]> {
        match self.parts.len() {
            1 => self.parts.front().map(AsRef::as_ref),
            _ => None,
        }
    }

    /// The next buffers for one vectored write.
    pub(super) fn slices(&self) -> Vec<IoSlice<'_>> {
        self.parts
            .iter()
            .take(SLICES_MAX)
            .map(|part| IoSlice::new(part))
            .collect()
    }

    /// The socket took so many bytes.
    pub(super) fn advance(&mut self, mut count: usize) {
        while count > 0 {
            let first = self
                .parts
                .front_mut()
                .expect("the socket takes no more than it was given");
            let step = count.min(first.len());
            first.advance(step);
            count -= step;
            if first.is_empty() {
                self.parts.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;

    use super::*;

    #[test]
    fn order_is_kept_across_small_and_shared_frames() {
        let mut outbox = Outbox::default();
        let large = Bytes::from(vec![7; SHARED_BYTES_MIN]);
        outbox.frame(|out| out.put_slice(b"ab"));
        outbox.share(&large);
        outbox.share(&Bytes::from_static(b"cd"));
        outbox.frame(|out| out.put_slice(b"e"));
        assert_eq!(outbox.len(), SHARED_BYTES_MIN + 5);
        let mut sending = Sending::default();
        outbox.take(&mut sending);
        assert_eq!((outbox.len(), sending.len()), (0, SHARED_BYTES_MIN + 5));
        assert_eq!(sending.slices().len(), 3);
        sending.advance(1);
        sending.advance(1 + SHARED_BYTES_MIN);
        assert_eq!(sending.slices()[0].as_ref(), b"cde");
        sending.advance(3);
        assert!(sending.is_empty());
    }
}
