//! What a caller can know about the session.

use crate::Error;
use std::fmt;
use std::time::Duration;
use treekeeper_protocol::{KeeperState, PASSWORD_LEN};

/// Where the session stands. The last three are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// No server is connected; one is being looked for. The session may have expired already: only a server knows.
    Connecting,
    /// A server of the ensemble is connected.
    Connected,
    /// A read-only server is connected.
    ConnectedReadOnly,
    /// The session has expired.
    Expired,
    /// A server refused an identity.
    AuthFailed,
    /// The client was closed, or all its handles are gone.
    Closed,
}

impl SessionState {
    /// True if a server is connected.
    #[must_use]
    pub const fn is_connected(self) -> bool {
        matches!(self, Self::Connected | Self::ConnectedReadOnly)
    }

    /// True if the session is over.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Expired | Self::AuthFailed | Self::Closed)
    }

    /// The error of a call in this state.
    pub(crate) const fn error(self) -> Error {
        match self {
            Self::Connecting | Self::Connected | Self::ConnectedReadOnly => Error::ConnectionLoss,
            Self::Expired => Error::SessionExpired,
            Self::AuthFailed => Error::AuthFailed,
            Self::Closed => Error::Closed,
        }
    }

    pub(crate) const fn keeper_state(self) -> KeeperState {
        match self {
            Self::Connecting => KeeperState::Disconnected,
            Self::Connected => KeeperState::SyncConnected,
            Self::ConnectedReadOnly => KeeperState::ConnectedReadOnly,
            Self::Expired => KeeperState::Expired,
            Self::AuthFailed => KeeperState::AuthFailed,
            Self::Closed => KeeperState::Closed,
        }
    }
}

/// A session as the server made it; with id and password another client can go on with it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionInfo {
    /// The id; 0 before the first connection.
    pub id: i64,
    /// The password.
    pub password: [u8; PASSWORD_LEN],
    /// The negotiated timeout.
    pub timeout: Duration,
}

/// Without the password, which is a secret.
impl fmt::Debug for SessionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionInfo")
            .field("id", &self.id)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
