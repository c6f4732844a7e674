//! One connection to one server.
//!
//! In: requests, bytes of the socket. Out: frames, and which request each reply belongs to.
//! Not here: what a frame means to the session.

use super::command::{Call, OnReply, ReplyTo};
use super::{Outcome, SessionState};
use crate::Error;
use bytes::{BufMut, Bytes, BytesMut};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, timeout};
use treekeeper_protocol::encode::{begin_frame, end_frame};
use treekeeper_protocol::frame::split_frame;
use treekeeper_protocol::{
    AuthRequest, ConnectRequest, ConnectResponse, DecodeError, FrameError, OpCode, ReplyHeader,
    Request, RequestHeader, SetWatchesRequest, xid,
};

/// Requests that may wait for their replies; further ones stay in the channel.
const IN_FLIGHT_REQUESTS_MAX: usize = 4096;
/// Bytes that may wait for the socket before no further requests are taken.
const OUTPUT_LEN_MAX: usize = 1024 * 1024;
/// Bytes asked of the socket at once.
const READ_LEN: usize = 16 * 1024;
/// The longest frame accepted from a server: servers do not limit their lists of children.
const REPLY_LEN_MAX: usize = 256 * 1024 * 1024;

/// Why a connection is of no use any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("server closed the connection")]
    Closed,
    #[error("server did not answer in time")]
    Silent,
    #[error("{0}")]
    Frame(#[from] FrameError),
    #[error("{0}")]
    Decode(#[from] DecodeError),
    #[error("reply {xid} is not to the oldest request")]
    OutOfOrder {
        /// Of the reply.
        xid: i32,
    },
}

/// The socket and what waits on either side of it.
struct Io {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    input: BytesMut,
    output: BytesMut,
}

impl Io {
    /// Waits for bytes of the server while writing what there is to write. May be dropped half-way.
    async fn read(&mut self) -> Result<(), LinkError> {
        loop {
            self.input.reserve(READ_LEN);
            tokio::select! {
                count = self.reader.read_buf(&mut self.input) => {
                    return if count? == 0 { Err(LinkError::Closed) } else { Ok(()) };
                }
                written = self.writer.write_buf(&mut self.output), if !self.output.is_empty() => {
                    written?;
                }
            }
        }
    }

    fn next_frame(&mut self) -> Result<Option<Bytes>, LinkError> {
        Ok(split_frame(&mut self.input, REPLY_LEN_MAX)?)
    }
}

/// A request whose reply has not come.
struct Pending {
    xid: i32,
    /// `None` if nobody waits for the reply.
    reply: Option<ReplyTo>,
    on_reply: OnReply,
}

/// A connection with an open session.
pub(super) struct Link {
    io: Io,
    pending: VecDeque<Pending>,
    /// Identities without an answer. Servers answer them apart from the other requests.
    pending_auths: VecDeque<Option<ReplyTo>>,
    next_xid: i32,
    sent_at: Instant,
    heard_at: Instant,
    is_closing: bool,
}

impl Link {
    /// Connects to a server and shakes hands.
    pub(super) async fn open(
        server: (String, u16),
        request: ConnectRequest,
        limit: Duration,
    ) -> Result<(Self, ConnectResponse), LinkError> {
        timeout(limit, Self::open_unlimited(server, request))
            .await
            .unwrap_or(Err(LinkError::Silent))
    }

    async fn open_unlimited(
        server: (String, u16),
        request: ConnectRequest,
    ) -> Result<(Self, ConnectResponse), LinkError> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        let mut io = Io {
            reader,
            writer,
            input: BytesMut::new(),
            output: BytesMut::new(),
        };
        let start = begin_frame(&mut io.output);
        request.encode(&mut io.output);
        end_frame(&mut io.output, start);
        let payload = loop {
            if let Some(payload) = io.next_frame()? {
                break payload;
            }
            io.read().await?;
        };
        let response = ConnectResponse::decode(&payload)?;
        let now = Instant::now();
        let link = Self {
            io,
            pending: VecDeque::new(),
            pending_auths: VecDeque::new(),
            next_xid: 1,
            sent_at: now,
            heard_at: now,
            is_closing: false,
        };
        Ok((link, response))
    }

    /// True if another request may be sent now.
    pub(super) fn has_room(&self) -> bool {
        !self.is_closing
            && self.pending.len() < IN_FLIGHT_REQUESTS_MAX
            && self.pending_auths.len() < IN_FLIGHT_REQUESTS_MAX
            && self.io.output.len() < OUTPUT_LEN_MAX
    }

    /// When something was last put on the wire.
    pub(super) const fn sent_at(&self) -> Instant {
        self.sent_at
    }

    /// When the server was last heard.
    pub(super) const fn heard_at(&self) -> Instant {
        self.heard_at
    }

    pub(super) fn send_call(&mut self, call: Call) {
        self.send_pending(call.op, &call.body, Some(call.reply), call.on_reply);
    }

    pub(super) fn send_close(&mut self, reply: Option<ReplyTo>) {
        self.is_closing = true;
        self.send_pending(OpCode::CloseSession, &[], reply, OnReply::Close);
    }

    pub(super) fn send_ping(&mut self) {
        self.send(xid::PING, OpCode::Ping, &[]);
    }

    pub(super) fn send_auth(&mut self, scheme: &str, proof: &Bytes, reply: Option<ReplyTo>) {
        self.pending_auths.push_back(reply);
        let request = AuthRequest {
            auth_type: 0,
            scheme: Some(scheme.to_owned()),
            auth: Some(proof.clone()),
        };
        self.send_request(xid::AUTH, &Request::Auth(request));
    }

    pub(super) fn send_set_watches(&mut self, request: SetWatchesRequest) {
        self.send_request(xid::SET_WATCHES, &Request::SetWatches(request));
    }

    fn send_request(&mut self, xid: i32, request: &Request) {
        let mut body = BytesMut::new();
        request.encode(&mut body);
        self.send(xid, request.op(), &body);
    }

    fn send_pending(&mut self, op: OpCode, body: &[u8], reply: Option<ReplyTo>, on_reply: OnReply) {
        let xid = self.next_xid;
        self.next_xid = xid.checked_add(1).unwrap_or(1);
        self.pending.push_back(Pending {
            xid,
            reply,
            on_reply,
        });
        self.send(xid, op, body);
    }

    fn send(&mut self, xid: i32, op: OpCode, body: &[u8]) {
        let out = &mut self.io.output;
        let start = begin_frame(out);
        RequestHeader {
            xid,
            op: op.as_i32(),
        }
        .encode(out);
        out.put_slice(body);
        end_frame(out, start);
        self.sent_at = Instant::now();
    }

    /// Waits for bytes of the server while writing what there is to write. May be dropped half-way.
    pub(super) async fn read(&mut self) -> Result<(), LinkError> {
        self.io.read().await?;
        self.heard_at = Instant::now();
        Ok(())
    }

    /// The next whole frame of the server.
    pub(super) fn next_frame(&mut self) -> Result<Option<(ReplyHeader, Bytes)>, LinkError> {
        let Some(payload) = self.io.next_frame()? else {
            return Ok(None);
        };
        Ok(Some(ReplyHeader::decode(&payload)?))
    }

    /// The oldest request if it is the one with this xid: replies come in the order of requests.
    pub(super) fn take_pending(&mut self, xid: i32) -> Option<(Option<ReplyTo>, OnReply)> {
        let pending = self.pending.pop_front_if(|pending| pending.xid == xid)?;
        Some((pending.reply, pending.on_reply))
    }

    /// Answers the oldest identity.
    pub(super) fn answer_auth(&mut self, outcome: Result<(), Error>) {
        if let Some(Some(reply)) = self.pending_auths.pop_front() {
            reply.answer(outcome.map(|()| Bytes::new()));
        }
    }

    /// Answers everything that is still waiting.
    pub(super) fn fail_pending(&mut self, error: &Error) {
        let requests = self.pending.drain(..).map(|pending| pending.reply);
        for reply in requests.chain(self.pending_auths.drain(..)).flatten() {
            reply.answer(Err(error.clone()));
        }
    }

    /// What the loss of this connection means: a client that was closing its session is done, and does not know
    /// whether the server has closed it.
    pub(super) fn outcome_of_loss(&mut self, error: &LinkError) -> Outcome {
        if self.is_closing {
            self.fail_pending(&Error::ConnectionLoss);
            return Outcome::Ended(SessionState::Closed);
        }
        tracing::debug!(%error, "connection lost");
        Outcome::Lost
    }
}
