//! The same few requests again and again, in a fixed order: for instance a znode that comes and goes.

use treekeeper_protocol::Request;

use crate::load::frame::Frame;

/// Sends its requests one after the other, then begins again.
#[derive(Clone, Debug)]
pub struct InTurn {
    frames: Vec<Frame>,
    next: usize,
}

impl InTurn {
    /// Begins with the first of `requests`.
    ///
    /// # Panics
    /// When there is none.
    pub fn new(requests: &[Request]) -> Self {
        assert!(!requests.is_empty(), "a turn needs a request");
        Self {
            frames: requests.iter().map(Frame::new).collect(),
            next: 0,
        }
    }

    pub(super) fn append_next(&mut self, xid: i32, out: &mut Vec<u8>) {
        self.frames[self.next].append(xid, out);
        self.next = (self.next + 1) % self.frames.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_last_request_comes_the_first() {
        let mut in_turn = InTurn::new(&[Request::Ping, Request::CloseSession]);
        let mut out = Vec::new();
        for xid in 1..=3 {
            in_turn.append_next(xid, &mut out);
        }
        let op_codes: Vec<i8> = out
            .chunks(12)
            .map(|frame| i8::from_be_bytes([frame[11]]))
            .collect();
        assert_eq!(op_codes, [11, -11, 11]);
    }
}
