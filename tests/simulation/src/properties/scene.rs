//! Histories made up for the tests of the checks.

use std::collections::BTreeMap;
use std::time::Duration;

use treekeeper_protocol::{CreateMode, EventType, Stat};

use crate::history::{Answer, Applied, AppliedBatch, Connection, FinalZnode, Op, Record, What};

/// A history that is being written. Each client has one connection and one session.
#[derive(Clone, Default)]
pub(super) struct Scene {
    pub(super) records: Vec<Record>,
    at: Duration,
    xids: BTreeMap<u32, i32>,
}

/// The session of a client.
pub(super) fn session(client: u32) -> i64 {
    i64::from(client) << 32
}

pub(super) fn stat(czxid: i64, mzxid: i64) -> Stat {
    Stat {
        czxid,
        mzxid,
        pzxid: czxid,
        ..Stat::default()
    }
}

pub(super) fn znode(path: &str, data: &str, czxid: i64, mzxid: i64) -> FinalZnode {
    FinalZnode {
        path: path.to_owned(),
        data: data.to_owned(),
        stat: stat(czxid, mzxid),
    }
}

fn connection(client: u32) -> Connection {
    Connection { client, number: 1 }
}

impl Scene {
    pub(super) fn note(&mut self, what: What) {
        self.at += Duration::from_millis(1);
        self.records.push(Record { at: self.at, what });
    }

    pub(super) fn passes(&mut self, time: Duration) {
        self.at += time;
    }

    pub(super) fn connected(&mut self, client: u32) {
        self.note(What::Connected {
            connection: connection(client),
            member: 1,
            session: session(client),
            is_new: true,
            timeout_ms: 2000,
        });
    }

    pub(super) fn asked(&mut self, client: u32, op: Op) -> i32 {
        let xid = self.xids.entry(client).or_default();
        *xid += 1;
        let xid = *xid;
        self.note(What::Asked {
            connection: connection(client),
            session: session(client),
            xid,
            op,
        });
        xid
    }

    pub(super) fn told(&mut self, client: u32, xid: i32, zxid: i64, answer: Answer) {
        self.note(What::Told {
            connection: connection(client),
            xid,
            zxid,
            answer,
        });
    }

    pub(super) fn exchanged(&mut self, client: u32, op: Op, zxid: i64, answer: Answer) {
        let xid = self.asked(client, op);
        self.told(client, xid, zxid, answer);
    }

    pub(super) fn created(&mut self, client: u32, path: &str, token: &str, zxid: i64) {
        let op = Op::Create {
            path: path.to_owned(),
            mode: CreateMode::Persistent,
            token: token.to_owned(),
        };
        let answer = Answer::Created(path.to_owned(), stat(zxid, zxid));
        self.exchanged(client, op, zxid, answer);
    }

    /// Sets a znode that was created at zxid 5.
    pub(super) fn set(&mut self, client: u32, path: &str, token: &str, zxid: i64) {
        let op = Op::Set {
            path: path.to_owned(),
            version: -1,
            token: token.to_owned(),
        };
        self.exchanged(client, op, zxid, Answer::Stat(stat(5, zxid)));
    }

    pub(super) fn deleted(&mut self, client: u32, path: &str, zxid: i64) {
        let op = Op::Delete {
            path: path.to_owned(),
            version: -1,
        };
        self.exchanged(client, op, zxid, Answer::Done);
    }

    pub(super) fn event(&mut self, client: u32, kind: EventType, path: &str) {
        self.note(What::Event {
            connection: connection(client),
            zxid: 6,
            kind,
            path: path.to_owned(),
        });
    }

    /// A member applies the entry at an index; what is not said is the same everywhere.
    pub(super) fn applied(&mut self, member: u64, index: u64, edit: impl Fn(&mut Applied)) {
        let mut applied = Applied {
            member,
            incarnation: 1,
            index,
            term: 1,
            zxid: 5,
            digest: 9,
            batch: None,
        };
        edit(&mut applied);
        self.note(What::Applied(applied));
    }

    /// Member 1 applies a batch of its own, which ends at this zxid.
    pub(super) fn batch(&mut self, index: u64, zxid: i64, edit: impl Fn(&mut AppliedBatch)) {
        let mut batch = AppliedBatch {
            member: 1,
            incarnation: 1,
            number: index - 1,
            accepted: true,
            tokens: Vec::new(),
            closed: Vec::new(),
        };
        edit(&mut batch);
        self.applied(1, index, |applied| {
            applied.zxid = zxid;
            applied.batch = Some(batch.clone());
        });
    }

    /// The history, with the tree that a member ends with.
    pub(super) fn ends(mut self, member: u64, znodes: Vec<FinalZnode>) -> Vec<Record> {
        self.note(What::Final {
            member,
            members: Vec::new(),
            znodes,
        });
        self.records
    }
}
