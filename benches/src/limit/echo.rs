//! An echo in ZooKeeper's clothes: answers every request at once with a reply of the right size, and knows nothing.
//!
//! In: the frames of the load. Out: canned replies under the request's xid; an event to every watcher at each create or
//! delete. With a log, writes are first written and synced together (group commit), as any durable server must. It uses
//! the runtime of the server (tokio, multi-thread), so what it reaches is what the machine leaves to a server that needs no
//! time for its own work. With a zoo.cfg, writes pass the consensus of a [`quorum`](super::quorum) instead, which is one
//! server or several. It runs as a process of its own, as a server does.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use treekeeper_protocol::response::{
    CreateResponse, GetChildren2Response, GetChildrenResponse, GetDataResponse, MultiResponse,
    StatResponse,
};
use treekeeper_protocol::{
    ConnectResponse, EventType, KeeperState, OpCode, OpResult, ReplyHeader, Stat, WatcherEvent,
    encode,
};

use crate::limit::fdatasync::SyncedFile;
use crate::limit::quorum::Quorum;
use crate::load::frame::SESSION_TIMEOUT_MS;
use crate::load::replies::Replies;
use crate::load::requests::Creates;
use crate::server::status::Role;

/// Batches that wait for the log; more make their connections wait.
const LOG_QUEUE_LEN: usize = 10_000;

/// How large the replies are, and whether writes are durable.
#[derive(Clone, Debug, clap::Args)]
pub struct EchoOptions {
    /// Where to listen
    #[arg(long)]
    pub listen: SocketAddr,
    /// Bytes of data that a getData returns
    #[arg(long, default_value_t = 100)]
    pub value_bytes: usize,
    /// Children that a getChildren returns
    #[arg(long, default_value_t = 100)]
    pub children: u64,
    /// Results that a multi returns
    #[arg(long, default_value_t = 10)]
    pub results: usize,
    /// Write each change to this file, synced, before it is answered
    #[arg(long)]
    pub log: Option<PathBuf>,
    /// The zoo.cfg of a server, alone or in an ensemble: each change passes its consensus before it is answered, and the
    /// log is a folder
    #[arg(long, requires = "log", value_name = "ZOO_CFG")]
    pub consensus: Option<PathBuf>,
}

impl EchoOptions {
    /// The command line of `bench` that serves with these options.
    pub fn to_args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = [
            "echo",
            &format!("--listen={}", self.listen),
            &format!("--value-bytes={}", self.value_bytes),
            &format!("--children={}", self.children),
            &format!("--results={}", self.results),
        ]
        .into_iter()
        .map(OsString::from)
        .collect();
        if let Some(path) = &self.log {
            args.push(OsString::from("--log"));
            args.push(path.into());
        }
        if let Some(path) = &self.consensus {
            args.push(OsString::from("--consensus"));
            args.push(path.into());
        }
        args
    }
}

/// What all connections share.
#[derive(Debug)]
struct Echo {
    replies: BTreeMap<i32, Box<[u8]>>,
    event: Bytes,
    log: Option<mpsc::Sender<Durable>>,
    quorum: Option<Quorum>,
    /// Connections that asked to be told of the next change.
    watchers: Mutex<Vec<mpsc::Sender<Bytes>>>,
}

/// Writes of one connection, and where to say that they are on disk.
#[derive(Debug)]
pub(super) struct Durable {
    pub(super) bytes: Vec<u8>,
    pub(super) done: oneshot::Sender<()>,
}

/// Serves until the process is ended.
///
/// # Errors
/// When the address cannot be used, or the log cannot be created.
pub fn serve(options: &EchoOptions) -> io::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_io();
    if options.consensus.is_some() {
        runtime.enable_time();
    }
    runtime.build()?.block_on(async {
        let (log, queue) = mpsc::channel(LOG_QUEUE_LEN);
        let mut quorum = None;
        match (&options.log, &options.consensus) {
            (Some(folder), Some(config)) => {
                quorum = Some(Quorum::start(config, folder, queue).await?);
            }
            (Some(path), None) => {
                let file = SyncedFile::create(path)?;
                thread::spawn(move || keep_log(file, queue));
            }
            (None, _) => {}
        }
        let log = options.log.is_some().then_some(log);
        let echo = Arc::new(Echo {
            replies: canned_replies(options),
            event: canned_event(),
            log,
            quorum,
            watchers: Mutex::new(Vec::new()),
        });
        let listener = TcpListener::bind(options.listen).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let echo = Arc::clone(&echo);
            // A connection that breaks ends alone.
            tokio::spawn(async move { echo.answer(stream).await });
        }
    })
}

/// The log thread: everything that waits goes into one write and one sync.
fn keep_log(mut file: SyncedFile, mut queue: mpsc::Receiver<Durable>) {
    let mut bytes = Vec::new();
    let mut waiting = Vec::new();
    while let Some(first) = queue.blocking_recv() {
        let mut next = Some(first);
        while let Some(durable) = next {
            bytes.extend_from_slice(&durable.bytes);
            waiting.push(durable.done);
            next = queue.try_recv().ok();
        }
        file.append(&bytes)
            .expect("a limit without its disk is no limit");
        bytes.clear();
        for done in waiting.drain(..) {
            // The connection may have ended meanwhile.
            let _ = done.send(());
        }
    }
}

