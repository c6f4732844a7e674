//! The handshake: the first frame in each direction, without a header.
//!
//! The last byte of both records, `readOnly`, is missing with old clients; a server answers with the byte only
//! if the client sent it.

use crate::decode::{self, DecodeError, Parsed};
use crate::encode::{put_bool, put_buffer, put_opt_buffer};
use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::combinator::opt;
use nom::number::complete::{be_i32, be_i64};

/// Bytes of a session's password.
pub const PASSWORD_LEN: usize = 16;

/// Opens a session, or goes on with one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConnectRequest {
    /// 0; servers ignore it.
    pub protocol_version: i32,
    /// The highest zxid that the client has seen; a server that is behind must not answer.
    pub last_zxid_seen: i64,
    /// The wanted session timeout in milliseconds.
    pub timeout_ms: i32,
    /// The session to go on with, 0 for a new one.
    pub session_id: i64,
    /// The password of that session; null, empty or zeros for a new one.
    pub password: Option<Bytes>,
    /// Whether a read-only server is acceptable; `None` if the client does not know of such servers.
    pub read_only: Option<bool>,
}

impl ConnectRequest {
    fn parse(body: &Bytes) -> Parsed<'_, Self> {
        (
            be_i32,
            be_i64,
            be_i32,
            be_i64,
            decode::buffer(body),
            opt(decode::boolean),
        )
            .map(
                |(
                    protocol_version,
                    last_zxid_seen,
                    timeout_ms,
                    session_id,
                    password,
                    read_only,
                )| Self {
                    protocol_version,
                    last_zxid_seen,
                    timeout_ms,
                    session_id,
                    password,
                    read_only,
                },
            )
            .parse(body)
    }

    /// Reads the first frame of a client.
    ///
    /// # Errors
    /// If the payload is truncated.
    pub fn decode(payload: &Bytes) -> Result<Self, DecodeError> {
        decode::finish(Self::parse(payload))
    }

    /// Writes the payload.
    ///
    /// # Panics
    /// If the password is 2 GiB or longer.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_i32(self.protocol_version);
        out.put_i64(self.last_zxid_seen);
        out.put_i32(self.timeout_ms);
        out.put_i64(self.session_id);
        put_opt_buffer(out, self.password.as_deref());
        if let Some(read_only) = self.read_only {
            put_bool(out, read_only);
        }
    }
}

/// Answers a [`ConnectRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConnectResponse {
    /// 0.
    pub protocol_version: i32,
    /// The negotiated session timeout in milliseconds; 0 or less if the session was refused.
    pub timeout_ms: i32,
    /// The session; 0 if it was refused.
    pub session_id: i64,
    /// Its password; zeros if it was refused.
    pub password: [u8; PASSWORD_LEN],
    /// Whether this server is read-only; `None` if the request carried no such byte.
    pub read_only: Option<bool>,
}

impl ConnectResponse {
    /// The answer to a session that is unknown, expired or presented with a wrong password. All clients see
    /// an expired session in it, each by another field.
    #[must_use]
    pub const fn refused(read_only: Option<bool>) -> Self {
        Self {
            protocol_version: 0,
            timeout_ms: 0,
            session_id: 0,
            password: [0; PASSWORD_LEN],
            read_only,
        }
    }

    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (input, (protocol_version, timeout_ms, session_id, password, read_only)) =
            (be_i32, be_i32, be_i64, decode::raw, opt(decode::boolean)).parse(input)?;
        let password = password.unwrap_or_default();
        let Ok(password) = password.try_into() else {
            return decode::fail(DecodeError::PasswordLength(password.len()));
        };
        Ok((
            input,
            Self {
                protocol_version,
                timeout_ms,
                session_id,
                password,
                read_only,
            },
        ))
    }

    /// Reads the first frame of a server.
    ///
    /// # Errors
    /// If the payload is truncated, or the password has not exactly 16 bytes.
    pub fn decode(payload: &Bytes) -> Result<Self, DecodeError> {
        decode::finish(Self::parse(payload))
    }

    /// Writes the payload.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_i32(self.protocol_version);
        out.put_i32(self.timeout_ms);
        out.put_i64(self.session_id);
        put_buffer(out, &self.password);
        if let Some(read_only) = self.read_only {
            put_bool(out, read_only);
        }
    }
}
