//! Watch events.
//!
//! Wire form: a reply header with xid −1, then `i32 type, i32 state, str path`.
//! Not here: which change fires which event.

use crate::decode::{self, DecodeError, Parsed};
use crate::encode::put_string;
use crate::wire_enum::wire_enum;
use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::number::complete::be_i32;

wire_enum! {
    /// What happened to a znode.
    pub enum EventType {
        /// Nothing: the state of the session changed. Made by clients.
        None = -1,
        /// The znode was created.
        NodeCreated = 1,
        /// The znode was deleted.
        NodeDeleted = 2,
        /// The data of the znode was replaced.
        NodeDataChanged = 3,
        /// A child came or went.
        NodeChildrenChanged = 4,
        /// A data watch was removed. Made by clients.
        DataWatchRemoved = 5,
        /// A child watch was removed. Made by clients.
        ChildWatchRemoved = 6,
        /// A persistent watch was removed. Made by clients.
        PersistentWatchRemoved = 7,
    }
}

wire_enum! {
    /// The state of the connection that an event speaks of. A server always sends `SyncConnected`.
    pub enum KeeperState {
        /// No server is connected.
        Disconnected = 0,
        /// Unused.
        NoSyncConnected = 1,
        /// A server of the ensemble is connected.
        SyncConnected = 3,
        /// The authentication failed.
        AuthFailed = 4,
        /// A read-only server is connected.
        ConnectedReadOnly = 5,
        /// The SASL exchange succeeded.
        SaslAuthenticated = 6,
        /// The client was closed.
        Closed = 7,
        /// The session expired.
        Expired = -112,
    }
}

/// One watch event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WatcherEvent {
    /// What happened.
    pub event_type: EventType,
    /// The state of the connection.
    pub state: KeeperState,
    /// The znode.
    pub path: String,
}

impl WatcherEvent {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (input, (event_type, state, path)) =
            (be_i32, be_i32, decode::string_or_empty).parse(input)?;
        let Some(event_type) = EventType::from_i32(event_type) else {
            return decode::fail(DecodeError::UnknownNumber {
                what: "event type",
                number: event_type,
            });
        };
        let Some(state) = KeeperState::from_i32(state) else {
            return decode::fail(DecodeError::UnknownNumber {
                what: "keeper state",
                number: state,
            });
        };
        Ok((
            input,
            Self {
                event_type,
                state,
                path,
            },
        ))
    }

    /// Reads an event from what follows the reply header.
    ///
    /// # Errors
    /// If `body` is too short or holds an unknown number.
    pub fn decode(body: &Bytes) -> Result<Self, DecodeError> {
        decode::finish(Self::parse(body))
    }

    /// Writes what follows the reply header.
    ///
    /// # Panics
    /// If the path is 2 GiB or longer.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_i32(self.event_type.as_i32());
        out.put_i32(self.state.as_i32());
        put_string(out, &self.path);
    }
}
