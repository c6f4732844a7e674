//! What commands do, case by case over a state in a folder of its own; every invariant is checked after each.

mod create;
mod delete;
mod events;
mod local;
mod members;
mod model;
mod multi;
mod order;
mod quota;
mod remove_expired;
mod session;
mod set_acl;
mod set_data;

use bytes::Bytes;
use tempfile::TempDir;
use treekeeper_protocol::{
    Acl, CheckRequest, CreateKind, CreateMode, CreateRequest, DeleteRequest, ErrorCode,
    MultiRequest, OpResult, Request, SetAclRequest, SetDataRequest, Stat,
};

use super::*;
use crate::auth::Identity;
use crate::config::ReplicatedSettings;
use crate::tree::Znode;
use crate::watch::Change;

const CACHE_BYTES: u64 = 1 << 20;
const TIMEOUT_MS: i32 = 4000;

/// A state, and the session that speaks unless another is named.
struct Fixture {
    state: State,
    /// Changes of the last command.
    changes: Vec<Change>,
    term: u64,
    time_ms: i64,
    session: i64,
    _dir: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(dir.path(), CACHE_BYTES).unwrap();
        let mut fixture = Self {
            state,
            changes: Vec::new(),
            term: 1,
            time_ms: 1_700_000_000_000,
            session: 0,
            _dir: dir,
        };
        let formed = fixture.run(&Command::Form {
            cluster_id: 7,
            secret: [9; 32],
        });
        assert_eq!(formed, None);
        fixture.session = fixture.open_session();
        fixture
    }

    /// With these znodes, persistent and open to everyone.
    fn with(paths: &[&str]) -> Self {
        let mut fixture = Self::new();
        for path in paths {
            fixture.done(create(path));
        }
        fixture
    }

    fn run(&mut self, command: &Command) -> Option<Outcome> {
        let outcome = execute(&mut self.state, self.term, self.time_ms, command).unwrap();
        self.changes = self.state.take_changes().collect();
        self.state.validate().unwrap();
        outcome
    }

    fn open_session(&mut self) -> i64 {
        let outcome = self.run(&Command::OpenSession {
            timeout_ms: TIMEOUT_MS,
        });
        match outcome.unwrap().result {
            Ok(Reply::Session { id, .. }) => id,
            other => panic!("{other:?}"),
        }
    }

    fn settings(&mut self, change: impl FnOnce(&mut ReplicatedSettings)) {
        let mut settings = self.state.meta.settings;
        change(&mut settings);
        assert_eq!(self.run(&Command::Settings(settings)), None);
    }

    /// What the fixture's session gets for a request.
    fn ask(&mut self, request: impl Into<Asked>) -> Result<Reply, ErrorCode> {
        self.ask_as(self.session, &[], request)
    }

    fn ask_as(
        &mut self,
        session: i64,
        identities: &[Identity],
        request: impl Into<Asked>,
    ) -> Result<Reply, ErrorCode> {
        let generation = self.state.sessions[&session].generation;
        let command = write(session, generation, identities, request);
        let outcome = self.run(&command).unwrap();
        assert_eq!(
            outcome.zxid, self.state.meta.zxid,
            "the reply names its own zxid"
        );
        outcome.result
    }

    fn done(&mut self, request: impl Into<Asked>) -> Reply {
        let request = request.into();
        self.ask(request.clone())
            .unwrap_or_else(|code| panic!("{code:?} for {:?}", request.0))
    }

    fn refused(&mut self, request: impl Into<Asked>) -> ErrorCode {
        let request = request.into();
        let code = self.ask(request.clone()).err();
        assert_eq!(self.changes(), [""; 0], "nobody hears of a refused write");
        code.unwrap_or_else(|| panic!("{:?} was done", request.0))
    }

    /// Asks for each; all of them must be refused with the code beside them.
    fn refuses(&mut self, cases: Vec<(&str, Asked, ErrorCode)>) {
        for (case, request, code) in cases {
            assert_eq!(self.refused(request), code, "{case}");
        }
    }

    fn created(&mut self, request: impl Into<Asked>) -> String {
        match self.done(request) {
            Reply::Created { path } | Reply::CreatedWithStat { path, .. } => path,
            other => panic!("{other:?}"),
        }
    }

    fn results(&mut self, ops: Vec<Asked>) -> Vec<OpResult> {
        match self.done(multi(ops)) {
            Reply::Multi(results) => results,
            other => panic!("{other:?}"),
        }
    }

    fn znode(&self, path: &str) -> Znode {
        let znode = self.state.tree.get(path).unwrap();
        znode
            .unwrap_or_else(|| panic!("{path} does not exist"))
            .as_ref()
            .clone()
    }

    fn stat(&self, path: &str) -> Stat {
        self.znode(path).stat()
    }

    fn data(&self, path: &str) -> String {
        let data = self.znode(path).data.unwrap();
        String::from_utf8(data.to_vec()).unwrap()
    }

    fn exists(&self, path: &str) -> bool {
        self.state.tree.get(path).unwrap().is_some()
    }

    /// What watchers hear of the last command.
    fn changes(&self) -> Vec<String> {
        let line = |change: &Change| format!("{:?} {}", change.event, change.path);
        self.changes.iter().map(line).collect()
    }
}

