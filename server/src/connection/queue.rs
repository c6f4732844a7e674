//! The order of a session's replies.
//!
//! Each request takes its turn in one queue. A write waits there until it is applied, and everything behind it waits
//! with it: a read sees the session's earlier writes, and no reply, error or ping overtakes another.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use treekeeper_protocol::encode::{begin_frame, end_frame};
use treekeeper_protocol::{ErrorCode, OpCode, ReplyHeader, Request};

use super::large::Share;
use super::outbox::Outbox;
use super::{OUTBOX_BYTES_MAX, Statistics};
use crate::admin::metrics::TrafficCounts;

/// Number of a request on its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn(u64);

/// What a request is at its turn.
#[derive(Debug)]
pub(super) enum Slot {
    /// A write, or a sync: somebody else completes it.
    Waiting,
    /// Its reply waits for those before it.
    Done(Finished),
    /// The connection's task answers it when its turn comes.
    Ready(Request),
    /// The connection's task is answering it.
    Running,
    /// An error decided when it was received.
    Refused {
        /// zxid of the reply; None is the last applied one.
        zxid: Option<i64>,
        /// The error.
        code: ErrorCode,
        /// Is the connection closed behind the reply?
        close: bool,
    },
}

/// A reply that is not queued yet.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) zxid: i64,
    pub(super) err: i32,
    pub(super) body: Bytes,
    pub(super) close: bool,
}

/// Which request it is, for its reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) xid: i32,
    pub(super) op: OpCode,
    /// When its bytes had been read.
    pub(super) received: Instant,
    /// Bytes of its frame.
    pub(super) bytes: usize,
}

/// Requests in their order, and the replies that are finished.
#[derive(Debug, Default)]
pub(super) struct Queue {
    slots: VecDeque<(Asked, Slot, Option<Share>)>,
    /// Turn of the first slot.
    first: u64,
    /// Bytes of the frames whose slots are here.
    pub(super) in_flight_bytes: usize,
    pub(super) outbox: Outbox,
    pub(super) statistics: Statistics,
    /// What the server's own counters do not have yet.
    pub(super) traffic: TrafficCounts,
    /// Nothing more is answered: what is in the outbox is the last of it.
    pub(super) closing: bool,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// A request has come, `bytes` long without its length.
    pub(super) fn received(&mut self, bytes: usize) {
        self.statistics.packets_received += 1;
        self.traffic.request_received(bytes + 4);
    }

    /// A request takes its turn.
    pub(super) fn push(&mut self, asked: Asked, slot: Slot) -> Turn {
        self.push_large(asked, slot, None)
    }

    /// The same for one that may be large, and gives its share back when it is answered.
    pub(super) fn push_large(&mut self, asked: Asked, slot: Slot, share: Option<Share>) -> Turn {
        self.in_flight_bytes += asked.bytes;
        self.slots.push_back((asked, slot, share));
        Turn(self.first + self.slots.len() as u64 - 1)
    }

    /// Was the request of this turn answered?
    pub(super) fn is_over(&self, turn: Turn) -> bool {
        turn.0 < self.first
    }

    /// The request whose turn it is, if the connection's task has to answer it.
    pub(super) fn next_ready(&mut self) -> Option<(Asked, Request)> {
        if self.closing {
            return None;
        }
        let (asked, slot, _) = self.slots.front_mut()?;
        match std::mem::replace(slot, Slot::Running) {
            Slot::Ready(request) => Some((*asked, request)),
            other => {
                *slot = other;
                None
            }
        }
    }

