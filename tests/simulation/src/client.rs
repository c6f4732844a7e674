//! A client: sessions, writes, reads and watches over the real wire protocol, and moves between members.
//!
//! It keeps one connection at a time and sends a few requests together. Whatever it was told goes into the history; what
//! it was not told stays unknown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use openraft::AsyncRuntime;
use openraft_rt_sim::SimRuntime;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use treekeeper_protocol::encode::{begin_frame, end_frame};
use treekeeper_protocol::frame::split_frame;
use treekeeper_protocol::response::{
    Create2Response, GetChildren2Response, GetDataResponse, StatResponse,
};
use treekeeper_protocol::{
    Acl, ConnectRequest, ConnectResponse, CreateKind, CreateMode, CreateRequest, DeleteRequest,
    ErrorCode, MultiRequest, OpResult, PASSWORD_LEN, ReadRequest, ReplyHeader, Request,
    RequestHeader, SetDataRequest, SyncRequest, WatcherEvent, xid,
};

use crate::history::{Answer, Connection, Op, What};
use crate::member::{SESSION_TIMEOUT_MS_MIN, connect};
use crate::time::now;
use crate::world::World;

/// Bytes of the largest frame that a client takes.
const FRAME_BYTES_MAX: usize = 1 << 20;
/// How long a client waits for the next frame.
const ANSWER_MAX: Duration = Duration::from_millis(1200);
/// Requests sent together at most.
const TOGETHER_MAX: usize = 5;
/// Znodes that all clients write.
const REGISTERS: u32 = 3;

/// A session as its client knows it.
#[derive(Clone)]
struct Session {
    id: i64,
    password: [u8; PASSWORD_LEN],
    timeout_ms: i32,
}

/// A client and what it remembers.
pub(crate) struct Client {
    world: Arc<World>,
    number: u32,
    rng: StdRng,
    session: Option<Session>,
    /// The highest zxid that it has seen.
    seen: i64,
    connections: u32,
    tokens: u32,
    /// Versions that it has seen, for conditional writes.
    versions: BTreeMap<String, i32>,
}

/// An open stream and what was asked on it.
struct Link {
    connection: Connection,
    stream: DuplexStream,
    received: BytesMut,
    session: i64,
    next_xid: i32,
    /// Operations without a reply, in order.
    open: Vec<(i32, Op)>,
}

/// The stream has ended, or nothing came.
struct Over;

impl Client {
    pub(crate) fn new(world: Arc<World>, number: u32, seed: u64) -> Self {
        Self {
            world,
            number,
            rng: StdRng::seed_from_u64(seed.wrapping_mul(1009).wrapping_add(number.into())),
            session: None,
            seen: 0,
            connections: 0,
            tokens: 0,
            versions: BTreeMap::new(),
        }
    }

    /// Comes and goes until the time has come.
    pub(crate) async fn run(mut self, until: Duration) {
        while now() < until {
            self.visit(until).await;
            let pause = self.rng.random_range(1..100);
            SimRuntime::sleep(Duration::from_millis(pause)).await;
        }
    }

    /// One connection from its beginning to its end.
    async fn visit(&mut self, until: Duration) {
        let members: Vec<u64> = self.world.member_ids().into_iter().collect();
        let Some(member) = members.choose(&mut self.rng).copied() else {
            return;
        };
        let Some(stream) = connect(&self.world, member, self.number) else {
            return;
        };
        self.connections += 1;
        let mut link = Link {
            connection: Connection {
                client: self.number,
                number: self.connections,
            },
            stream,
            received: BytesMut::new(),
            session: 0,
            next_xid: 1,
            open: Vec::new(),
        };
        let connection = link.connection;
        if self.greet(&mut link, member).await.is_ok() {
            // However it ends.
            let _: Result<(), Over> = self.talk(&mut link, until).await;
        }
        self.note(What::Lost { connection });
    }

