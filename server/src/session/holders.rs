//! Which connection of this server holds which session.

use std::collections::HashMap;
use std::sync::Arc;

use crate::connection::Connection;

/// Connections by session. A session has at most one connection.
#[derive(Debug, Default)]
pub struct Holders {
    by_session: HashMap<i64, Arc<Connection>>,
}

impl Holders {
    /// `connection` holds the session from now on; who held it before is returned, to be closed.
    pub fn hold(&mut self, session: i64, connection: &Arc<Connection>) -> Option<Arc<Connection>> {
        self.by_session
            .insert(session, Arc::clone(connection))
            .filter(|old| old.id() != connection.id())
    }

    /// The session is closed, or moved to another server; its connection is returned, to be closed.
    pub fn release(&mut self, session: i64) -> Option<Arc<Connection>> {
        self.by_session.remove(&session)
    }

    /// The connection has ended; its session lives on without one.
    pub fn ended(&mut self, session: i64, connection: &Connection) {
        if self
            .by_session
            .get(&session)
            .is_some_and(|holder| holder.id() == connection.id())
        {
            self.by_session.remove(&session);
        }
    }

    /// The sessions that connections of this server hold.
    pub fn sessions(&self) -> impl Iterator<Item = i64> {
        self.by_session.keys().copied()
    }

    /// The connection that holds the session.
    #[must_use]
    pub fn get(&self, session: i64) -> Option<&Arc<Connection>> {
        self.by_session.get(&session)
    }
}
