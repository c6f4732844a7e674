//! The order of a session's replies.
//!
//! Each request takes its turn in one queue. A write waits there until it is applied, and everything behind it waits
//! with it: a read sees the session's earlier writes, and no reply, error or ping overtakes another.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use treekeeper_protocol::encode::{begin_frame, end_frame};
use treekeeper_protocol::{ErrorCode, OpCode, ReplyHeader, Request};

use super::large::Share;
use super::outbox::{Outbox, Sending};
use super::socket::DirectWriter;
use super::{EVENT_BYTES_MAX, Statistics};
use crate::admin::metrics::TrafficCounts;

/// Number of a request on its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn(u64);

#[cfg(test)]
impl Turn {
    pub(crate) const FIRST: Turn = Turn(0);
}

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
    /// An error decided when it was received, or the end of a session that only this member knows.
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
    /// Reads among the slots that nobody is answering yet.
    ready: usize,
    /// Bytes of events in the outbox.
    event_bytes: usize,
    /// The highest zxid that a reply has named.
    last_zxid: i64,
    /// What the server's own counters do not have yet.
    pub(super) traffic: TrafficCounts,
    /// Nothing more is answered: what is in the outbox is the last of it.
    pub(super) closing: bool,
    /// From this turn on no read is answered until it is known that this member is up to date. Those before know it, and
    /// must be answered right behind the writes in front of them.
    gated_from: Option<u64>,
    /// Writes for who is not the connection's task.
    pub(super) direct: Option<DirectWriter>,
    /// Who writes to the socket.
    writing: Writing,
}