    async fn greet(&mut self, link: &mut Link, member: u64) -> Result<(), Over> {
        let wanted = SESSION_TIMEOUT_MS_MIN * self.rng.random_range(1..=2);
        let known = self.session.clone();
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: self.seen,
            timeout_ms: wanted,
            session_id: known.as_ref().map_or(0, |session| session.id),
            password: known
                .as_ref()
                .map(|session| Bytes::copy_from_slice(&session.password)),
            read_only: Some(false),
        };
        let mut out = BytesMut::new();
        let start = begin_frame(&mut out);
        request.encode(&mut out);
        end_frame(&mut out, start);
        link.send(&out).await?;
        let frame = link.receive(ANSWER_MAX).await?;
        let response = ConnectResponse::decode(&frame).map_err(|_| Over)?;
        if response.session_id == 0 {
            if let Some(lost) = self.session.take() {
                self.note(What::Expired {
                    client: self.number,
                    session: lost.id,
                });
            }
            return Err(Over);
        }
        link.session = response.session_id;
        self.note(What::Connected {
            connection: link.connection,
            member,
            session: response.session_id,
            is_new: known.is_none(),
            timeout_ms: response.timeout_ms,
        });
        self.session = Some(Session {
            id: response.session_id,
            password: response.password,
            timeout_ms: response.timeout_ms,
        });
        Ok(())
    }

    async fn talk(&mut self, link: &mut Link, until: Duration) -> Result<(), Over> {
        while now() < until {
            let together = self.rng.random_range(1..=TOGETHER_MAX);
            let mut out = BytesMut::new();
            for _ in 0..together {
                let op = self.choose();
                let closes = op == Op::Close;
                self.ask(link, op, &mut out);
                if closes {
                    break;
                }
            }
            SimRuntime::sleep(Duration::from_micros(self.rng.random_range(50..2000))).await;
            link.send(&out).await?;
            if self.rng.random_ratio(1, 60) {
                // It goes without waiting for an answer.
                return Err(Over);
            }
            while !link.open.is_empty() {
                self.receive(link, ANSWER_MAX).await?;
            }
            if self.session.is_none() {
                return Ok(());
            }
            self.pause(link).await?;
        }
        Ok(())
    }

    /// Says nothing for a while: mostly not for long.
    async fn pause(&mut self, link: &mut Link) -> Result<(), Over> {
        let timeout_ms = self
            .session
            .as_ref()
            .map_or(0, |session| session.timeout_ms);
        let timeout_ms = u64::from(timeout_ms.unsigned_abs());
        let pause_ms = match self.rng.random_range(0..100) {
            // So long that the session expires.
            0..3 => timeout_ms * 2 + self.rng.random_range(0..3000),
            3..6 => return Err(Over),
            6..30 => 0,
            _ => self.rng.random_range(0..timeout_ms / 8),
        };
        let until = now() + Duration::from_millis(pause_ms);
        while now() < until {
            // Events come at any time.
            let left = until - now();
            match SimRuntime::timeout(left, link.frame()).await {
                Ok(frame) => self.take(link, &frame?)?,
                Err(_elapsed) => return Ok(()),
            }
        }
        Ok(())
    }

    fn token(&mut self) -> String {
        self.tokens += 1;
        format!("{}:{}", self.number, self.tokens)
    }

    fn choose(&mut self) -> Op {
        let register = format!("/r{}", self.rng.random_range(0..REGISTERS));
        let own = format!("/own{}", self.number);
        let watch = self.rng.random_ratio(1, 2);
        let chosen = self.rng.random_range(0..100);
        match chosen {
            0..8 => self.create(register, CreateMode::Persistent),
            8..22 => self.set(register, false),
            22..30 => self.set(register, true),
            30..33 => Op::Delete {
                path: register,
                version: -1,
            },
            33..37 => self.create(own, CreateMode::Persistent),
            37..45 => self.set(own, false),
            45..50 => self.create("/lock".to_owned(), CreateMode::Ephemeral),
            50..52 => Op::Delete {
                path: "/lock".to_owned(),
                version: -1,
            },
            52..54 => self.create("/queue".to_owned(), CreateMode::Persistent),
            54..58 => self.create("/queue/e-".to_owned(), CreateMode::EphemeralSequential),
            58..60 => self.create("/queue/n-".to_owned(), CreateMode::PersistentSequential),
            60..65 => Op::Multi(vec![
                self.set(register, false),
                self.create("/queue/m-".to_owned(), CreateMode::EphemeralSequential),
                self.set(own, false),
            ]),
            65..78 => Op::Get {
                path: register,
                watch,
            },
            78..83 => Op::Get { path: own, watch },
            83..88 => Op::Exists {
                path: "/lock".to_owned(),
                watch,
            },
            88..93 => Op::Children {
                path: "/queue".to_owned(),
                watch,
            },
            93..98 => Op::Sync,
            98 => Op::Ping,
            _ if self.rng.random_ratio(1, 4) => Op::Close,
            _ => Op::Ping,
        }
    }

    fn create(&mut self, path: String, mode: CreateMode) -> Op {
        let token = self.token();
        Op::Create { path, mode, token }
    }

    fn set(&mut self, path: String, conditional: bool) -> Op {
        let version = match self.versions.get(&path) {
            Some(version) if conditional => *version,
            _ => -1,
        };
        let token = self.token();
        Op::Set {
            path,
            version,
            token,
        }
    }

    fn ask(&mut self, link: &mut Link, op: Op, out: &mut BytesMut) {
        let xid = match op {
            Op::Ping => xid::PING,
            _ => link.next_xid,
        };
        link.next_xid += 1;
        let request = request(&op);
        let start = begin_frame(out);
        RequestHeader {
            xid,
            op: request.op().as_i32(),
        }
        .encode(out);
        request.encode(out);
        end_frame(out, start);
        self.note(What::Asked {
            connection: link.connection,
            session: link.session,
            xid,
            op: op.clone(),
        });
        link.open.push((xid, op));
    }

    /// Takes the next frame.
    async fn receive(&mut self, link: &mut Link, longest: Duration) -> Result<(), Over> {
        let frame = link.receive(longest).await?;
        self.take(link, &frame)
    }

    fn take(&mut self, link: &mut Link, frame: &Bytes) -> Result<(), Over> {
        let (header, body) = ReplyHeader::decode(frame).map_err(|_| Over)?;
        let connection = link.connection;
        if header.xid == xid::NOTIFICATION {
            let event = WatcherEvent::decode(&body).map_err(|_| Over)?;
            self.note(What::Event {
                connection,
                zxid: header.zxid,
                kind: event.event_type,
                path: event.path,
            });
            return Ok(());
        }
        // By its place: what stands in the reply is for the properties to judge.
        if link.open.is_empty() {
            let broken = format!("{connection:?} got reply {} to nothing", header.xid);
            self.note(What::Broken(broken));
            return Err(Over);
        }
        let (_, op) = link.open.remove(0);
        let answer = answer(&op, header.err, &body).ok_or(Over)?;
        self.seen = self.seen.max(header.zxid);
        self.learn(&op, &answer);
        if op == Op::Close {
            self.session = None;
        }
        self.note(What::Told {
            connection,
            xid: header.xid,
            zxid: header.zxid,
            answer,
        });
        Ok(())
    }

    fn learn(&mut self, op: &Op, answer: &Answer) {
        let (Op::Create { path, .. } | Op::Set { path, .. } | Op::Get { path, .. }) = op else {
            return;
        };
        if let Answer::Created(_, stat) | Answer::Stat(stat) | Answer::Data(_, stat) = answer {
            self.versions.insert(path.clone(), stat.version);
        }
    }

    fn note(&self, what: What) {
        self.world.history.note(what);
    }
}

