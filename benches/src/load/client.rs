//! A plain blocking connection: for set-up, checks, idle sessions and the first write after a crash.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::slice;
use std::time::Duration;

use bytes::Bytes;
use treekeeper_protocol::{ConnectResponse, ErrorCode, Request};

use crate::load::LoadError;
use crate::load::frame::{Frame, SESSION_TIMEOUT_MS, Session, connect_frame_of};
use crate::load::replies::Replies;

/// A server that does not answer within this time has failed.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Requests sent before the first is answered: less than what a server lets one connection have.
const IN_FLIGHT_MAX: usize = 500;

/// A connection with a session of its own that watches nothing.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    replies: Replies,
    next_xid: i32,
    session: Session,
}

impl Client {
    /// Connects and opens a new session.
    ///
    /// # Errors
    /// When nobody listens, or the session is refused.
    pub fn connect(address: SocketAddr) -> Result<Self, LoadError> {
        Self::connect_within(address, ANSWER_WITHIN)
    }

    /// Connects and opens a new session, unless its answer takes longer than `within`.
    ///
    /// # Errors
    /// When nobody listens or answers, or the session is refused.
    pub fn connect_within(address: SocketAddr, within: Duration) -> Result<Self, LoadError> {
        Self::go_on(Session::default(), address, within)
    }

    /// Connects and goes on with `session`, unless that takes longer than `within`.
    ///
    /// # Errors
    /// When nobody listens or answers, or the session is refused.
    pub fn go_on(
        session: Session,
        address: SocketAddr,
        within: Duration,
    ) -> Result<Self, LoadError> {
        let mut stream = TcpStream::connect_timeout(&address, within)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(within))?;
        stream.write_all(&connect_frame_of(session, SESSION_TIMEOUT_MS))?;
        let mut client = Self {
            stream,
            replies: Replies::default(),
            next_xid: 1,
            session,
        };
        loop {
            if let Some(frame) = client.replies.next_frame() {
                client.session = check_session(frame)?;
                client.stream.set_read_timeout(Some(ANSWER_WITHIN))?;
                return Ok(client);
            }
            client.receive()?;
        }
    }

    /// The session, to go on with it elsewhere.
    pub fn session(&self) -> Session {
        self.session
    }

    /// From now on a server that does not answer within this time has failed.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn answer_within(&self, within: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(within))
    }

    /// Sends `request` and waits for its reply.
    ///
    /// # Errors
    /// When the connection fails, or the server answers with an error.
    pub fn call(&mut self, request: &Request) -> Result<(), LoadError> {
        self.call_all(slice::from_ref(request))
    }

    /// Sends `requests`, many of them before the first is answered, and waits for every reply.
    ///
    /// # Errors
    /// When the connection fails, or the server answers one of them with an error.
    pub fn call_all(&mut self, requests: &[Request]) -> Result<(), LoadError> {
        self.call_all_but(requests, None)
    }

    /// The same, with one error that is no failure: for who watches what does not exist.
    ///
    /// # Errors
    /// When the connection fails, or the server answers one of them with another error.
    pub fn call_all_but(
        &mut self,
        requests: &[Request],
        allowed: Option<ErrorCode>,
    ) -> Result<(), LoadError> {
        for requests in requests.chunks(IN_FLIGHT_MAX) {
            let mut out = Vec::new();
            for (xid, request) in (self.next_xid..).zip(requests) {
                Frame::new(request).append(xid, &mut out);
            }
            self.stream.write_all(&out)?;
            for request in requests {
                match self.expect_reply(request) {
                    Err(LoadError::Refused { code, .. }) if Some(code) == allowed => {}
                    other => other?,
                }
            }
        }
        Ok(())
    }

    fn expect_reply(&mut self, request: &Request) -> Result<(), LoadError> {
        let expected = self.next_xid;
        self.next_xid += 1;
        loop {
            match self.replies.next_reply()? {
                None => self.receive()?,
                Some(reply) => return reply.expect(expected, request),
            }
        }
    }

    /// Closes the session.
    ///
    /// # Errors
    /// When the connection fails first.
    pub fn close(mut self) -> Result<(), LoadError> {
        self.call(&Request::CloseSession)
    }

    fn receive(&mut self) -> Result<(), LoadError> {
        let count = self.stream.read(self.replies.space())?;
        if count == 0 {
            return Err(closed().into());
        }
        self.replies.filled(count);
        Ok(())
    }
}

/// The session that the answer to [`connect_frame_of`] grants.
///
/// # Errors
/// When it grants none.
pub fn check_session(frame: &[u8]) -> Result<Session, LoadError> {
    let response = ConnectResponse::decode(&Bytes::copy_from_slice(frame))
        .map_err(|error| LoadError::Unreadable(error.to_string()))?;
    if response.timeout_ms <= 0 {
        Err(LoadError::SessionRefused)
    } else {
        Ok(Session {
            id: response.session_id,
            password: response.password,
        })
    }
}

/// The server ended the connection.
pub fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "closed by the server")
}
