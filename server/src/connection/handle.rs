//! What everybody else may touch of a connection: its queue, its identities, its session.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::{Buf, Bytes, BytesMut};
use futures::task::AtomicWaker;
use parking_lot::{Mutex, RwLock};
use treekeeper_protocol::encode::{begin_frame, end_frame, put_stat, put_string};

use treekeeper_protocol::{Acl, ConnectResponse, ErrorCode, perms};

use super::queue::{Queue, Turn};
use super::{IDENTITIES_BYTES_MAX, IDENTITIES_MAX, Statistics};
use crate::admin::metrics::Metrics;
use crate::apply::{Outcome, Reply};
use crate::auth::{self, Identities, Identity};
use crate::publish::Contact;
use crate::session::Liveness;
use crate::watch::{ConnectionId, Sink};

/// One connection, shared between its task, apply and whoever watches over it.
#[derive(Debug)]
pub struct Connection {
    id: ConnectionId,
    peer: SocketAddr,
    established: SystemTime,
    queue: Mutex<Queue>,
    identities: RwLock<Identities>,
    session: Mutex<Option<Session>>,
    /// Does the ConnectRequest carry the byte that old clients lack? Then the response has it, too.
    knows_read_only: AtomicBool,
    /// Is it served although no quorum is in contact, by a member that says so?
    read_only: AtomicBool,
    skip_acl: bool,
    waker: AtomicWaker,
}

/// The session that a connection holds.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its id.
    pub id: i64,
    /// Its generation: this connection's writes carry it.
    pub generation: u32,
    /// Negotiated time-out, in ms.
    pub timeout_ms: i32,
    /// Who knows it.
    pub scope: Scope,
    /// Where requests leave word that the client lives.
    pub liveness: Arc<Liveness>,
}

/// Who knows a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All members.
    Global,
    /// This member alone: the session owns nothing, and cannot move.
    Local,
    /// This member alone, which had no contact with a quorum when it opened the session: nothing is written.
    ReadOnly,
}

impl Connection {
    pub(super) fn new(id: ConnectionId, peer: SocketAddr, skip_acl: bool) -> Self {
        Self {
            id,
            peer,
            established: SystemTime::now(),
            queue: Mutex::new(Queue::default()),
            identities: RwLock::new(Arc::from([Identity::ip(peer.ip())])),
            session: Mutex::new(None),
            knows_read_only: AtomicBool::new(false),
            read_only: AtomicBool::new(false),
            skip_acl,
            waker: AtomicWaker::new(),
        }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// The client's address.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// When it was accepted.
    #[must_use]
    pub fn established(&self) -> SystemTime {
        self.established
    }

    /// Who it is.
    #[must_use]
    pub fn identities(&self) -> Identities {
        Arc::clone(&self.identities.read())
    }

    /// Adds identities. False, and nothing added, when it would have too many.
    pub(super) fn add_identities(&self, added: &[Identity]) -> bool {
        let mut identities = self.identities.write();
        let mut all = identities.to_vec();
        for identity in added {
            if !all.contains(identity) {
                all.push(identity.clone());
            }
        }
        let size = |identity: &Identity| identity.scheme.len() + identity.id.len();
        let bytes: usize = all.iter().map(size).sum();
        let fits = all.len() <= IDENTITIES_MAX && bytes <= IDENTITIES_BYTES_MAX;
        if fits {
            *identities = all.into();
        }
        fits
    }

    /// The session that it holds, once it has one.
    #[must_use]
    pub fn session(&self) -> Option<Session> {
        self.session.lock().clone()
    }

    /// What is counted of it.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.queue.lock().statistics.clone()
    }

    /// Forgets what was counted of it.
    pub fn reset_statistics(&self) {
        self.queue.lock().statistics = Statistics::default();
    }

    /// Requests received and not yet answered, and bytes of replies not yet taken by the socket.
    #[must_use]
    pub fn backlog(&self) -> (usize, usize) {
        let queue = self.queue.lock();
        (queue.len(), queue.outbox.len())
    }

