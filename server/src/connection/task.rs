//! The task of one connection: one read and one write of the socket a wake-up, everything in between in order.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::Sleep;
use treekeeper_protocol::frame::split_frame;
use treekeeper_protocol::{
    ConnectRequest, ErrorCode, FourLetterWord, OpCode, Request, RequestHeader,
};

use super::handshake::{Welcome, welcome, welcome_to_read};
use super::join::JOIN;
use super::outbox::Sending;
use super::queue::{Asked, Queue, Slot, Turn};
use super::read::Reader;
use super::reconfig::reconfig;
use super::{
    CLOSE_LINGER, Connection, IN_FLIGHT_BYTES_MAX, IN_FLIGHT_REQUESTS_MAX, OUTBOX_PAUSE_BYTES,
    READ_BUFFER_BYTES, READY_REQUESTS_MAX, SPARE_BYTES_MAX, Scope, Session,
};
use crate::apply::creates_ephemeral;
use crate::publish::{Node, Standing, Write};
use crate::tree::StoreError;

/// How a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// The client went away, or was closed.
    Closed,
    /// A four-letter word in place of a handshake.
    Word(FourLetterWord, Bytes),
    /// A server that wants to join, in place of a handshake.
    Join(Bytes),
    /// The tree's store failed. Stops the process.
    Store(StoreError),
}

/// Completes with true once this node has applied everything that was committed when it was made.
type Confirming = Pin<Box<dyn Future<Output = bool> + Send>>;

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Its first frame has not come whole.
    Greeting,
    /// Its session is being opened; what it sent behind the handshake waits.
    Opening,
    /// Its requests are served.
    Serving,
}

