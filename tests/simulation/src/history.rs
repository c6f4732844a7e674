//! What happened in a run, in the order in which it happened: what clients were told, and what members did.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use parking_lot::Mutex;
use treekeeper_protocol::{CreateMode, ErrorCode, EventType, Stat};

use crate::time::now;

/// What happened at a time since the run began.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub struct Record {
    /// When.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// A client's connection: who, and which one of its connections, counted from 1.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection {
    /// The client.
    pub client: u32,
    /// Its connection.
    pub number: u32,
}

/// One thing that happened.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub enum What {
    /// The run began.
    Began {
        /// How many members there are.
        members: usize,
        /// Are reads strict (`treekeeper.strictReads`)?
        strict_reads: bool,
    },
    /// A member's process started.
    Started {
        /// The member.
        member: u64,
        /// Which start.
        incarnation: u64,
    },
    /// A member's process was killed, and the power with it.
    Crashed {
        /// The member.
        member: u64,
    },
    /// A fault, in words.
    Fault(String),
    /// Something that must never happen, whatever the properties say.
    Broken(String),
    /// A member applied an entry.
    Applied(Applied),
    /// A member wrote to a client.
    Answered {
        /// The member.
        member: u64,
        /// How long ago a majority confirmed to it, or to the leader that it heard, that it leads; none if never.
        confirmed_ago: Option<Duration>,
    },
    /// A client was let in.
    Connected {
        /// Where.
        connection: Connection,
        /// The member.
        member: u64,
        /// The session.
        session: i64,
        /// Is it new?
        is_new: bool,
        /// Its time-out in ms.
        timeout_ms: i32,
    },
    /// A client was told that its session is gone.
    Expired {
        /// Who.
        client: u32,
        /// The session.
        session: i64,
    },
    /// A connection is over; what is not answered on it is unknown.
    Lost {
        /// Which.
        connection: Connection,
    },
    /// A client sent a request.
    Asked {
        /// Where.
        connection: Connection,
        /// Its session.
        session: i64,
        /// Its number.
        xid: i32,
        /// What it asks for.
        op: Op,
    },
    /// A client got a reply.
    Told {
        /// Where.
        connection: Connection,
        /// The number in the reply.
        xid: i32,
        /// The zxid in the reply.
        zxid: i64,
        /// What it says.
        answer: Answer,
    },
    /// A client got an event.
    Event {
        /// Where.
        connection: Connection,
        /// The zxid in its header.
        zxid: i64,
        /// What happened.
        kind: EventType,
        /// To which znode.
        path: String,
    },
    /// All faults have ended, and all members are there with everything applied: the tree of one of them.
    Final {
        /// The member.
        member: u64,
        /// The lines of the members, as its log says.
        members: Vec<String>,
        /// Its znodes, by path.
        znodes: Vec<FinalZnode>,
    },
}

/// A znode at the end of a run.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub struct FinalZnode {
    /// Its path.
    pub path: String,
    /// Its data.
    pub data: String,
    /// Its stat.
    pub stat: Stat,
}

/// An entry that a member applied, and what its tree was like then.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub struct Applied {
    /// The member.
    pub member: u64,
    /// Which start of its process.
    pub incarnation: u64,
    /// The entry's place in the log.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// The zxid after it.
    pub zxid: i64,
    /// The digest of the tree after it.
    pub digest: u64,
    /// The batch, if it was one.
    pub batch: Option<AppliedBatch>,
}

/// A batch in the log.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub struct AppliedBatch {
    /// The member that made it.
    pub member: u64,
    /// Which start of that member's process.
    pub incarnation: u64,
    /// Its number.
    pub number: u64,
    /// Was it the next one?
    pub accepted: bool,
    /// What clients wrote in it that can be told apart, in order.
    pub tokens: Vec<String>,
    /// The sessions that it closed.
    pub closed: Vec<Closed>,
}

/// A session that was closed.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub struct Closed {
    /// Which.
    pub session: i64,
    /// Did its client not ask for it?
    pub expired: bool,
    /// The znodes that were its own before, and are there afterwards.
    pub left: Vec<String>,
}

/// What a client asks for. Data is a token: no other write has the same.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the names of ZooKeeper's operations and their fields"
)]
pub enum Op {
    Create {
        path: String,
        mode: CreateMode,
        token: String,
    },
    Set {
        path: String,
        version: i32,
        token: String,
    },
    Delete {
        path: String,
        version: i32,
    },
    Get {
        path: String,
        watch: bool,
    },
    Exists {
        path: String,
        watch: bool,
    },
    Children {
        path: String,
        watch: bool,
    },
    Multi(Vec<Op>),
    Sync,
    Ping,
    Close,
}

