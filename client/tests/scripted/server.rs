//! A server that a test plays step by step.

use bytes::{Bytes, BytesMut};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use treekeeper_client::{Client, ClientBuilder, ErrorCode, EventType, KeeperState, Stat};
use treekeeper_protocol::encode::{begin_frame, end_frame};
use treekeeper_protocol::frame::split_frame;
use treekeeper_protocol::response::{GetDataResponse, StatResponse};
use treekeeper_protocol::{
    ConnectRequest, ConnectResponse, OpCode, ReplyHeader, Request, RequestHeader, WatcherEvent, xid,
};

/// The longest that a step may take. It is only used up by a test that fails.
const STEP_MAX: Duration = Duration::from_secs(20);
/// The session that [`Server::open`] opens.
pub(crate) const SESSION_ID: i64 = 0x1234;
/// Its password.
pub(crate) const PASSWORD: [u8; 16] = *b"sixteen bytes ok";

/// Waits for something that must happen soon.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(STEP_MAX, future)
        .await
        .expect("the step took too long")
}

/// A stat with only the version set.
pub(crate) fn stat(version: i32) -> Stat {
    Stat {
        version,
        ..Stat::default()
    }
}

/// What the server answers to a handshake that opens a session.
pub(crate) fn opened(timeout_ms: i32) -> ConnectResponse {
    ConnectResponse {
        protocol_version: 0,
        timeout_ms,
        session_id: SESSION_ID,
        password: PASSWORD,
        read_only: Some(false),
    }
}

pub(crate) struct Server {
    listener: TcpListener,
}

impl Server {
    pub(crate) async fn bind() -> Self {
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.expect("a free port"),
        }
    }

    pub(crate) fn address(&self) -> String {
        self.listener.local_addr().expect("bound").to_string()
    }

    pub(crate) async fn accept(&self) -> Connection {
        let (stream, _) = soon(self.listener.accept()).await.expect("accepts");
        Connection {
            stream,
            input: BytesMut::new(),
        }
    }

    /// Takes a connection and its handshake, and answers with `response`.
    pub(crate) async fn shake_hands(
        &self,
        response: ConnectResponse,
    ) -> (ConnectRequest, Connection) {
        let mut connection = self.accept().await;
        let request = ConnectRequest::decode(&connection.frame().await.expect("a handshake"))
            .expect("decodes");
        connection.send(|out| response.encode(out)).await;
        (request, connection)
    }

    /// A client of this server with an open session.
    pub(crate) async fn open(&self, builder: ClientBuilder, chroot: &str) -> (Client, Connection) {
        let address = format!("{}{chroot}", self.address());
        let (client, (_, connection)) =
            tokio::join!(builder.connect(&address), self.shake_hands(opened(30_000)));
        (client.expect("connects"), connection)
    }
}

/// The server's end of one connection; dropping it closes the connection.
pub(crate) struct Connection {
    stream: TcpStream,
    input: BytesMut,
}

impl Connection {
    /// The next frame, `None` if the client has closed the connection.
    pub(crate) async fn frame(&mut self) -> Option<Bytes> {
        loop {
            if let Some(payload) = split_frame(&mut self.input, 1 << 20).expect("a frame") {
                return Some(payload);
            }
            if soon(self.stream.read_buf(&mut self.input))
                .await
                .unwrap_or(0)
                == 0
            {
                return None;
            }
        }
    }

    /// The next request and its xid.
    pub(crate) async fn request(&mut self) -> (i32, Request) {
        let payload = self.frame().await.expect("a request");
        let (header, body) = RequestHeader::decode(&payload).expect("a header");
        let op = OpCode::from_i32(header.op).expect("a known operation");
        (
            header.xid,
            Request::decode(op, &body).expect("a valid request"),
        )
    }

    pub(crate) async fn send(&mut self, payload: impl FnOnce(&mut BytesMut)) {
        let mut out = BytesMut::new();
        let start = begin_frame(&mut out);
        payload(&mut out);
        end_frame(&mut out, start);
        soon(self.stream.write_all(&out))
            .await
            .expect("the client listens");
    }

    /// Answers without an error.
    pub(crate) async fn reply(&mut self, xid: i32, zxid: i64, body: impl FnOnce(&mut BytesMut)) {
        self.send(|out| {
            ReplyHeader { xid, zxid, err: 0 }.encode(out);
            body(out);
        })
        .await;
    }

    pub(crate) async fn reply_stat(&mut self, xid: i32, zxid: i64, version: i32) {
        self.reply(xid, zxid, |out| {
            StatResponse {
                stat: stat(version),
            }
            .encode(out);
        })
        .await;
    }

    pub(crate) async fn reply_data(&mut self, xid: i32, zxid: i64, data: &'static [u8]) {
        let response = GetDataResponse {
            data: Some(Bytes::from_static(data)),
            stat: stat(0),
        };
        self.reply(xid, zxid, |out| response.encode(out)).await;
    }

    pub(crate) async fn refuse(&mut self, xid: i32, zxid: i64, code: ErrorCode) {
        self.send(|out| {
            ReplyHeader {
                xid,
                zxid,
                err: code.as_i32(),
            }
            .encode(out);
        })
        .await;
    }

    pub(crate) async fn event(&mut self, zxid: i64, event_type: EventType, path: &str) {
        let event = WatcherEvent {
            event_type,
            state: KeeperState::SyncConnected,
            path: path.to_owned(),
        };
        self.send(|out| {
            ReplyHeader {
                xid: xid::NOTIFICATION,
                zxid,
                err: 0,
            }
            .encode(out);
            event.encode(out);
        })
        .await;
    }
}