/// The task's own part of a connection.
pub(super) struct Task<S> {
    node: Arc<Node>,
    connection: Arc<Connection>,
    socket: S,
    phase: Phase,
    session: Option<Session>,
    received: BytesMut,
    sending: Sending,
    writes: Vec<Write>,
    /// Nothing more is read: the client has closed its side, or broken the protocol.
    ended: bool,
    /// The client has closed a session that only this member knows.
    ends_session: bool,
    /// A sync is on its way: what is behind it waits in the buffer, so that no write overtakes a read behind it.
    syncing: Option<Turn>,
    /// Serves that sync.
    serving_sync: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Learns whether this member is up to date, for the reads that wait for that (`treekeeper.strictReads`).
    confirming: Option<Confirming>,
    /// Until when the handshake must have come; none once it has.
    greeting: Option<Pin<Box<Sleep>>>,
    /// Until when a closed connection may take its last replies.
    linger: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Task<S> {
    pub(super) fn new(node: Arc<Node>, connection: Arc<Connection>, socket: S) -> Self {
        let timeout = node.config.client.sessionless_timeout;
        let greeting = Some(Box::pin(tokio::time::sleep(timeout)));
        Self {
            node,
            connection,
            socket,
            phase: Phase::Greeting,
            session: None,
            received: BytesMut::new(),
            sending: Sending::default(),
            writes: Vec::new(),
            ended: false,
            ends_session: false,
            syncing: None,
            serving_sync: None,
            confirming: None,
            greeting,
            linger: None,
        }
    }

    /// Serves the connection until it ends. The socket comes back for those who answer a word.
    pub(super) async fn run(mut self) -> (End, S) {
        let end = poll_fn(|cx| self.poll(cx)).await;
        (end, self.socket)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.connection.waker().register(cx.waker());
        loop {
            let mut progress = false;
            let mut reading = false;
            if let Some(greeting) = &mut self.greeting
                && greeting.as_mut().poll(cx).is_ready()
            {
                self.node
                    .metrics
                    .sessionless_connections_expired
                    .increment();
                return Poll::Ready(End::Closed);
            }
            if self.may_read() {
                match self.poll_receive(cx) {
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(End::Closed),
                    Poll::Ready(Ok(_)) => progress = true,
                    Poll::Pending => reading = true,
                }
                // There was room for more, so that was all mostly. The socket says so without a system call, and wakes
                // this task when more comes: then one pass is enough. What ends the connection is met again once this
                // has been served.
                let has_room = self.received.len() < self.received.capacity();
                if progress && has_room && self.poll_socket(cx).is_pending() {
                    reading = true;
                }
            }
            if self.phase != Phase::Serving {
                match self.greet() {
                    Ok(advanced) => progress |= advanced,
                    Err(end) => return Poll::Ready(end),
                }
            }
            if self.phase == Phase::Serving {
                match self.serve(cx) {
                    Ok(advanced) => progress |= advanced,
                    Err(error) => return Poll::Ready(End::Store(error)),
                }
            }
            let paused = self.is_paused();
            let written = self.poll_write(cx);
            if matches!(written, Poll::Ready(Err(_))) {
                return Poll::Ready(End::Closed);
            }
            let has_nothing_in_hand = reading && written.is_ready() && self.has_nothing_in_hand();
            let (closing, drained) = {
                let mut queue = self.connection.queue();
                if has_nothing_in_hand && !queue.closing {
                    queue.task_rests();
                    drop(queue);
                    self.spare_buffer();
                    return Poll::Pending;
                }
                (queue.closing, queue.is_drained())
            };
            if closing && (written.is_ready() && drained || self.poll_linger(cx).is_ready()) {
                return Poll::Ready(End::Closed);
            }
            // Whoever held back goes on: nothing else would wake it.
            progress |= paused && !self.is_paused();
            if !progress {
                return Poll::Pending;
            }
        }
    }

    /// Does it wait for requests and replies, and for nothing else?
    fn has_nothing_in_hand(&self) -> bool {
        self.phase == Phase::Serving
            && self.received.is_empty()
            && self.syncing.is_none()
            && self.confirming.is_none()
    }

    /// Is there room for more requests? A client that does not read its replies is read no further itself.
    fn may_read(&self) -> bool {
        if self.ended || self.phase == Phase::Opening {
            return false;
        }
        let client = &self.node.config.client;
        // A frame and its length must fit; what is behind them can wait in the system's buffers.
        if self.received.len() > client.jute_max_buffer + 4 {
            return false;
        }
        let queue = self.connection.queue();
        self.has_room(&queue)
            && (queue.len() == 0
                || self.node.proposer.outstanding() <= client.global_outstanding_limit as usize)
    }

    /// The client lives, whether its requests have their turn yet or not.
    fn heard(&self) {
        if let Some(session) = &self.session {
            session.liveness.touch(self.node.clock.now_ms());
        }
    }

    /// Do so many replies wait for the client that it gets no more before it reads some?
    fn is_paused(&self) -> bool {
        self.is_paused_by(&self.connection.queue())
    }

    fn is_paused_by(&self, queue: &Queue) -> bool {
        queue.outbox.len() + self.sending.len() >= OUTBOX_PAUSE_BYTES
    }

    /// Is there room for one more request?
    fn has_room(&self, queue: &Queue) -> bool {
        !self.is_paused_by(queue)
            && queue.len() < IN_FLIGHT_REQUESTS_MAX
            && queue.ready_len() < READY_REQUESTS_MAX
            && queue.in_flight_bytes < IN_FLIGHT_BYTES_MAX
            && !queue.closing
    }

    /// A closed connection's last replies wait for the client, but not for ever.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let linger = || Box::pin(tokio::time::sleep(CLOSE_LINGER));
        self.linger.get_or_insert_with(linger).as_mut().poll(cx)
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.received.capacity() == 0 {
            self.received = SPARE.take();
        }
        self.received.reserve(READ_BUFFER_BYTES);
        self.poll_socket(cx)
    }

    fn poll_socket(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // The future holds nothing between two polls, so it may be made anew for each.
        let read = pin!(self.socket.read_buf(&mut self.received)).poll(cx);
        match read {
            Poll::Ready(Ok(1..)) => self.heard(),
            Poll::Ready(_) => {}
            Poll::Pending => self.spare_buffer(),
        }
        read
    }

