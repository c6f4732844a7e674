//! A session over a socket: requests with rising xids, replies in order, events kept as they come.

use std::net::SocketAddr;

use super::outcome::{Outcome, expect, failed};
use super::reply::{Event, Frame, Reply};
use super::request::{Request, close_session, create, ping};
use super::socket::{Connect, Connected, Socket};

/// A blocking client of one session. Dropping it closes the session unless [`RawClient::abandon`] is called.
#[derive(Debug)]
pub(crate) struct RawClient {
    pub(crate) socket: Socket,
    /// The server's answer to the handshake.
    pub(crate) connected: Connected,
    /// Events that arrived and were not asked for yet.
    pub(crate) events: Vec<Event>,
    last_xid: i32,
    closes_session: bool,
}

impl RawClient {
    /// A new session of 30 s.
    #[track_caller]
    pub(crate) fn open(address: SocketAddr) -> Outcome<Self> {
        Self::open_with(address, &Connect::default())
    }

    /// A session as `connect` says; the server must grant one.
    #[track_caller]
    pub(crate) fn open_with(address: SocketAddr, connect: &Connect) -> Outcome<Self> {
        let mut socket = Socket::connect(address)?;
        let connected = socket.handshake(connect)?;
        if connected.timeout_ms <= 0 {
            return Err(failed(format!("expected a session, got {connected:?}")));
        }
        Ok(Self::over(socket, connected))
    }

    /// Goes on with a socket whose handshake is done.
    pub(crate) fn over(socket: Socket, connected: Connected) -> Self {
        Self {
            socket,
            connected,
            events: Vec::new(),
            last_xid: 0,
            closes_session: true,
        }
    }

    /// The session's id.
    pub(crate) fn session(&self) -> i64 {
        self.connected.session
    }

    /// A ConnectRequest that comes back to this session.
    pub(crate) fn reconnect(&self) -> Connect {
        Connect {
            session: self.connected.session,
            password: Some(self.connected.password.clone()),
            timeout_ms: self.connected.timeout_ms,
            ..Connect::default()
        }
    }

    /// Leaves the session open when the client goes.
    pub(crate) fn abandon(&mut self) {
        self.closes_session = false;
    }

    /// Ends the connection, not the session, and gives what it takes to come back.
    pub(crate) fn disconnect(mut self) -> Connect {
        self.abandon();
        self.reconnect()
    }

    /// Sends a request under the next xid, which it returns.
    #[track_caller]
    pub(crate) fn send(&mut self, request: &Request) -> Outcome<i32> {
        self.last_xid += 1;
        self.socket.send(&request.framed(self.last_xid))?;
        Ok(self.last_xid)
    }

    /// Receives the next frame of either kind.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Outcome<Frame> {
        Frame::read(&self.socket.frame()?)
    }

    /// Receives the next reply; events before it are kept.
    #[track_caller]
    pub(crate) fn reply(&mut self) -> Outcome<Reply> {
        loop {
            match self.next()? {
                Frame::Reply(reply) => return Ok(reply),
                Frame::Event(event) => self.events.push(event),
            }
        }
    }

    /// Sends a request and receives its reply.
    #[track_caller]
    pub(crate) fn call(&mut self, request: &Request) -> Outcome<Reply> {
        let xid = self.send(request)?;
        let reply = self.reply()?;
        expect("reply xid", reply.xid, xid)?;
        Ok(reply)
    }

    /// Sends a request under any xid and receives the next reply, whatever its xid.
    #[track_caller]
    pub(crate) fn call_as(&mut self, xid: i32, request: &Request) -> Outcome<Reply> {
        self.socket.send(&request.framed(xid))?;
        self.reply()
    }

    /// Creates a znode that must come into being; gives its path.
    #[track_caller]
    pub(crate) fn make(&mut self, path: &str, data: &[u8], flags: i32) -> Outcome<String> {
        self.call(&create(path, data, flags))?.path()
    }

    /// A ping and its reply: whatever the server had queued before is here now.
    #[track_caller]
    pub(crate) fn ping(&mut self) -> Outcome<Reply> {
        let reply = self.call_as(-2, &ping())?;
        expect("xid of a ping", reply.xid, -2)?;
        reply.bare()?;
        Ok(reply)
    }

    /// All events that the server had queued by now.
    #[track_caller]
    pub(crate) fn events_by_now(&mut self) -> Outcome<Vec<Event>> {
        self.ping()?;
        Ok(std::mem::take(&mut self.events))
    }

    /// The same as text, without `root`.
    #[track_caller]
    pub(crate) fn seen(&mut self, root: &str) -> Outcome<Vec<String>> {
        Ok(self
            .events_by_now()?
            .iter()
            .map(|event| event.show(root))
            .collect())
    }

    /// Waits for the next event.
    #[track_caller]
    pub(crate) fn event(&mut self) -> Outcome<Event> {
        if !self.events.is_empty() {
            return Ok(self.events.remove(0));
        }
        match self.next()? {
            Frame::Event(event) => Ok(event),
            Frame::Reply(reply) => Err(failed(format!("expected an event, got {reply:?}"))),
        }
    }

    /// Closes the session in the ordinary way.
    #[track_caller]
    pub(crate) fn close(mut self) -> Outcome {
        self.abandon();
        self.call(&close_session())?.bare()?;
        self.socket.closed()
    }
}

impl Drop for RawClient {
    fn drop(&mut self) {
        if self.closes_session {
            self.socket.send_if_open(&close_session().framed(i32::MAX));
        }
    }
}
