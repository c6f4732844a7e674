//! Who is told what.
//!
//! In: registrations from reads (under the shared side of the publish lock) and changes from `apply` (under the
//! exclusive side), so no change falls between a read and the watch it registers. Out: events, pushed into the
//! outboxes of the connections. Watches belong to a connection and end with it.
//! Not here: sockets (`connection`), what changed (`apply`).

mod kinds;
mod table;

use std::sync::Arc;

use bytes::Bytes;
use treekeeper_protocol::{Acl, EventType};

use crate::admin::metrics::Metrics;
use crate::publish::Contact;

pub use kinds::Kinds;
pub use table::{Fired, WatchTable, missed_event};

/// Number of a connection, never reused while the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Takes events: a connection's outbox.
pub trait Sink: Send + Sync {
    /// Queues an event, encoded once for all its readers, if the connection may read a znode with this ACL.
    ///
    /// Must not block: `apply` calls it under the publish lock.
    fn push_event(&self, frame: &Bytes, acl: Option<&[Acl]>);

    /// Events were queued; called once the lock is released.
    fn wake(&self);

    /// Sends what is queued from this thread if nobody else is at it, and wakes who is otherwise. May be called while the
    /// lock is held, by other threads than its holder's.
    fn send(&self, metrics: &Metrics, contact: &Contact);
}

/// One change of the tree that somebody may watch, in the order in which watchers hear of it.
#[derive(Debug, Clone)]
pub struct Change {
    /// Created, deleted, data changed, or children changed.
    pub event: EventType,
    /// The znode it happened to.
    pub path: Arc<str>,
    /// That znode's ACL as of the change; the last one of a deleted znode.
    pub acl: Option<Arc<[Acl]>>,
}

#[cfg(test)]
mod tests;
