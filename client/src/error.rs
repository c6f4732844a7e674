//! Why a call failed.

use crate::connect_string::ConnectStringError;
use treekeeper_protocol::{DecodeError, ErrorCode, PathError};

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The connection was lost, or no server could be reached, before the reply came. If the request was sent,
    /// nobody knows whether it was carried out. The session goes on.
    #[error("connection lost")]
    ConnectionLoss,
    /// The session has expired; its ephemeral znodes are gone. Connect a new client.
    #[error("session expired")]
    SessionExpired,
    /// The server refused an identity. Connect a new client.
    #[error("authentication failed")]
    AuthFailed,
    /// The client was closed.
    #[error("client is closed")]
    Closed,
    /// No session was opened in time.
    #[error("no server answered in time")]
    Timeout,
    /// The server's answer is an error.
    #[error("{0}")]
    Api(ErrorCode),
    /// A part of a multi failed, and nothing of it was done.
    #[error("operation {index} of the multi: {code}")]
    Multi {
        /// The part that failed, from 0.
        index: usize,
        /// Its error.
        code: ErrorCode,
    },
    /// The path is invalid; nothing was sent.
    #[error("invalid path {path:?}: {reason}")]
    InvalidPath {
        /// The path as it was given.
        path: String,
        /// The rule that it breaks.
        reason: PathError,
    },
    /// The connect string is invalid.
    #[error("invalid connect string: {0}")]
    InvalidConnectString(#[from] ConnectStringError),
    /// A time to live goes with the modes that have one, and only with them; it is 1 ms to about 34 years.
    #[error("time to live is missing, out of range or without effect")]
    InvalidTtl,
    /// The request is longer than a server accepts, which would close the connection; nothing was sent.
    #[error("request of {length} bytes is longer than {max}")]
    RequestTooLong {
        /// Bytes of the request.
        length: usize,
        /// The limit.
        max: usize,
    },
    /// The server's answer could not be understood.
    #[error("reply could not be understood: {0}")]
    Reply(#[from] DecodeError),
}

impl Error {
    /// The error of a reply header.
    pub(crate) fn of_reply(err: i32) -> Self {
        match ErrorCode::from_i32(err) {
            Some(ErrorCode::SessionExpired) => Self::SessionExpired,
            Some(code) => Self::Api(code),
            None => Self::Reply(DecodeError::UnknownNumber {
                what: "error code",
                number: err,
            }),
        }
    }

    /// The server's error code, if it answered with one.
    #[must_use]
    pub const fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Api(code) | Self::Multi { code, .. } => Some(*code),
            _ => None,
        }
    }
}
