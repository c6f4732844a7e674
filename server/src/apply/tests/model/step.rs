//! What happens in a history, before it is known to which znodes and sessions.

use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::Index;
use treekeeper_protocol::{
    Acl, CheckRequest, CreateKind, CreateRequest, DeleteRequest, MultiRequest, Request,
    SetAclRequest, SetDataRequest, perms,
};

use super::super::{Command, ReplicatedSettings, ann, world};
use super::member::Entry;
use super::reference::Reference;

/// Paths that a step may name, the impossible ones among them.
pub(super) const PATHS: [&str; 12] = [
    "/a",
    "/a/b",
    "/a/b/c",
    "/ab",
    "/d",
    "/d/e",
    "/d/e/f",
    "/a/",
    "/",
    "a",
    "/zookeeper/config",
    "/zookeeper",
];
pub(super) const LIMITS: &str = "/zookeeper/quota/a/zookeeper_limits";
pub(super) const STATS: &str = "/zookeeper/quota/a/zookeeper_stats";
pub(super) const QUOTA_FOLDER: &str = "/zookeeper/quota/a";
pub(super) const HARD_COUNT: i64 = 4;
pub(super) const HARD_BYTES: i64 = 12;
/// Never becomes global; those behind it do.
const LOCAL_SESSION: i64 = 1 << 62;

#[derive(Debug, Clone)]
pub(super) enum Step {
    Command(Timed),
    Disk { member: bool, disk: Disk },
}

/// What happens to one member alone.
#[derive(Debug, Clone, Copy)]
pub(super) enum Disk {
    Freeze,
    Write,
    Crash,
    Restart,
}

#[derive(Debug, Clone)]
pub(super) struct Timed {
    /// Time since the last command; clocks may go back.
    passed_ms: i64,
    new_term: bool,
    action: Action,
}

#[derive(Debug, Clone)]
enum Action {
    Open,
    Reopen(Index),
    Close {
        session: Index,
        stale: bool,
        late: bool,
    },
    Write {
        session: Index,
        stale: bool,
        write: Write,
    },
    /// By a session that only its member knows.
    LocalWrite(Write),
    /// Such a session becomes known to all; at times one that is known already.
    Upgrade(i64),
    RemoveExpired {
        target: Target,
        changed: bool,
    },
    Enforce(bool),
}

#[derive(Debug, Clone)]
enum Write {
    One(Op),
    Multi(Vec<Op>),
    /// Sets a quota on /a if there is none, and takes it away if there is.
    ToggleQuota,
    CloseSession,
}

#[derive(Debug, Clone)]
enum Op {
    Create {
        kind: CreateKind,
        flags: i32,
        ttl: i64,
        target: Target,
        data: Option<Vec<u8>>,
        access: Access,
    },
    Delete(Target, i32),
    SetData(Target, Option<Vec<u8>>, i32),
    SetAcl(Target, Access, i32),
    Check(Target, i32),
}

#[derive(Debug, Clone)]
enum Target {
    Named(usize),
    /// One that exists, sequential ones among them.
    Existing(Index),
}

/// The ACLs that clients give.
#[derive(Debug, Clone, Copy)]
enum Access {
    Open,
    ReadOnly,
    Creator,
    Nothing,
}

impl Target {
    fn at(&self, reference: &Reference) -> String {
        match self {
            Self::Named(at) => PATHS[*at].to_owned(),
            Self::Existing(index) => {
                let paths = reference.ordinary_paths();
                paths
                    .get(index.index(paths.len().max(1)))
                    .map_or_else(|| "/a".to_owned(), |path| (*path).to_owned())
            }
        }
    }
}

impl Access {
    fn acl(self) -> Vec<Acl> {
        match self {
            Self::Open => Acl::world_anyone_all(),
            Self::ReadOnly => world(perms::READ | perms::ADMIN),
            Self::Creator => Acl::creator_all(),
            Self::Nothing => Vec::new(),
        }
    }
}