    /// Leaves an empty buffer to the next connection of this thread.
    fn spare_buffer(&mut self) {
        if self.received.is_empty() {
            let buffer = std::mem::take(&mut self.received);
            if buffer.capacity() <= SPARE_BYTES_MAX {
                SPARE.set(buffer);
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.sending.is_empty() {
                self.take_finished()?;
                if self.sending.is_empty() {
                    return Poll::Ready(Ok(()));
                }
            }
            let socket = Pin::new(&mut self.socket);
            let count = match self.sending.single() {
                Some(one) => ready!(socket.poll_write(cx, one))?,
                None => ready!(socket.poll_write_vectored(cx, &self.sending.slices()))?,
            };
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sending.advance(count);
        }
    }

    fn take_finished(&mut self) -> io::Result<()> {
        // Somebody else may have been told otherwise: the client hears it from a member that knows. Who makes do with
        // reading is served until there is contact again, and then finds a member that writes.
        if self.phase != Phase::Greeting
            && self.node.contact.is_current() == self.connection.is_read_only()
        {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let mut queue = self.connection.queue();
        queue.take_finished(&mut self.sending);
        self.node.metrics.traffic.add(&mut queue.traffic);
        Ok(())
    }

    /// The handshake. True when something has happened.
    fn greet(&mut self) -> Result<bool, End> {
        if self.phase == Phase::Opening {
            self.session = self.connection.session();
            if self.session.is_some() {
                self.phase = Phase::Serving;
            }
            return Ok(self.session.is_some());
        }
        if let Some(first) = self.received.first_chunk::<4>()
            && let Some(word) = FourLetterWord::from_first_bytes(*first)
        {
            return Err(End::Word(word, self.received.split_off(4).freeze()));
        }
        if self.received.starts_with(&JOIN) {
            return Err(End::Join(self.received.split_off(JOIN.len()).freeze()));
        }
        let frame = match split_frame(&mut self.received, self.node.config.client.jute_max_buffer) {
            Ok(None) => return Ok(false),
            Ok(Some(frame)) => frame,
            Err(error) => {
                tracing::debug!(peer = %self.connection.peer(), %error, "closed a connection that did not begin with a handshake");
                return Err(End::Closed);
            }
        };
        self.connection.queue().received(frame.len());
        let Ok(request) = ConnectRequest::decode(&frame) else {
            return Err(End::Closed);
        };
        self.greeting = None;
        let welcomed = if self.node.contact.is_current() {
            match self.leads_only() {
                true => Welcome::Ignored,
                false => welcome(&self.node, &self.connection, &request),
            }
        } else if request.read_only == Some(true) && self.node.serves_read_only() {
            welcome_to_read(&self.node, &self.connection, &request)
        } else {
            // As a stock server that looks for a leader: the client tries another.
            Welcome::Ignored
        };
        match welcomed {
            Welcome::Opening => self.phase = Phase::Opening,
            Welcome::Refused => self.ended = true,
            Welcome::Ignored => return Err(End::Closed),
        }
        Ok(true)
    }

    /// Everything that has come, and everything whose turn has come. True when something has happened.
    fn serve(&mut self, cx: &mut Context<'_>) -> Result<bool, StoreError> {
        if let Some(sync) = &mut self.serving_sync
            && sync.as_mut().poll(cx).is_ready()
        {
            self.serving_sync = None;
        }
        let parsed = match &mut self.confirming {
            None => self.parse()?,
            // What comes meanwhile waits, and so do the writes behind the reads.
            Some(confirming) => match confirming.as_mut().poll(cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(confirmed) => {
                    self.confirming = None;
                    let mut queue = self.connection.queue();
                    queue.open_gate();
                    queue.closing |= !confirmed;
                    true
                }
            },
        };
        let (gated, queued) = {
            let queue = self.connection.queue();
            (queue.is_gated(), queue.len() > 0)
        };
        if gated {
            self.confirming = Some(self.confirm());
            return Ok(true);
        }
        // Reads before writes: once the writes are on their way, they may be applied before the reads in front of
        // them.
        let answered = queued && self.answer_ready()?;
        if !self.writes.is_empty() {
            self.propose(self.session_id());
        }
        if self.ends_session {
            self.end_session();
        }
        Ok(parsed || answered)
    }

    /// Sends the writes on their way. Those of a local session only while it is this connection's: whoever takes it over
    /// waits for the lock, and finds them, and what makes it global, in front of its own.
    fn propose(&mut self, session: i64) {
        let generation = self.writes.first().and_then(|write| match write.standing {
            Standing::Global(_) => None,
            Standing::Local(generation) | Standing::Upgrading { generation, .. } => {
                Some(generation)
            }
        });
        let mut local = None;
        if let Some(generation) = generation {
            let mut sessions = self.node.local_sessions.lock();
            let upgrades = |write: &Write| matches!(write.standing, Standing::Upgrading { .. });
            let is_ours = if self.writes.iter().any(upgrades) {
                sessions.close(session, generation)
            } else {
                sessions.is_current(session, generation)
            };
            if !is_ours {
                // It has expired, or moved to another connection.
                self.ended = true;
                self.writes.clear();
                self.connection.queue().closing = true;
                return;
            }
            local = Some(sessions);
        }
        self.node
            .proposer
            .writes(&self.connection, session, &mut self.writes);
        if self.ends_session {
            // Before the lock is gone: the reply may be on its way already.
            if let (Some(sessions), Some(generation)) = (&mut local, generation) {
                sessions.close(session, generation);
            }
        }
        drop(local);
    }

    fn confirm(&self) -> Confirming {
        let node = Arc::clone(&self.node);
        Box::pin(async move {
            let confirmed = node.linearize().await;
            if let Err(error) = &confirmed {
                tracing::warn!(%error, "closed a connection whose reads could not be confirmed");
            }
            confirmed.is_ok()
        })
    }

    fn parse(&mut self) -> Result<bool, StoreError> {
        let mut parsed = false;
        let received = Instant::now();
        while !self.is_syncing() && !self.ended && !self.received.is_empty() {
            let mut queue = self.connection.queue();
            if !self.has_room(&queue) {
                break;
            }
            let frame = match split_frame(
                &mut self.received,
                self.node.config.client.jute_max_buffer,
            ) {
                Ok(None) => break,
                Ok(Some(frame)) => frame,
                Err(error) => {
                    queue.closing = true;
                    // Nobody waits for whoever reads the log.
                    drop(queue);
                    tracing::warn!(peer = %self.connection.peer(), %error, "closed a connection that broke the protocol");
                    self.ended = true;
                    break;
                }
            };
            queue.received(frame.len());
            drop(queue);
            parsed = true;
            self.accept(&frame, received)?;
        }
        Ok(parsed)
    }

    /// Gives one request its turn.
    fn accept(&mut self, frame: &Bytes, received: Instant) -> Result<(), StoreError> {
        let Ok((header, body)) = RequestHeader::decode(frame) else {
            // Not even a header: there is no xid to answer.
            self.ended = true;
            self.connection.queue().closing = true;
            return Ok(());
        };
        let mut asked = Asked {
            xid: header.xid,
            op: OpCode::Error,
            received,
            bytes: frame.len(),
        };
        let decoded = match OpCode::from_i32(header.op).filter(|op| *op != OpCode::Check) {
            None => Err(ErrorCode::Unimplemented),
            Some(op) => {
                asked.op = op;
                Request::decode(op, &body).map_err(|error| error.error_code())
            }
        };
        match decoded {
            Err(code) => {
                let close = code == ErrorCode::Unimplemented;
                let zxid = close.then_some(-1);
                self.refuse(asked, zxid, code, close);
            }
            Ok(Request::CloseSession) if self.scope() != Scope::Global => self.close_local(asked),
            Ok(request)
                if self.scope() == Scope::ReadOnly
                    && (request.op().is_write() || matches!(request, Request::Sync(_))) =>
            {
                self.refuse(asked, None, ErrorCode::NotReadOnly, false);
            }
            Ok(Request::Sync(request)) => self.sync(asked, request.path),
            Ok(Request::Reconfig(request)) if self.may_reconfig() => {
                let turn = self.connection.queue().push(asked, Slot::Waiting);
                // Like a sync: what is behind it is read once it is served.
                self.syncing = Some(turn);
                let (node, connection) = (Arc::clone(&self.node), Arc::clone(&self.connection));
                tokio::spawn(reconfig(node, connection, turn, request));
            }
            Ok(Request::Auth(request)) => self.auth(asked, request)?,
            Ok(request) if request.op().is_write() => {
                let Ok(share) = self.node.large_requests.take(frame.len()) else {
                    self.node.metrics.large_requests_rejected.increment();
                    self.ended = true;
                    self.connection.queue().closing = true;
                    return Ok(());
                };
                let standing = self.standing(&request);
                self.ended |= matches!(request, Request::CloseSession);
                let mut queue = self.connection.queue();
                let turn = queue.push_large(asked, Slot::Waiting, share);
                drop(queue);
                let identities = self.connection.identities();
                self.writes.push(Write {
                    turn,
                    standing,
                    op: asked.op,
                    body,
                    identities,
                });
            }
            Ok(request) => self.read(asked, request)?,
        }
        Ok(())
    }

    /// Who knows the session by now.
    fn scope(&self) -> Scope {
        let session = self.session.as_ref();
        session.map_or(Scope::Global, |session| session.scope)
    }

    /// As what the session sends this write. A local one becomes global with its first ephemeral znode, if it may.
    fn standing(&mut self, request: &Request) -> Standing {
        let session = self
            .session
            .as_mut()
            .expect("a served connection has a session");
        let generation = session.generation;
        if session.scope == Scope::Global {
            return Standing::Global(generation);
        }
        if !self.node.config.sessions.upgrading || !creates_ephemeral(request) {
            return Standing::Local(generation);
        }
        session.scope = Scope::Global;
        session.generation = 0;
        self.connection.upgraded();
        Standing::Upgrading {
            generation,
            timeout_ms: session.timeout_ms,
        }
    }

    /// Closes a session that only this member knows, behind the writes that are not on their way yet; the reply waits for
    /// its turn.
    fn close_local(&mut self, asked: Asked) {
        self.ends_session = true;
        self.refuse(asked, None, ErrorCode::Ok, true);
    }

    fn end_session(&mut self) {
        self.ends_session = false;
        if let Some(session) = &self.session {
            let sessions = match session.scope {
                Scope::ReadOnly => &self.node.read_only_sessions,
                Scope::Local | Scope::Global => &self.node.local_sessions,
            };
            sessions.lock().close(session.id, session.generation);
        }
    }

    fn refuse(&mut self, asked: Asked, zxid: Option<i64>, code: ErrorCode, close: bool) {
        self.ended |= close;
        self.connection
            .queue()
            .push(asked, Slot::Refused { zxid, code, close });
    }

    /// Identities count from now on, for what is behind this in the pipeline; the reply waits for its turn.
    fn auth(
        &mut self,
        asked: Asked,
        request: treekeeper_protocol::AuthRequest,
    ) -> Result<(), StoreError> {
        let scheme = request.scheme.as_deref().unwrap_or_default();
        let auth = request.auth.as_deref().unwrap_or_default();
        match self.node.providers.authenticate(scheme, auth) {
            Ok(added) if self.connection.add_identities(&added) => {
                self.read(asked, Request::Auth(request))
            }
            Ok(_) | Err(crate::auth::AuthFailed) => {
                tracing::warn!(peer = %self.connection.peer(), scheme, "authentication failed");
                self.node.metrics.auth_failed_count.increment();
                self.refuse(asked, Some(0), ErrorCode::AuthFailed, true);
                Ok(())
            }
        }
    }

    fn read(&mut self, mut asked: Asked, request: Request) -> Result<(), StoreError> {
        if matches!(request, Request::Ping) {
            asked.xid = treekeeper_protocol::xid::PING;
        }
        {
            let mut queue = self.connection.queue();
            let is_strict = self.node.config.client.strict_reads && !self.connection.is_read_only();
            if is_strict && !matches!(request, Request::Ping) {
                queue.close_gate();
            }
            if queue.len() > 0 || queue.is_gated() {
                queue.push(asked, Slot::Ready(request));
                return Ok(());
            }
        }
        self.reader().answer(&asked, &request)
    }

    /// Answered once this node has applied what was committed anywhere when the sync came.
    fn sync(&mut self, asked: Asked, path: Option<String>) {
        let turn = self.connection.queue().push(asked, Slot::Waiting);
        self.syncing = Some(turn);
        let (node, connection) = (Arc::clone(&self.node), Arc::clone(&self.connection));
        self.serving_sync = Some(Box::pin(async move {
            match node.linearize().await {
                Ok(()) => {
                    let zxid = node.state.read().meta.zxid;
                    connection.complete_sync(turn, zxid, path.as_deref());
                }
                Err(error) => {
                    tracing::warn!(%error, "closed a connection whose sync could not be served");
                    connection.close();
                }
            }
        }));
    }

    /// Does this member lead, and a leader not serve clients (`leaderServes=no`)?
    fn leads_only(&self) -> bool {
        let ensemble = self.node.config.ensemble.as_ref();
        ensemble.is_some_and(|ensemble| !ensemble.leader_serves) && self.node.leads().is_some()
    }

    /// Elsewhere a reconfig goes the way of every write, and is refused when its turn comes.
    fn may_reconfig(&self) -> bool {
        let ensemble = self.node.config.ensemble.as_ref();
        ensemble.is_some_and(|ensemble| ensemble.reconfig_enabled)
    }

    fn is_syncing(&mut self) -> bool {
        if self
            .syncing
            .is_some_and(|turn| self.connection.queue().is_over(turn))
        {
            self.syncing = None;
        }
        self.syncing.is_some()
    }

    /// Answers what is at the front of the queue and needs nobody else.
    fn answer_ready(&mut self) -> Result<bool, StoreError> {
        let mut answered = false;
        loop {
            if self.connection.queue().has_ready() {
                self.reader().answer_next()?;
                answered = true;
                continue;
            }
            if !self.connection.queue().is_refused() {
                return Ok(answered);
            }
            // The publish lock comes before the queue's.
            let zxid = self.node.state.read().meta.zxid;
            self.connection.queue().advance_refused(zxid);
            answered = true;
        }
    }

    fn session_id(&self) -> i64 {
        let session = self.session.as_ref();
        session.expect("a served connection has a session").id
    }

    fn reader(&self) -> Reader<'_> {
        Reader {
            node: &self.node,
            connection: &self.connection,
            identities: self.connection.identities(),
            session: self.session_id(),
        }
    }
}

thread_local! {
    /// The read buffer of this thread's connections: an idle one has none.
    static SPARE: Cell<BytesMut> = Cell::default();
}