impl Link {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), Over> {
        self.stream.write_all(bytes).await.map_err(|_closed| Over)
    }

    async fn receive(&mut self, longest: Duration) -> Result<Bytes, Over> {
        SimRuntime::timeout(longest, self.frame())
            .await
            .unwrap_or(Err(Over))
    }

    /// The next frame. May be dropped half-way.
    async fn frame(&mut self) -> Result<Bytes, Over> {
        loop {
            let split = split_frame(&mut self.received, FRAME_BYTES_MAX);
            if let Some(frame) = split.map_err(|_| Over)? {
                return Ok(frame);
            }
            match self.stream.read_buf(&mut self.received).await {
                Ok(0) | Err(_) => return Err(Over),
                Ok(_) => {}
            }
        }
    }
}

fn request(op: &Op) -> Request {
    let read = |path: &str, watch: bool| ReadRequest {
        path: path.to_owned(),
        watch,
    };
    let data = |token: &str| Some(Bytes::copy_from_slice(token.as_bytes()));
    match op {
        Op::Create { path, mode, token } => Request::Create(CreateRequest {
            kind: CreateKind::Create2,
            path: path.clone(),
            data: data(token),
            acl: Some(Acl::world_anyone_all()),
            flags: mode.flags(),
            ttl: 0,
        }),
        Op::Set {
            path,
            version,
            token,
        } => Request::SetData(SetDataRequest {
            path: path.clone(),
            data: data(token),
            version: *version,
        }),
        Op::Delete { path, version } => Request::Delete(DeleteRequest {
            path: path.clone(),
            version: *version,
        }),
        Op::Get { path, watch } => Request::GetData(read(path, *watch)),
        Op::Exists { path, watch } => Request::Exists(read(path, *watch)),
        Op::Children { path, watch } => Request::GetChildren2(read(path, *watch)),
        Op::Multi(parts) => Request::Multi(MultiRequest {
            ops: parts.iter().map(request).collect(),
        }),
        Op::Sync => Request::Sync(SyncRequest {
            path: Some("/".to_owned()),
        }),
        Op::Ping => Request::Ping,
        Op::Close => Request::CloseSession,
    }
}