impl Op {
    fn at(&self, reference: &Reference) -> Request {
        let bytes = |data: &Option<Vec<u8>>| data.clone().map(Bytes::from);
        match self {
            Self::Create {
                kind,
                flags,
                ttl,
                target,
                data,
                access,
            } => Request::Create(CreateRequest {
                kind: *kind,
                path: target.at(reference),
                data: bytes(data),
                acl: Some(access.acl()),
                flags: *flags,
                ttl: if *kind == CreateKind::Ttl { *ttl } else { 0 },
            }),
            Self::Delete(target, version) => Request::Delete(DeleteRequest {
                path: target.at(reference),
                version: *version,
            }),
            Self::SetData(target, data, version) => Request::SetData(SetDataRequest {
                path: target.at(reference),
                data: bytes(data),
                version: *version,
            }),
            Self::SetAcl(target, access, version) => Request::SetAcl(SetAclRequest {
                path: target.at(reference),
                acl: Some(access.acl()),
                version: *version,
            }),
            Self::Check(target, version) => Request::CheckVersion(CheckRequest {
                path: target.at(reference),
                version: *version,
            }),
        }
    }
}

impl Write {
    fn at(&self, reference: &Reference) -> Request {
        match self {
            Self::One(op) => op.at(reference),
            Self::Multi(ops) => Request::Multi(MultiRequest {
                ops: ops.iter().map(|op| op.at(reference)).collect(),
            }),
            Self::ToggleQuota => Request::Multi(MultiRequest {
                ops: toggle_quota(reference),
            }),
            Self::CloseSession => Request::CloseSession,
        }
    }
}

fn toggle_quota(reference: &Reference) -> Vec<Request> {
    let limits = format!("count=1,bytes=1=;byteHardLimit={HARD_BYTES};countHardLimit={HARD_COUNT}");
    let create = |path: &str, data: &str| {
        Request::Create(CreateRequest {
            data: Some(Bytes::copy_from_slice(data.as_bytes())),
            ..super::super::create(path)
        })
    };
    let delete = |path: &str| {
        Request::Delete(DeleteRequest {
            path: path.to_owned(),
            version: -1,
        })
    };
    if reference.quotas().is_empty() {
        vec![
            create(QUOTA_FOLDER, ""),
            create(LIMITS, &limits),
            create(STATS, ""),
        ]
    } else {
        vec![delete(STATS), delete(LIMITS), delete(QUOTA_FOLDER)]
    }
}

impl Timed {
    /// The log entry that this becomes, now that everything before it has happened.
    pub(super) fn at(&self, reference: &Reference) -> Entry {
        // A session that was never opened stands beside those that are open.
        let session = |index: &Index| {
            let mut sessions = reference.sessions();
            sessions.push((77, 0));
            sessions[index.index(sessions.len())]
        };
        let command = if reference.is_formed() {
            match &self.action {
                Action::Open => Command::OpenSession { timeout_ms: 4000 },
                Action::Reopen(index) => Command::ReopenSession {
                    session: session(index).0,
                    timeout_ms: 5000,
                },
                Action::Close {
                    session: index,
                    stale,
                    late,
                } => {
                    let (session, generation) = session(index);
                    Command::CloseSession {
                        session,
                        generation: generation + u32::from(*stale),
                        // What an earlier leader decided comes too late.
                        term: (reference.term + u64::from(self.new_term))
                            .wrapping_sub(u64::from(*late)),
                    }
                }
                Action::Write {
                    session: index,
                    stale,
                    write,
                } => {
                    let (session, generation) = session(index);
                    // Every other session is ann's.
                    let identities = if session % 2 == 0 {
                        vec![ann()]
                    } else {
                        Vec::new()
                    };
                    Command::Client {
                        session,
                        generation: generation + u32::from(*stale),
                        identities: identities.into(),
                        request: write.at(reference),
                    }
                }
                Action::LocalWrite(write) => Command::LocalClient {
                    session: LOCAL_SESSION,
                    identities: [ann()].into(),
                    request: write.at(reference),
                },
                Action::Upgrade(more) => Command::UpgradeSession {
                    session: LOCAL_SESSION + more,
                    timeout_ms: 3000,
                },
                Action::RemoveExpired { target, changed } => {
                    let path = target.at(reference);
                    let (czxid, mzxid) = reference
                        .znodes()
                        .get(&path)
                        .map_or((0, 0), |znode| (znode.czxid, znode.mzxid));
                    Command::RemoveExpired {
                        path,
                        czxid,
                        mzxid: mzxid - i64::from(*changed),
                    }
                }
                Action::Enforce(enforce_quota) => Command::Settings(ReplicatedSettings {
                    enforce_quota: *enforce_quota,
                    ..ReplicatedSettings::default()
                }),
            }
        } else {
            Command::Form {
                cluster_id: 7,
                secret: [9; 32],
            }
        };
        Entry {
            term: reference.term + u64::from(self.new_term),
            time_ms: reference.time_ms + self.passed_ms,
            command,
        }
    }
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let command = (-5..20_i64, prop::bool::weighted(0.05), action()).prop_map(
        |(passed_ms, new_term, action)| {
            Step::Command(Timed {
                passed_ms,
                new_term,
                action,
            })
        },
    );
    let disk = prop_oneof![3 => Just(Disk::Freeze), 3 => Just(Disk::Write), 1 => Just(Disk::Crash), 1 => Just(Disk::Restart)];
    let disk = (any::<bool>(), disk).prop_map(|(member, disk)| Step::Disk { member, disk });
    // The first command forms the ensemble, whatever it is to be.
    let opening = Step::Command(Timed {
        passed_ms: 1,
        new_term: true,
        action: Action::Open,
    });
    prop::collection::vec(prop_oneof![6 => command, 1 => disk], 1..80)
        .prop_map(move |steps| [vec![opening.clone(); 3], steps].concat())
}

