//! All connections of this server, and how many there may be.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;

use super::Connection;
use crate::watch::ConnectionId;

/// Open connections.
#[derive(Debug)]
pub struct Registry {
    max_per_address: usize,
    max: usize,
    skip_acl: bool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    connections: BTreeMap<ConnectionId, Arc<Connection>>,
    by_address: HashMap<IpAddr, usize>,
}

impl Registry {
    /// No connection yet; at most `max` in all and `max_per_address` from one address (None: as many as come).
    #[must_use]
    pub fn new(max_per_address: Option<u32>, max: Option<u32>, skip_acl: bool) -> Self {
        let limit = |limit: Option<u32>| limit.map_or(usize::MAX, |limit| limit as usize);
        Self {
            max_per_address: limit(max_per_address),
            max: limit(max),
            skip_acl,
            inner: Mutex::default(),
        }
    }

    /// Takes a connection in; None when there are too many.
    pub fn admit(&self, peer: SocketAddr) -> Option<Arc<Connection>> {
        let mut inner = self.inner.lock();
        if inner.connections.len() >= self.max {
            return None;
        }
        let from_there = inner.by_address.entry(peer.ip()).or_default();
        if *from_there >= self.max_per_address {
            return None;
        }
        *from_there += 1;
        let id = ConnectionId(inner.next);
        inner.next += 1;
        let connection = Arc::new(Connection::new(id, peer, self.skip_acl));
        inner.connections.insert(id, Arc::clone(&connection));
        Some(connection)
    }

    /// A connection has ended.
    pub fn remove(&self, connection: &Connection) {
        let mut inner = self.inner.lock();
        if inner.connections.remove(&connection.id()).is_none() {
            return;
        }
        let address = connection.peer().ip();
        if let Some(count) = inner.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                inner.by_address.remove(&address);
            }
        }
    }

    /// All of them, in the order in which they were accepted.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Connection>> {
        self.inner.lock().connections.values().cloned().collect()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: ConnectionId) -> Option<Arc<Connection>> {
        self.inner.lock().connections.get(&id).cloned()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.lock().connections.len()
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