/// Who writes to the socket. Its task may whenever nobody else does.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Writing {
    /// The task alone: it runs, or has something in hand that comes first.
    #[default]
    Task,
    /// Nobody: the task waits for requests and replies, and for nothing else.
    Nobody,
    /// Somebody else than the task.
    Other,
    /// Likewise, and the task ran meanwhile: it has to be woken.
    OtherBeforeTask,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Moves what is finished on its way to the socket, for the task to write. While somebody else writes there is
    /// nothing to move; that one wakes the task then.
    pub(super) fn take_finished(&mut self, sending: &mut Sending) {
        match self.writing {
            Writing::Task | Writing::Nobody => {
                self.writing = Writing::Task;
                self.outbox.take(sending);
                self.event_bytes = 0;
            }
            Writing::Other | Writing::OtherBeforeTask => self.writing = Writing::OtherBeforeTask,
        }
    }

    /// The task waits for requests and replies, and has nothing in hand.
    pub(super) fn task_rests(&mut self) {
        if self.writing == Writing::Task && self.is_quiet() {
            self.writing = Writing::Nobody;
        }
    }

    /// Takes what is finished, for somebody else than the task to write, who then calls [`Self::written`]. None when
    /// the task is needed for it.
    pub(super) fn take_to_write(&mut self) -> Option<(DirectWriter, Bytes)> {
        if self.writing != Writing::Nobody || !self.slots.is_empty() || self.closing {
            return None;
        }
        let writer = self.direct.clone()?;
        let bytes = self.outbox.take_small()?;
        self.event_bytes = 0;
        self.writing = Writing::Other;
        Some((writer, bytes))
    }

    /// What was taken to write is written but for `rest`. True when the task is needed now.
    pub(super) fn written(&mut self, rest: Bytes) -> bool {
        self.outbox.put_back(rest);
        let needed = self.writing == Writing::OtherBeforeTask || !self.is_quiet();
        self.writing = match needed {
            true => Writing::Task,
            false => Writing::Nobody,
        };
        needed
    }

    /// Has the socket taken all that was queued, as far as the task knows who has nothing in hand itself?
    pub(super) fn is_drained(&self) -> bool {
        let other_writes = matches!(self.writing, Writing::Other | Writing::OtherBeforeTask);
        self.outbox.len() == 0 && !other_writes
    }

    fn is_quiet(&self) -> bool {
        self.outbox.len() == 0 && !self.closing
    }

    /// A request has come, `bytes` long without its length.
    pub(super) fn received(&mut self, bytes: usize) {
        self.statistics.packets_received += 1;
        self.traffic.request_received(bytes + 4);
    }

    /// Reads that wait behind a write.
    pub(super) fn ready_len(&self) -> usize {
        self.ready
    }

    /// A request takes its turn.
    pub(super) fn push(&mut self, asked: Asked, slot: Slot) -> Turn {
        self.push_large(asked, slot, None)
    }

    /// The same for one that may be large, and gives its share back when it is answered.
    pub(super) fn push_large(&mut self, asked: Asked, slot: Slot, share: Option<Share>) -> Turn {
        self.in_flight_bytes += asked.bytes;
        self.ready += usize::from(matches!(slot, Slot::Ready(_)));
        self.slots.push_back((asked, slot, share));
        Turn(self.first + self.slots.len() as u64 - 1)
    }

    /// Was the request of this turn answered?
    pub(super) fn is_over(&self, turn: Turn) -> bool {
        turn.0 < self.first
    }

    /// What is pushed from now on is not answered until [`Self::open_gate`].
    pub(super) fn close_gate(&mut self) {
        let next = self.first + self.slots.len() as u64;
        self.gated_from.get_or_insert(next);
    }

    /// This member is up to date for all that is here.
    pub(super) fn open_gate(&mut self) {
        self.gated_from = None;
    }

    /// Does a read wait until this member is known to be up to date?
    pub(super) fn is_gated(&self) -> bool {
        self.gated_from.is_some()
    }

    /// Is it the turn of a request that waits for nobody else? Somebody else may take it meanwhile.
    pub(super) fn has_ready(&self) -> bool {
        self.may_answer() && matches!(self.slots.front(), Some((_, Slot::Ready(_), _)))
    }

    fn may_answer(&self) -> bool {
        !self.closing && self.gated_from.is_none_or(|gated| self.first < gated)
    }

    /// Takes the request whose turn it is, if it waits for nobody else. Whoever calls this holds the publish lock.
    pub(super) fn next_ready(&mut self) -> Option<(Asked, Request)> {
        if !self.may_answer() {
            return None;
        }
        let (asked, slot, _) = self.slots.front_mut()?;
        match std::mem::replace(slot, Slot::Running) {
            Slot::Ready(request) => {
                self.ready -= 1;
                Some((*asked, request))
            }
            other => {
                *slot = other;
                None
            }
        }
    }

    /// A request that somebody else completes is finished: its reply is queued, or kept until its turn comes. Returns
    /// how long it took so far; None when the connection is closing.
    pub(super) fn finish(
        &mut self,
        turn: Turn,
        zxid: i64,
        err: i32,
        body: impl FnOnce(&mut BytesMut),
        close: bool,
    ) -> Option<Duration> {
        let at = usize::try_from(turn.0.checked_sub(self.first)?).ok()?;
        let (asked, slot, _) = self.slots.get_mut(at).filter(|_| !self.closing)?;
        let asked = *asked;
        if at == 0 {
            self.pop();
            let zxid = self.not_before(zxid);
            let latency = self.reply(&asked, zxid, err, body);
            self.closing |= close;
            self.advance();
            Some(latency)
        } else {
            let mut bytes = BytesMut::new();
            body(&mut bytes);
            *slot = Slot::Done(Finished {
                zxid,
                err,
                body: bytes.freeze(),
                close,
            });
            Some(asked.received.elapsed())
        }
    }

    /// The zxid of a reply that was finished before its turn, as a sync behind a write may be: a client that has seen a
    /// later one must not see it go back.
    fn not_before(&self, zxid: i64) -> i64 {
        zxid.max(self.last_zxid)
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
                    let zxid = self.not_before(zxid);
                    self.reply_with(&asked, zxid, err, |_| {}, &[body], &[]);
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
        self.reply(&asked, zxid, code.as_i32(), |_| {});
        self.closing |= close;
        self.advance();
        true
    }

    /// Queues a reply: header, then what `body` writes, as one frame. Says how long it took since the request.
    pub(super) fn reply(
        &mut self,
        asked: &Asked,
        zxid: i64,
        err: i32,
        body: impl FnOnce(&mut BytesMut),
    ) -> Duration {
        self.reply_with(asked, zxid, err, body, &[], &[])
    }

    /// The same with bytes that others may share, and some behind them.
    pub(super) fn reply_with(
        &mut self,
        asked: &Asked,
        zxid: i64,
        err: i32,
        body: impl FnOnce(&mut BytesMut),
        shared: &[Bytes],
        after: &[u8],
    ) -> Duration {
        self.last_zxid = self.last_zxid.max(zxid);
        let Self {
            outbox,
            statistics,
            traffic,
            ..
        } = self;
        let before = outbox.len();
        outbox.frame(|out| {
            let start = begin_frame(out);
            ReplyHeader {
                xid: asked.xid,
                zxid,
                err,
            }
            .encode(out);
            body(out);
            let shared: usize = shared.iter().map(Bytes::len).sum();
            end_frame_with(out, start, shared + after.len());
        });
        for bytes in shared {
            outbox.share(bytes);
        }
        if !after.is_empty() {
            outbox.frame(|out| out.extend_from_slice(after));
        }
        traffic.response_sent(outbox.len() - before);
        statistics.replied(asked.op, asked.xid, zxid, asked.received)
    }

    /// Queues an event.
    pub(super) fn event(&mut self, frame: &Bytes) {
        if !self.closing {
            self.outbox.share(frame);
            self.statistics.packets_sent += 1;
            self.traffic.event_sent();
            // Replies are bounded by the requests in flight, events by nothing: who reads so little is cut off.
            self.event_bytes += frame.len();
            self.closing = self.event_bytes > EVENT_BYTES_MAX;
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

#[cfg(test)]
mod tests {
    use bytes::BufMut;
    use proptest::prelude::*;
    use proptest::sample::Index;
    use treekeeper_protocol::frame::split_frame;

    use super::super::outbox::Sending;
    use super::super::socket::ClientSocket;
    use super::*;

    const BYTES: usize = 10;
    const LAST_ZXID: i64 = 77;

    fn asked(xid: i32) -> Asked {
        Asked {
            xid,
            op: OpCode::GetData,
            received: Instant::now(),
            bytes: BYTES,
        }
    }

    fn refused(close: bool) -> Slot {
        Slot::Refused {
            zxid: None,
            code: ErrorCode::Unimplemented,
            close,
        }
    }

    /// Takes what is in the outbox: header and body of each frame.
    fn take(queue: &mut Queue) -> Vec<(ReplyHeader, Bytes)> {
        let mut sending = Sending::default();
        queue.take_finished(&mut sending);
        let mut bytes = BytesMut::new();
        while !sending.is_empty() {
            let slices = sending.slices();
            let count = slices.iter().map(|slice| slice.len()).sum();
            slices.iter().for_each(|slice| bytes.put_slice(slice));
            sending.advance(count);
        }
        let mut frames = Vec::new();
        while let Some(payload) = split_frame(&mut bytes, usize::MAX).unwrap() {
            frames.push(ReplyHeader::decode(&payload).unwrap());
        }
        assert!(bytes.is_empty(), "nothing but whole frames");
        frames
    }

    fn xids(queue: &mut Queue) -> Vec<i32> {
        take(queue).iter().map(|(header, _)| header.xid).collect()
    }

    /// Answers what the connection's own task has to answer.
    fn answer(queue: &mut Queue) {
        loop {
            if let Some((asked, _)) = queue.next_ready() {
                queue.reply(&asked, LAST_ZXID, 0, |out| out.put_i32(asked.xid));
                queue.pop_running();
            } else if !queue.advance_refused(LAST_ZXID) {
                return;
            }
        }
    }

    #[test]
    fn a_sync_behind_a_write_does_not_go_back_in_time() {
        let mut queue = Queue::default();
        let write = queue.push(asked(1), Slot::Waiting);
        let sync = queue.push(asked(2), Slot::Waiting);
        // Served before the write that stands in front of it was applied.
        queue.finish(sync, 5, 0, |_| {}, false);
        queue.finish(write, 9, 0, |_| {}, false);
        let later = queue.push(asked(3), Slot::Waiting);
        queue.finish(later, 7, 0, |_| {}, false);
        let zxids: Vec<i64> = take(&mut queue)
            .iter()
            .map(|(header, _)| header.zxid)
            .collect();
        assert_eq!(zxids, [9, 9, 9]);
    }

    #[test]
    fn a_reply_waits_for_those_before_it() {
        let mut queue = Queue::default();
        let first = queue.push(asked(1), Slot::Waiting);
        let second = queue.push(asked(2), Slot::Waiting);
        queue.push(asked(3), Slot::Ready(Request::Ping));
        queue.push(asked(4), refused(false));
        let fifth = queue.push(asked(5), Slot::Waiting);
        assert_eq!(queue.in_flight_bytes, 5 * BYTES);
        queue.finish(fifth, 50, 0, |_| {}, false).unwrap();
        queue
            .finish(second, 20, -101, |out| out.put_u8(9), false)
            .unwrap();
        assert!(queue.next_ready().is_none() && !queue.advance_refused(LAST_ZXID));
        assert_eq!(xids(&mut queue), [0; 0]);
        queue
            .finish(first, 10, 0, |out| out.put_i64(8), false)
            .unwrap();
        assert!(queue.is_over(second) && !queue.is_over(fifth));
        let frames = take(&mut queue);
        let headers = [(1, 10, 0), (2, 20, -101)];
        assert_eq!(
            frames
                .iter()
                .map(|(header, _)| (header.xid, header.zxid, header.err))
                .collect::<Vec<_>>(),
            headers
        );
        assert_eq!(frames[0].1, 8_i64.to_be_bytes()[..]);
        assert_eq!(frames[1].1, [9][..]);
        answer(&mut queue);
        assert_eq!(xids(&mut queue), [3, 4, 5]);
        assert_eq!((queue.len(), queue.in_flight_bytes), (0, 0));
    }

    #[test]
    fn what_is_behind_a_read_that_is_being_answered_waits_for_it() {
        let mut queue = Queue::default();
        queue.push(asked(1), Slot::Ready(Request::Ping));
        let second = queue.push(asked(2), Slot::Waiting);
        queue.push(asked(3), Slot::Ready(Request::Ping));
        let (running, _) = queue.next_ready().unwrap();
        assert!(queue.next_ready().is_none(), "one at a time");
        queue.finish(second, 20, 0, |_| {}, false).unwrap();
        assert_eq!(xids(&mut queue), [0; 0]);
        queue.reply(&running, 10, 0, |_| {});
        queue.pop_running();
        assert_eq!(xids(&mut queue), [1, 2]);
        assert_eq!(queue.next_ready().unwrap().0.xid, 3);
    }

    #[test]
    fn an_error_decided_early_names_its_own_zxid_or_the_last() {
        let mut queue = Queue::default();
        for zxid in [Some(-1), None] {
            let code = ErrorCode::MarshallingError;
            let close = false;
            queue.push(asked(1), Slot::Refused { zxid, code, close });
        }
        answer(&mut queue);
        let frames = take(&mut queue);
        let zxids: Vec<i64> = frames.iter().map(|(header, _)| header.zxid).collect();
        assert_eq!(zxids, [-1, LAST_ZXID]);
        assert!(
            frames
                .iter()
                .all(|(header, body)| header.err == -5 && body.is_empty())
        );
    }

    #[test]
    fn nothing_follows_a_reply_that_closes() {
        // Which of three writes closes, and the order in which they are completed.
        for (closing, order) in [
            (1, [0, 1, 2]),
            (1, [2, 1, 0]),
            (0, [2, 1, 0]),
            (2, [1, 2, 0]),
        ] {
            let mut queue = Queue::default();
            let turns: Vec<Turn> = (0..3)
                .map(|xid| queue.push(asked(xid), Slot::Waiting))
                .collect();
            queue.push(asked(3), Slot::Ready(Request::Ping));
            for at in order {
                queue.finish(turns[at], 5, 0, |_| {}, at == closing);
            }
            answer(&mut queue);
            queue.event(&Bytes::from_static(b"\0\0\0\0"));
            let expected: Vec<i32> = (0..=i32::try_from(closing).unwrap()).collect();
            assert_eq!(xids(&mut queue), expected, "{closing} {order:?}");
            assert!(queue.closing);
            assert!(!queue.is_refused() && queue.next_ready().is_none());
            let late = queue.finish(turns[2], 5, 0, |_| {}, false);
            assert!(late.is_none(), "nobody waits for it any more");
        }
    }

    #[test]
    fn a_turn_is_finished_once() {
        let mut queue = Queue::default();
        let turn = queue.push(asked(1), Slot::Waiting);
        assert!(queue.finish(turn, 1, 0, |_| {}, false).is_some());
        queue.push(asked(2), Slot::Waiting);
        assert!(queue.finish(turn, 1, 0, |_| {}, false).is_none());
        assert_eq!(xids(&mut queue), [1]);
    }

    #[test]
    fn a_client_that_does_not_take_its_events_is_cut_off() {
        let mut queue = Queue::default();
        let half = Bytes::from(vec![0; EVENT_BYTES_MAX / 2]);
        for _ in 0..2 {
            queue.event(&half);
            queue.event(&half);
            assert!(!queue.closing, "so much may wait");
            queue.take_finished(&mut Sending::default());
        }
        queue.event(&half);
        queue.event(&half);
        queue.event(&Bytes::from_static(b"\0"));
        assert!(queue.closing);
        let before = queue.outbox.len();
        queue.event(&half);
        assert_eq!(queue.outbox.len(), before, "it grows no further");
    }

    #[tokio::test]
    async fn while_somebody_else_writes_the_task_takes_nothing_and_is_woken_behind_it() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _client = tokio::net::TcpStream::connect(address).await.unwrap();
        let socket = ClientSocket::new(listener.accept().await.unwrap().0);
        let mut queue = Queue {
            direct: Some(socket.direct_writer()),
            ..Queue::default()
        };
        let reply = |queue: &mut Queue, xid| {
            let turn = queue.push(asked(xid), Slot::Waiting);
            queue.finish(turn, 1, 0, |_| {}, false).unwrap();
        };
        reply(&mut queue, 1);
        assert!(queue.take_to_write().is_none(), "the task runs");
        assert_eq!(take(&mut queue).len(), 1);
        queue.task_rests();

        reply(&mut queue, 2);
        let (_writer, bytes) = queue.take_to_write().unwrap();
        assert!(!queue.is_drained(), "the bytes are on their way");
        reply(&mut queue, 3);
        queue.closing = true;
        assert!(
            take(&mut queue).is_empty(),
            "or the third would come before the second"
        );
        assert!(!queue.is_drained());
        let rest = bytes.slice(4..);
        assert!(queue.written(rest.clone()), "the task has to go on");
        assert!(!queue.is_drained());
        let mut sending = Sending::default();
        queue.take_finished(&mut sending);
        assert_eq!(&*sending.slices()[0], &*rest, "the rest comes first");
        assert_eq!(sending.slices().len(), 2);
        assert!(queue.is_drained());
    }

    #[test]
    fn bytes_that_are_shared_and_those_behind_them_are_part_of_the_frame() {
        for length in [0, 1, 100 << 10] {
            for after in [&b""[..], b"end"] {
                let mut queue = Queue::default();
                let shared = Bytes::from(vec![7; length]);
                queue.push(asked(1), Slot::Ready(Request::Ping));
                let (asked, _) = queue.next_ready().unwrap();
                queue.reply_with(
                    &asked,
                    1,
                    0,
                    |out| out.put_u8(6),
                    std::slice::from_ref(&shared),
                    after,
                );
                queue.reply(&asked, 1, 0, |_| {});
                queue.pop_running();
                let frames = take(&mut queue);
                assert_eq!(frames.len(), 2);
                assert_eq!(frames[0].1, [&[6], &shared[..], after].concat());
            }
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push(Kind),
        /// One of those who wait is completed by somebody else.
        Finish(Index, Vec<u8>),
        Begin,
        End,
        Refuse,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Kind {
        Write,
        Read,
        Refused,
    }

    fn step() -> impl Strategy<Value = Step> {
        let kind = prop_oneof![Just(Kind::Write), Just(Kind::Read), Just(Kind::Refused)];
        prop_oneof![
            4 => kind.prop_map(Step::Push),
            3 => (any::<Index>(), prop::collection::vec(any::<u8>(), 0..5)).prop_map(|(at, body)| Step::Finish(at, body)),
            2 => Just(Step::Begin),
            2 => Just(Step::End),
            2 => Just(Step::Refuse),
        ]
    }

    /// A request of the history: its number is its xid.
    struct Pending {
        kind: Kind,
        turn: Turn,
        /// The body of its reply, once that is known.
        body: Option<Vec<u8>>,
    }

    proptest! {
        #[test]
        fn replies_leave_in_the_order_of_their_requests(steps in prop::collection::vec(step(), 1..80)) {
            let mut queue = Queue::default();
            let mut requests: Vec<Pending> = Vec::new();
            let mut running = None;
            let mut replied = 0;
            for step in steps {
                match step {
                    Step::Push(kind) => {
                        let slot = match kind {
                            Kind::Write => Slot::Waiting,
                            Kind::Read => Slot::Ready(Request::Ping),
                            Kind::Refused => refused(false),
                        };
                        let turn = queue.push(asked(i32::try_from(requests.len()).unwrap()), slot);
                        requests.push(Pending { kind, turn, body: None });
                    }
                    Step::Finish(index, body) => {
                        let waiting: Vec<&mut Pending> = requests.iter_mut().filter(|request| request.kind == Kind::Write && request.body.is_none()).collect();
                        let count = waiting.len();
                        if let Some(request) = waiting.into_iter().nth(index.index(count.max(1))) {
                            prop_assert!(queue.finish(request.turn, 5, 0, |out| out.put_slice(&body), false).is_some());
                            request.body = Some(body);
                        }
                    }
                    Step::Begin => {
                        let expected = requests.get(replied).filter(|request| request.kind == Kind::Read && running.is_none());
                        let next = queue.next_ready();
                        prop_assert_eq!(next.is_some(), expected.is_some());
                        if let Some((asked, _)) = next {
                            running = Some(asked);
                        }
                    }
                    Step::End => {
                        if let Some(asked) = running.take() {
                            queue.reply(&asked, 5, 0, |_| {});
                            queue.pop_running();
                            requests[replied].body = Some(Vec::new());
                        }
                    }
                    Step::Refuse => {
                        let expected = requests.get(replied).is_some_and(|request| request.kind == Kind::Refused);
                        prop_assert_eq!(queue.is_refused(), expected);
                        prop_assert_eq!(queue.advance_refused(LAST_ZXID), expected);
                        if expected {
                            requests[replied].body = Some(Vec::new());
                        }
                    }
                }
                let ready = requests[replied..].iter().take_while(|request| request.body.is_some()).count();
                let frames = take(&mut queue);
                prop_assert_eq!(frames.len(), ready, "all whose turn has come, and no other");
                for ((header, body), (xid, request)) in frames.iter().zip(requests.iter().enumerate().skip(replied)) {
                    prop_assert_eq!(header.xid, i32::try_from(xid).unwrap());
                    prop_assert_eq!(Some(&body[..]), request.body.as_deref());
                }
                replied += ready;
                let left = requests.len() - replied;
                prop_assert_eq!((queue.len(), queue.in_flight_bytes), (left, left * BYTES));
                for (at, request) in requests.iter().enumerate() {
                    prop_assert_eq!(queue.is_over(request.turn), at < replied);
                }
            }
        }
    }
}
