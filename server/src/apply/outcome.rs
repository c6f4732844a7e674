//! What came of a command, as plain data: `connection` makes a reply of it.

use treekeeper_protocol::{ErrorCode, OpResult, PASSWORD_LEN, Stat};

/// What came of one command.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The zxid that it took; the last one if it took none.
    pub zxid: i64,
    /// The reply, or why not.
    pub result: Result<Reply, ErrorCode>,
}

/// A successful reply.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// A header, nothing else.
    Empty,
    /// `create`.
    Created {
        /// Its path, with the sequence suffix.
        path: String,
    },
    /// `create2`, container, TTL.
    CreatedWithStat {
        /// Its path, with the sequence suffix.
        path: String,
        /// Its Stat.
        stat: Stat,
    },
    /// `setData`, `setACL`.
    Stat(Stat),
    /// `multi`: a failed one, too.
    Multi(Vec<OpResult>),
    /// A session was opened or reopened.
    Session {
        /// Its id.
        id: i64,
        /// Its generation from now on.
        generation: u32,
        /// Its negotiated time-out, in ms.
        timeout_ms: i32,
        /// Its password.
        password: [u8; PASSWORD_LEN],
    },
    /// A local session became global, in generation 0.
    SessionUpgraded {
        /// Its id.
        id: i64,
        /// Its negotiated time-out, in ms.
        timeout_ms: i32,
    },
    /// A session is closed: whoever holds its connection closes it.
    SessionClosed {
        /// Its id.
        id: i64,
    },
}