    /// A request that somebody else completes is finished: its reply is queued, or kept until its turn comes. Returns
    /// what it was; None when the connection is closing.
    pub(super) fn finish(
        &mut self,
        turn: Turn,
        zxid: i64,
        err: i32,
        body: impl FnOnce(&mut BytesMut),
        close: bool,
    ) -> Option<Asked> {
        let at = usize::try_from(turn.0.checked_sub(self.first)?).ok()?;
        let (asked, slot, _) = self.slots.get_mut(at).filter(|_| !self.closing)?;
        let asked = *asked;
        if at == 0 {
            self.pop();
            self.reply(&asked, zxid, err, body, None);
            self.closing |= close;
            self.advance();
        } else {
            let mut bytes = BytesMut::new();
            body(&mut bytes);
            *slot = Slot::Done(Finished {
                zxid,
                err,
                body: bytes.freeze(),
                close,
            });
        }
        Some(asked)
    }

    /// The request at the front was answered into the outbox.
    pub(super) fn pop_running(&mut self) {
        self.pop();
        self.advance();
    }

    /// Queues every reply whose turn has come.
    pub(super) fn advance(&mut self) {
        while !self.closing {
            match self.slots.front_mut() {
                Some((asked, Slot::Done(finished), _)) => {
                    let asked = *asked;
                    let Finished {
                        zxid, err, close, ..
                    } = *finished;
                    let body = std::mem::take(&mut finished.body);
                    self.pop();
                    self.reply(&asked, zxid, err, |_| {}, Some(&body));
                    self.closing |= close;
                }
                _ => return,
            }
        }
    }

    /// Was the request at the front refused when it was received?
    pub(super) fn is_refused(&self) -> bool {
        !self.closing && matches!(self.slots.front(), Some((_, Slot::Refused { .. }, _)))
    }

    /// The request at the front was refused when it was received: queues its reply. `last_zxid` is the last applied
    /// one. False when the front is something else.
    pub(super) fn advance_refused(&mut self, last_zxid: i64) -> bool {
        let Some((asked, Slot::Refused { zxid, code, close }, _)) = self.slots.front() else {
            return false;
        };
        let (asked, zxid, code, close) = (*asked, zxid.unwrap_or(last_zxid), *code, *close);
        self.pop();
        self.reply(&asked, zxid, code.as_i32(), |_| {}, None);
        self.closing |= close;
        self.advance();
        true
    }

    /// Queues a reply: header, `body`, then `shared`, as one frame.
    pub(super) fn reply(
        &mut self,
        asked: &Asked,
        zxid: i64,
        err: i32,
        body: impl FnOnce(&mut BytesMut),
        shared: Option<&Bytes>,
    ) {
        let Self {
            outbox,
            statistics,
            traffic,
            ..
        } = self;
        let before = outbox.len();
        let shared_len = shared.map_or(0, Bytes::len);
        outbox.frame(|out| {
            let start = begin_frame(out);
            ReplyHeader {
                xid: asked.xid,
                zxid,
                err,
            }
            .encode(out);
            body(out);
            end_frame_with(out, start, shared_len);
        });
        if let Some(shared) = shared {
            outbox.share(shared);
        }
        traffic.response_sent(outbox.len() - before);
        statistics.replied(asked.op, asked.xid, zxid, asked.received);
        self.bound();
    }

    /// Queues an event.
    pub(super) fn event(&mut self, frame: &Bytes) {
        if !self.closing {
            self.outbox.share(frame);
            self.statistics.packets_sent += 1;
            self.traffic.event_sent();
            self.bound();
        }
    }

    /// A client that reads so little is cut off: its queue must not grow without end.
    fn bound(&mut self) {
        if self.outbox.len() > OUTBOX_BYTES_MAX {
            self.closing = true;
        }
    }

    fn pop(&mut self) {
        if let Some((asked, _, _)) = self.slots.pop_front() {
            self.first += 1;
            self.in_flight_bytes -= asked.bytes;
        }
    }
}

/// Ends a frame of which `more` bytes follow outside the buffer.
fn end_frame_with(out: &mut BytesMut, start: usize, more: usize) {
    end_frame(out, start);
    if more > 0 {
        let length =
            i32::try_from(out.len() - start - 4 + more).expect("a reply stays far below 2 GiB");
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
}