/// A request to be sent, so that a record stands for the request it belongs to.
#[derive(Debug, Clone)]
struct Asked(Request);

impl From<Request> for Asked {
    fn from(request: Request) -> Self {
        Self(request)
    }
}

impl From<CreateRequest> for Asked {
    fn from(request: CreateRequest) -> Self {
        Self(Request::Create(request))
    }
}

fn write(
    session: i64,
    generation: u32,
    identities: &[Identity],
    request: impl Into<Asked>,
) -> Command {
    Command::Client {
        session,
        generation,
        identities: identities.into(),
        request: request.into().0,
    }
}

fn create(path: &str) -> CreateRequest {
    CreateRequest {
        kind: CreateKind::Create,
        path: path.to_owned(),
        data: Some(Bytes::new()),
        acl: Some(Acl::world_anyone_all()),
        flags: CreateMode::Persistent.flags(),
        ttl: 0,
    }
}

fn create_as(mode: CreateMode, path: &str) -> CreateRequest {
    CreateRequest {
        flags: mode.flags(),
        ..create(path)
    }
}

fn ephemeral(path: &str) -> CreateRequest {
    create_as(CreateMode::Ephemeral, path)
}

fn sequential(path: &str) -> CreateRequest {
    create_as(CreateMode::PersistentSequential, path)
}

fn container(path: &str) -> CreateRequest {
    CreateRequest {
        kind: CreateKind::Container,
        ..create_as(CreateMode::Container, path)
    }
}

fn ttl(path: &str, ttl_ms: i64) -> CreateRequest {
    CreateRequest {
        kind: CreateKind::Ttl,
        ttl: ttl_ms,
        ..create_as(CreateMode::PersistentTtl, path)
    }
}

fn with_acl(request: CreateRequest, acl: Vec<Acl>) -> CreateRequest {
    CreateRequest {
        acl: Some(acl),
        ..request
    }
}

fn with_data(request: CreateRequest, data: &str) -> CreateRequest {
    CreateRequest {
        data: Some(Bytes::copy_from_slice(data.as_bytes())),
        ..request
    }
}

fn delete(path: &str, version: i32) -> Asked {
    let path = path.to_owned();
    Asked(Request::Delete(DeleteRequest { path, version }))
}

fn set_data(path: &str, data: &str, version: i32) -> Asked {
    Asked(Request::SetData(SetDataRequest {
        path: path.to_owned(),
        data: Some(Bytes::copy_from_slice(data.as_bytes())),
        version,
    }))
}

fn set_acl(path: &str, acl: Vec<Acl>, version: i32) -> Asked {
    Asked(Request::SetAcl(SetAclRequest {
        path: path.to_owned(),
        acl: Some(acl),
        version,
    }))
}

fn check(path: &str, version: i32) -> Asked {
    let path = path.to_owned();
    Asked(Request::CheckVersion(CheckRequest { path, version }))
}

fn multi(ops: Vec<Asked>) -> Asked {
    let ops = ops.into_iter().map(|op| op.0).collect();
    Asked(Request::Multi(MultiRequest { ops }))
}

/// An ACL that gives everyone these permissions.
fn world(perms: i32) -> Vec<Acl> {
    vec![Acl::new(perms, "world", "anyone")]
}

fn ann() -> Identity {
    Identity {
        scheme: "digest".to_owned(),
        id: "ann:hash".to_owned(),
    }
}

/// The ACL under which only [`ann`] may do anything.
fn ann_only() -> Vec<Acl> {
    vec![Acl::new(
        treekeeper_protocol::perms::ALL,
        "digest",
        "ann:hash",
    )]
}