/// What a reply says.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub enum Answer {
    /// It was done; there is nothing more to say.
    Done,
    /// The znode that was created.
    Created(String, Stat),
    /// The stat after a set, or of a znode that exists.
    Stat(Stat),
    /// Data and stat.
    Data(String, Stat),
    /// Children in order, and the parent's stat.
    Children(Vec<String>, Stat),
    /// The answers of a multi, one of each part.
    Multi(Vec<Answer>),
    /// An error.
    Failed(ErrorCode),
}

/// A request with what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) connection: Connection,
    pub(crate) session: i64,
    /// When it was sent: its place in the history, and the time.
    pub(crate) asked: (usize, Duration),
    pub(crate) xid: i32,
    pub(crate) op: &'a Op,
    /// Its reply; none if the outcome is unknown.
    pub(crate) told: Option<Told<'a>>,
}

/// A reply.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'a> {
    /// When it came: its place in the history, and the time.
    pub(crate) at: (usize, Duration),
    pub(crate) xid: i32,
    pub(crate) zxid: i64,
    pub(crate) answer: &'a Answer,
}

/// All requests in the order in which they were sent. A reply belongs to the first request of its connection that has
/// none.
pub(crate) fn exchanges(records: &[Record]) -> Vec<Exchange<'_>> {
    let mut exchanges: Vec<Exchange<'_>> = Vec::new();
    let mut open: BTreeMap<Connection, VecDeque<usize>> = BTreeMap::new();
    for (place, record) in records.iter().enumerate() {
        match &record.what {
            What::Asked {
                connection,
                session,
                xid,
                op,
            } => {
                open.entry(*connection)
                    .or_default()
                    .push_back(exchanges.len());
                exchanges.push(Exchange {
                    connection: *connection,
                    session: *session,
                    asked: (place, record.at),
                    xid: *xid,
                    op,
                    told: None,
                });
            }
            What::Told {
                connection,
                xid,
                zxid,
                answer,
            } => {
                let first = open.entry(*connection).or_default().pop_front();
                if let Some(exchange) = first.and_then(|first| exchanges.get_mut(first)) {
                    exchange.told = Some(Told {
                        at: (place, record.at),
                        xid: *xid,
                        zxid: *zxid,
                        answer,
                    });
                }
            }
            _ => {}
        }
    }
    exchanges
}

impl Op {
    /// Does it take a place in the order of changes?
    pub(crate) fn is_write(&self) -> bool {
        matches!(
            self,
            Op::Create { .. } | Op::Set { .. } | Op::Delete { .. } | Op::Multi(_) | Op::Close
        )
    }
}

impl<'a> Exchange<'a> {
    /// The parts of it that stand for themselves, with their answers: those of a multi, or it alone.
    pub(crate) fn parts(&self) -> Vec<(&'a Op, Option<&'a Answer>)> {
        let answer = self.told.map(|told| told.answer);
        match (self.op, answer) {
            (Op::Multi(parts), Some(Answer::Multi(answers))) => {
                parts.iter().zip(answers.iter().map(Some)).collect()
            }
            (Op::Multi(parts), answer) => parts.iter().map(|part| (part, answer)).collect(),
            (op, answer) => vec![(op, answer)],
        }
    }
}

/// Entries that were applied, each once, in the order of the log.
pub(crate) fn log(records: &[Record]) -> BTreeMap<u64, (Duration, &Applied)> {
    let mut log = BTreeMap::new();
    for record in records {
        if let What::Applied(applied) = &record.what {
            log.entry(applied.index).or_insert((record.at, applied));
        }
    }
    log
}

/// Collects what happens.
#[derive(Debug, Default)]
pub(crate) struct History {
    records: Mutex<Vec<Record>>,
}

impl History {
    /// It happens now.
    pub(crate) fn note(&self, what: What) {
        let record = Record { at: now(), what };
        self.records.lock().push(record);
    }

    /// Everything so far.
    pub(crate) fn take(&self) -> Vec<Record> {
        std::mem::take(&mut *self.records.lock())
    }
}

/// A number for a whole history: two runs that differ in anything have different ones.
#[must_use]
pub fn fingerprint(records: &[Record]) -> u64 {
    let mut hasher = DefaultHasher::new();
    records.hash(&mut hasher);
    hasher.finish()
}