    pub(super) fn queue(&self) -> parking_lot::MutexGuard<'_, Queue> {
        self.queue.lock()
    }

    pub(super) fn waker(&self) -> &AtomicWaker {
        &self.waker
    }

    pub(super) fn knows_read_only(&self, known: bool) {
        self.knows_read_only.store(known, Ordering::Relaxed);
    }

    /// The member that serves it has no contact with a quorum; the client makes do with that.
    pub(super) fn serve_read_only(&self) {
        self.read_only.store(true, Ordering::Relaxed);
    }

    /// Is it served only as long as this member has no contact with a quorum?
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.read_only.load(Ordering::Relaxed)
    }

    /// Its session becomes known to all members.
    pub(super) fn upgraded(&self) {
        if let Some(session) = &mut *self.session.lock() {
            session.scope = Scope::Global;
            session.generation = 0;
        }
    }

    /// Its task has something to do.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// Sends what is finished: at once from this thread while its task rests, which saves waking it, otherwise through
    /// the task.
    pub fn send(&self, metrics: &Metrics, contact: &Contact) {
        let mut queue = self.queue.lock();
        // Without contact the task closes the connection, and one that makes do with reading when there is contact again.
        let is_served = contact.is_current() && !self.is_read_only();
        let taken = is_served.then(|| queue.take_to_write()).flatten();
        if taken.is_some() {
            metrics.traffic.add(&mut queue.traffic);
        }
        drop(queue);
        let needs_task = match taken {
            Some((writer, mut bytes)) => {
                let count = writer.write(&bytes);
                bytes.advance(count);
                self.queue.lock().written(bytes)
            }
            None => true,
        };
        if needs_task {
            self.wake();
        }
    }

    /// Is nothing more answered on it?
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.queue.lock().closing
    }

    /// Its task has ended: nothing of it is needed any more.
    pub(super) fn abandon(&self) {
        let mut queue = self.queue.lock();
        let statistics = std::mem::take(&mut queue.statistics);
        *queue = Queue::default();
        queue.statistics = statistics;
        queue.closing = true;
    }

    /// Closes it behind what is queued.
    pub fn close(&self) {
        self.queue.lock().closing = true;
        self.wake();
    }

    /// A session was opened or moved here: answers the ConnectRequest.
    pub fn opened(&self, session: Session, password: [u8; treekeeper_protocol::PASSWORD_LEN]) {
        let response = ConnectResponse {
            protocol_version: 0,
            timeout_ms: session.timeout_ms,
            session_id: session.id,
            password,
            read_only: self.read_only_byte(),
        };
        self.answer_handshake(&response);
        *self.session.lock() = Some(session);
    }

    /// The session is unknown, expired, or its password is wrong: says so and closes.
    pub fn refused(&self) {
        self.answer_handshake(&ConnectResponse::refused(self.read_only_byte()));
        self.queue.lock().closing = true;
    }

    fn read_only_byte(&self) -> Option<bool> {
        self.knows_read_only
            .load(Ordering::Relaxed)
            .then(|| self.is_read_only())
    }

    fn answer_handshake(&self, response: &ConnectResponse) {
        let mut queue = self.queue.lock();
        if !queue.closing {
            queue.outbox.frame(|out| {
                let start = begin_frame(out);
                response.encode(out);
                end_frame(out, start);
            });
            queue.statistics.packets_sent += 1;
        }
    }

    /// A write was applied: queues its reply. Returns when the request was received, if somebody waits for it.
    pub fn complete(&self, turn: Turn, outcome: &Outcome) -> Option<Duration> {
        let err = outcome
            .result
            .as_ref()
            .err()
            .map_or(0, |code| code.as_i32());
        let close = matches!(outcome.result, Ok(Reply::SessionClosed { .. }));
        let body = |out: &mut BytesMut| encode_body(&outcome.result, out);
        let mut queue = self.queue.lock();
        queue.finish(turn, outcome.zxid, err, body, close)
    }

    /// A sync has been served: queues its reply.
    pub fn complete_sync(&self, turn: Turn, zxid: i64, path: Option<&str>) {
        self.complete_with(turn, zxid, 0, |out| {
            treekeeper_protocol::encode::put_opt_string(out, path);
        });
    }

    /// Something that took its own time is done: queues its reply.
    pub(super) fn complete_with(
        &self,
        turn: Turn,
        zxid: i64,
        err: i32,
        body: impl FnOnce(&mut BytesMut),
    ) {
        self.queue.lock().finish(turn, zxid, err, body, false);
        self.wake();
    }
}

impl Sink for Connection {
    fn push_event(&self, frame: &Bytes, acl: Option<&[Acl]>) {
        if self.skip_acl || auth::allows(acl, perms::READ, &self.identities.read()) {
            self.queue.lock().event(frame);
        }
    }

    fn wake(&self) {
        self.waker.wake();
    }

    fn send(&self, metrics: &Metrics, contact: &Contact) {
        Connection::send(self, metrics, contact);
    }
}

fn encode_body(result: &Result<Reply, ErrorCode>, out: &mut BytesMut) {
    match result {
        Ok(Reply::Created { path }) => put_string(out, path),
        Ok(Reply::CreatedWithStat { path, stat }) => {
            put_string(out, path);
            put_stat(out, stat);
        }
        Ok(Reply::Stat(stat)) => put_stat(out, stat),
        Ok(Reply::Multi(results)) => treekeeper_protocol::OpResult::encode_results(results, out),
        Ok(Reply::Empty | Reply::SessionClosed { .. }) | Err(_) => {}
        Ok(Reply::Session { .. } | Reply::SessionUpgraded { .. }) => {
            unreachable!("what concerns a session alone has no reply header")
        }
    }
}