fn action() -> impl Strategy<Value = Action> {
    let stale = || prop::bool::weighted(0.1);
    prop_oneof![
        3 => Just(Action::Open),
        1 => any::<Index>().prop_map(Action::Reopen),
        1 => (any::<Index>(), stale(), stale()).prop_map(|(session, stale, late)| Action::Close { session, stale, late }),
        24 => (any::<Index>(), stale(), write()).prop_map(|(session, stale, write)| Action::Write { session, stale, write }),
        3 => write().prop_map(Action::LocalWrite),
        1 => (1..4_i64).prop_map(Action::Upgrade),
        2 => (target(), stale()).prop_map(|(target, changed)| Action::RemoveExpired { target, changed }),
        1 => any::<bool>().prop_map(Action::Enforce),
    ]
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        20 => op().prop_map(Write::One),
        6 => prop::collection::vec(part(), 0..6).prop_map(Write::Multi),
        2 => Just(Write::ToggleQuota),
        1 => Just(Write::CloseSession),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let set_acl = (target(), access(), version())
        .prop_map(|(target, access, version)| Op::SetAcl(target, access, version));
    prop_oneof![10 => part(), 1 => set_acl]
}

/// What may stand in a multi.
fn part() -> impl Strategy<Value = Op> {
    prop_oneof![
        10 => create(),
        5 => (target(), version()).prop_map(|(target, version)| Op::Delete(target, version)),
        4 => (target(), data(), version())
            .prop_map(|(target, data, version)| Op::SetData(target, data, version)),
        1 => (target(), version()).prop_map(|(target, version)| Op::Check(target, version)),
    ]
}

fn create() -> impl Strategy<Value = Op> {
    let kind = prop_oneof![
        3 => Just(CreateKind::Create),
        2 => Just(CreateKind::Create2),
        1 => Just(CreateKind::Container),
        1 => Just(CreateKind::Ttl),
    ];
    let flags = prop_oneof![4 => Just(0), 3 => Just(1), 2 => Just(2), 2 => Just(3), 1 => 4..8];
    let ttl_flags = prop_oneof![5 => 5..7, 1 => 0..5];
    let ttl = prop_oneof![5 => 1..100_i64, 1 => Just(0)];
    (kind, flags, ttl_flags, ttl, target(), data(), access()).prop_map(
        |(kind, flags, ttl_flags, ttl, target, data, access)| Op::Create {
            kind,
            flags: if kind == CreateKind::Ttl {
                ttl_flags
            } else {
                flags
            },
            ttl,
            target,
            data,
            access,
        },
    )
}

fn data() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop::option::weighted(0.8, prop::collection::vec(any::<u8>(), 0..6))
}

fn access() -> impl Strategy<Value = Access> {
    prop_oneof![
        12 => Just(Access::Open),
        1 => Just(Access::ReadOnly),
        2 => Just(Access::Creator),
        1 => Just(Access::Nothing),
    ]
}

fn version() -> impl Strategy<Value = i32> {
    prop_oneof![3 => Just(-1), 2 => 0..3]
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        3 => (0..7_usize).prop_map(Target::Named),
        1 => (0..PATHS.len()).prop_map(Target::Named),
        2 => any::<Index>().prop_map(Target::Existing),
    ]
}
