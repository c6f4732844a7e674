//! Commands on their way into the log: batched, numbered without gaps, and matched with who waits for them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use treekeeper_protocol::OpCode;

use super::Clock;
use crate::apply::{BatchWriter, Command};
use crate::auth::Identities;
use crate::connection::{Connection, Turn};

/// Commands in one log entry, the ephemerals of closed sessions counted too: apply holds the publish lock for no longer
/// than they take.
const BATCH_COMMANDS_MAX: usize = 256;
/// Bytes of one log entry after which the next one begins; a single request may be larger.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Entries of this member on their way at once; from the third on only full ones. While one is synced the one before
/// is applied, and whatever comes meanwhile makes the next: batches grow with the load, and nobody waits for a timer.
const ENTRIES_IN_FLIGHT_MAX: usize = 8;
/// A second entry is worth a sync of its own while the first is on its way when it has the first one's commands
/// divided by this: 50 clients with one write each got 59 k/s with such a rule, and 53 k/s without.
const SECOND_ENTRY_DIVISOR: usize = 2;
/// And at least so many: a sync for one or two beside a sync for one costs everybody more than they gain. 8 clients with
/// a multi each got 12 k/s, and 6 k/s without.
const SECOND_ENTRY_MIN: usize = 8;

/// Who waits for a command.
#[derive(Debug)]
pub enum Origin {
    /// A client's write.
    Write(Arc<Connection>, Turn),
    /// A handshake.
    Handshake(Arc<Connection>),
    /// A local session that becomes global, for the write behind it.
    Upgrade(Arc<Connection>),
    /// The server itself, which goes on once the command is applied.
    Start(oneshot::Sender<()>),
    /// Nobody: a timer. What it may have on its way is bounded by what it gives along, until the command is applied.
    Timer(Option<OwnedSemaphorePermit>),
}

/// A client's write, as its connection received it.
#[derive(Debug)]
pub struct Write {
    /// Its place among the connection's replies.
    pub turn: Turn,
    /// As what its session sends it.
    pub standing: Standing,
    /// The operation.
    pub op: OpCode,
    /// Its body, decoded once already.
    pub body: Bytes,
    /// Who the connection was when it sent it.
    pub identities: Identities,
}

/// What a session is to the ensemble when it sends a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A session that all members know, in this generation.
    Global(u32),
    /// One that only this member knows, in this generation.
    Local(u32),
    /// One that only this member knew, in this generation: it becomes global right before this write.
    Upgrading {
        /// Its generation as a local session; as a global one it begins with 0.
        generation: u32,
        /// Its time-out, in ms.
        timeout_ms: i32,
    },
}

/// Takes commands, and hands them to consensus in the order in which they came.
pub struct Proposer {
    inner: Mutex<Inner>,
    clock: Clock,
    send: OnceLock<Send>,
    /// Commands taken and not yet applied.
    outstanding: AtomicUsize,
}

/// Hands an entry to consensus; must keep the order of its calls.
type Send = Box<dyn Fn(Bytes) + std::marker::Send + Sync>;

struct Inner {
    member: u64,
    incarnation: u64,
    /// Number of the last batch that was sent.
    number: u64,
    last_ms: i64,
    /// Full batches, and the one being filled.
    sealed: VecDeque<Waiting>,
    open: Waiting,
    /// The batches that were sent and not yet applied, in order.
    in_flight: VecDeque<Sent>,
}

/// A batch on its way.
struct Sent {
    number: u64,
    /// Who waits for it.
    origins: Vec<Origin>,
    bytes: Bytes,
}

/// A batch that is not sent yet.
#[derive(Default)]
struct Waiting {
    writer: BatchWriter,
    origins: Vec<Origin>,
    /// What apply will have to do, in commands.
    work: usize,
}