/// What the reply says; none if it cannot be read.
fn answer(op: &Op, err: i32, body: &Bytes) -> Option<Answer> {
    if err != 0 && body.is_empty() {
        return Some(Answer::Failed(ErrorCode::from_i32(err)?));
    }
    Some(match op {
        Op::Create { .. } => {
            let created = Create2Response::decode(body).ok()?;
            Answer::Created(created.path, created.stat)
        }
        Op::Set { .. } | Op::Exists { .. } => Answer::Stat(StatResponse::decode(body).ok()?.stat),
        Op::Get { .. } => {
            let read = GetDataResponse::decode(body).ok()?;
            let data = read.data.unwrap_or_default();
            Answer::Data(String::from_utf8_lossy(&data).into_owned(), read.stat)
        }
        Op::Children { .. } => {
            let mut read = GetChildren2Response::decode(body).ok()?;
            read.children.sort_unstable();
            Answer::Children(read.children, read.stat)
        }
        Op::Multi(_) => {
            let results = OpResult::decode_results(body).ok()?;
            Answer::Multi(results.into_iter().map(part).collect())
        }
        Op::Delete { .. } | Op::Sync | Op::Ping | Op::Close => Answer::Done,
    })
}

fn part(result: OpResult) -> Answer {
    match result {
        OpResult::Create2 { path, stat } => Answer::Created(path, stat),
        OpResult::SetData(stat) => Answer::Stat(stat),
        OpResult::Error(code) => Answer::Failed(code),
        OpResult::Create { .. }
        | OpResult::Delete
        | OpResult::Check
        | OpResult::GetData { .. }
        | OpResult::GetChildren(_) => Answer::Done,
    }
}