impl Echo {
    async fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut frames = Replies::default();
        let mut out = Vec::new();
        let mut handshake_done = false;
        if let Some(quorum) = &self.quorum
            && is_srvr(&stream).await?
        {
            let (role, index) = quorum.status();
            let mode = match role {
                Role::Leader => "leader",
                Role::Follower => "follower",
            };
            let answer = format!("Zxid: 0x{index:x}\nMode: {mode}\n");
            // Unread bytes would take the answer back.
            stream.read_exact(&mut [0; 4]).await?;
            return stream.write_all(answer.as_bytes()).await;
        }
        let (tell, mut told) = mpsc::channel::<Bytes>(1);
        let mut watching = false;
        loop {
            let count = if watching {
                tokio::select! {
                    count = stream.read(frames.space()) => count?,
                    Some(event) = told.recv() => {
                        stream.write_all(&event).await?;
                        watching = false;
                        continue;
                    }
                }
            } else {
                stream.read(frames.space()).await?
            };
            if count == 0 {
                return Ok(());
            }
            frames.filled(count);
            let mut changes = Vec::new();
            let mut changed = false;
            while let Some(frame) = frames.next_frame() {
                if !handshake_done {
                    out.extend_from_slice(&connect_reply());
                    handshake_done = true;
                    continue;
                }
                let Some((header, body)) = frame.split_first_chunk::<8>() else {
                    return Err(io::ErrorKind::InvalidData.into());
                };
                let op = i32::from_be_bytes([header[4], header[5], header[6], header[7]]);
                let Some(reply) = self.replies.get(&op) else {
                    return Err(io::ErrorKind::Unsupported.into());
                };
                let at = out.len() + 4;
                out.extend_from_slice(reply);
                out[at..at + 4].copy_from_slice(&header[..4]);
                if op == OpCode::GetChildren2.as_i32() && body.last() == Some(&1) {
                    watching = true;
                    self.watchers
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(tell.clone());
                }
                changed |= op == OpCode::Create.as_i32() || op == OpCode::Delete.as_i32();
                if self.log.is_some() && OpCode::from_i32(op).is_some_and(OpCode::is_write) {
                    changes.extend_from_slice(frame);
                }
            }
            if let Some(log) = self.log.as_ref().filter(|_| !changes.is_empty()) {
                let (done, on_disk) = oneshot::channel();
                let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
                log.send(Durable {
                    bytes: changes,
                    done,
                })
                .await
                .map_err(|_| io::ErrorKind::BrokenPipe)?;
                on_disk.await.map_err(gone)?;
            }
            if changed {
                let watchers = std::mem::take(
                    &mut *self.watchers.lock().unwrap_or_else(PoisonError::into_inner),
                );
                for watcher in watchers {
                    // A watcher that ended is told nothing.
                    let _ = watcher.try_send(self.event.clone());
                }
            }
            stream.write_all(&out).await?;
            out.clear();
        }
    }
}

/// Does the client ask what this member does, instead of opening a session?
async fn is_srvr(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; 4];
    loop {
        match stream.peek(&mut first).await? {
            4 => return Ok(first == *b"srvr"),
            // It left without a word.
            0 => return Ok(false),
            _ => tokio::task::yield_now().await,
        }
    }
}

fn connect_reply() -> BytesMut {
    let mut out = BytesMut::new();
    let start = encode::begin_frame(&mut out);
    ConnectResponse {
        protocol_version: 0,
        timeout_ms: SESSION_TIMEOUT_MS,
        session_id: 1,
        password: [1; 16],
        read_only: Some(false),
    }
    .encode(&mut out);
    encode::end_frame(&mut out, start);
    out
}

/// A whole frame with a reply header and the body that `body` writes.
fn reply(xid: i32, body: impl FnOnce(&mut BytesMut)) -> Box<[u8]> {
    let mut out = BytesMut::new();
    let start = encode::begin_frame(&mut out);
    ReplyHeader {
        xid,
        zxid: 1,
        err: 0,
    }
    .encode(&mut out);
    body(&mut out);
    encode::end_frame(&mut out, start);
    Box::from(out.as_ref())
}

fn canned_event() -> Bytes {
    let event = WatcherEvent {
        event_type: EventType::NodeChildrenChanged,
        state: KeeperState::SyncConnected,
        path: "/fan-out".to_owned(),
    };
    Bytes::from(reply(-1, |out| event.encode(out)))
}

fn canned_replies(options: &EchoOptions) -> BTreeMap<i32, Box<[u8]>> {
    let stat = Stat::default();
    let path = Creates::spread_path("/population", 0);
    let children: Vec<String> = (0..options.children).map(Creates::name).collect();
    let value = Bytes::from(vec![b'x'; options.value_bytes]);
    let results = vec![OpResult::SetData(stat); options.results];
    let empty = |_: &mut BytesMut| {};
    let mut replies: BTreeMap<i32, Box<[u8]>> = BTreeMap::new();
    for op in [OpCode::Ping, OpCode::Delete, OpCode::CloseSession] {
        replies.insert(op.as_i32(), reply(0, empty));
    }
    for op in [OpCode::SetData, OpCode::Exists] {
        replies.insert(
            op.as_i32(),
            reply(0, |out| StatResponse { stat }.encode(out)),
        );
    }
    let mut insert = |op: OpCode, frame| replies.insert(op.as_i32(), frame);
    insert(
        OpCode::Create,
        reply(0, |out| CreateResponse { path: path.clone() }.encode(out)),
    );
    insert(
        OpCode::GetData,
        reply(0, |out| {
            GetDataResponse {
                data: Some(value),
                stat,
            }
            .encode(out);
        }),
    );
    insert(
        OpCode::GetChildren,
        reply(0, |out| {
            GetChildrenResponse {
                children: children.clone(),
            }
            .encode(out);
        }),
    );
    insert(
        OpCode::GetChildren2,
        reply(0, |out| GetChildren2Response { children, stat }.encode(out)),
    );
    insert(
        OpCode::Multi,
        reply(0, |out| MultiResponse { results }.encode(out)),
    );
    replies
}