impl Proposer {
    /// Takes commands at once; sends them from [`Self::connect`] on.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let inner = Inner {
            member: 0,
            incarnation: 0,
            number: 0,
            last_ms: 0,
            sealed: VecDeque::new(),
            open: Waiting::default(),
            in_flight: VecDeque::new(),
        };
        Self {
            inner: Mutex::new(inner),
            clock,
            send: OnceLock::new(),
            outstanding: AtomicUsize::new(0),
        }
    }

    /// Connects it to consensus, as this start of this member. The first batch, number 0, registers it.
    pub fn connect(
        &self,
        member: u64,
        incarnation: u64,
        send: impl Fn(Bytes) + std::marker::Send + Sync + 'static,
    ) {
        let registration = {
            let mut inner = self.inner.lock();
            inner.member = member;
            inner.incarnation = incarnation;
            let bytes = BatchWriter::default().finish(member, incarnation, 0, self.clock.wall_ms());
            inner.in_flight.push_back(Sent {
                number: 0,
                origins: Vec::new(),
                bytes: bytes.clone(),
            });
            bytes
        };
        assert!(
            self.send.set(Box::new(send)).is_ok(),
            "a proposer is connected once"
        );
        self.send(registration);
        self.send_next(&mut self.inner.lock());
    }

    /// Proposes a connection's writes, in their order.
    pub fn writes(&self, connection: &Arc<Connection>, session: i64, writes: &mut Vec<Write>) {
        self.outstanding.fetch_add(writes.len(), Ordering::Relaxed);
        let mut inner = self.inner.lock();
        for write in writes.drain(..) {
            let generation = match write.standing {
                Standing::Global(generation) => Some(generation),
                Standing::Local(_) => None,
                Standing::Upgrading { timeout_ms, .. } => {
                    self.outstanding.fetch_add(1, Ordering::Relaxed);
                    let batch = inner.room();
                    batch.work += 1;
                    batch.writer.push(&Command::UpgradeSession {
                        session,
                        timeout_ms,
                    });
                    batch.origins.push(Origin::Upgrade(Arc::clone(connection)));
                    Some(0)
                }
            };
            let batch = inner.room();
            batch.work += 1;
            let (identities, op, body) = (&write.identities, write.op, &write.body);
            match generation {
                Some(generation) => batch
                    .writer
                    .client(session, generation, identities, op, body),
                None => batch.writer.local_client(session, identities, op, body),
            }
            let origin = Origin::Write(Arc::clone(connection), write.turn);
            batch.origins.push(origin);
        }
        self.send_next(&mut inner);
    }

    /// Proposes one command of the server itself.
    pub fn command(&self, command: &Command, origin: Origin) {
        self.large_command(command, origin, 1);
    }

    /// The same for one that is as much work for apply as `work` others.
    pub fn large_command(&self, command: &Command, origin: Origin, work: usize) {
        self.outstanding.fetch_add(1, Ordering::Relaxed);
        let mut inner = self.inner.lock();
        let batch = inner.room();
        batch.work += work;
        batch.writer.push(command);
        batch.origins.push(origin);
        self.send_next(&mut inner);
    }

    /// A batch of this start of this member was applied: who waits for it. The next one is sent.
    pub fn applied(&self, number: u64) -> Vec<Origin> {
        let mut inner = self.inner.lock();
        let origins = match inner.in_flight.pop_front() {
            Some(first) => {
                assert_eq!(
                    first.number, number,
                    "batches of one origin are applied in order, without gaps"
                );
                first.origins
            }
            None => panic!("batch {number} was never sent"),
        };
        self.outstanding.fetch_sub(origins.len(), Ordering::Relaxed);
        self.send_next(&mut inner);
        origins
    }

    /// Sends everything again that was sent and is not applied: another member leads, or something was refused. Apply
    /// drops what it has applied already.
    pub fn send_again(&self) {
        let inner = self.inner.lock();
        for sent in &inner.in_flight {
            self.send(sent.bytes.clone());
        }
    }

    /// Batches up to this number were applied by another member, whose tree this one has now: nobody can be told their
    /// outcome.
    pub fn applied_elsewhere(&self, member: u64, incarnation: u64, last: u64) {
        let mut inner = self.inner.lock();
        if (inner.member, inner.incarnation) != (member, incarnation) {
            return;
        }
        while inner
            .in_flight
            .front()
            .is_some_and(|sent| sent.number <= last)
        {
            let Some(sent) = inner.in_flight.pop_front() else {
                break;
            };
            self.outstanding
                .fetch_sub(sent.origins.len(), Ordering::Relaxed);
            for origin in sent.origins {
                match origin {
                    Origin::Write(connection, _)
                    | Origin::Handshake(connection)
                    | Origin::Upgrade(connection) => connection.close(),
                    Origin::Start(started) => drop(started.send(())),
                    Origin::Timer(_) => {}
                }
            }
        }
        self.send_next(&mut inner);
    }

    /// Number of the oldest batch on its way.
    #[must_use]
    pub fn oldest(&self) -> Option<u64> {
        self.inner.lock().in_flight.front().map(|sent| sent.number)
    }

    /// Is a batch one of this start of this member?
    #[must_use]
    pub fn is_own(&self, member: u64, incarnation: u64) -> bool {
        let inner = self.inner.lock();
        (inner.member, inner.incarnation) == (member, incarnation)
    }

    /// Commands taken and not yet applied.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Relaxed)
    }

    fn send_next(&self, inner: &mut Inner) {
        if self.send.get().is_none() {
            return;
        }
        while inner.in_flight.len() < ENTRIES_IN_FLIGHT_MAX {
            let Some(Waiting {
                writer, origins, ..
            }) = inner.take()
            else {
                return;
            };
            inner.number += 1;
            inner.last_ms = inner.last_ms.max(self.clock.wall_ms());
            let bytes = writer.finish(inner.member, inner.incarnation, inner.number, inner.last_ms);
            inner.in_flight.push_back(Sent {
                number: inner.number,
                origins,
                bytes: bytes.clone(),
            });
            // Under the lock: the order of numbers is the order of proposals.
            self.send(bytes);
        }
    }

    fn send(&self, bytes: Bytes) {
        (self.send.get().expect("it is connected"))(bytes);
    }
}

impl Inner {
    /// The batch to put the next command into.
    fn room(&mut self) -> &mut Waiting {
        if self.open.work >= BATCH_COMMANDS_MAX || self.open.writer.bytes() >= BATCH_BYTES_MAX {
            self.sealed.push_back(std::mem::take(&mut self.open));
        }
        &mut self.open
    }

    /// The next batch, if it is worth an entry now.
    fn take(&mut self) -> Option<Waiting> {
        let full = self.sealed.pop_front();
        full.or_else(|| {
            let enough = match (self.in_flight.len(), self.in_flight.front()) {
                (1, Some(first)) => {
                    (first.origins.len() / SECOND_ENTRY_DIVISOR).max(SECOND_ENTRY_MIN)
                }
                (0, _) => 1,
                _ => BATCH_COMMANDS_MAX,
            };
            (self.open.writer.len() >= enough).then(|| std::mem::take(&mut self.open))
        })
    }
}
