//! All watches of this server's connections.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use treekeeper_protocol::encode::{begin_frame, end_frame};
use treekeeper_protocol::{EventType, KeeperState, ReplyHeader, WatcherEvent};

use super::{Change, ConnectionId, Kinds, Sink};

/// Watches by path and by connection.
///
/// Invariants:
/// * a path is listed under a connection exactly if the connection is listed under the path;
/// * no entry is empty.
#[derive(Default)]
pub struct WatchTable {
    by_path: HashMap<Arc<str>, Watchers>,
    by_connection: HashMap<ConnectionId, Watcher>,
    /// Recursive watches in all, so that a change looks at ancestors only when there are any.
    recursive: usize,
    /// Entries as ZooKeeper counts them: its data table, then its child table.
    data_entries: usize,
    child_entries: usize,
}

/// Who watches a path. Its order decides who is woken first, so it must be the same in each run of a simulation; a
/// connection's number is none that a client could choose.
type Watchers = HashMap<ConnectionId, Kinds, BuildHasherDefault<DefaultHasher>>;

/// Bytes that a watch takes beside its path, nearly.
const WATCH_OVERHEAD: usize = 128;

struct Watcher {
    sink: Arc<dyn Sink>,
    paths: HashSet<Arc<str>>,
    /// Bytes of those paths, and of what goes with each.
    bytes: usize,
}

/// How often each kind of change was told, and to how many connections.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Fired {
    /// Events queued.
    pub events: u64,
    /// Bytes of those events.
    pub bytes: u64,
}

impl WatchTable {
    /// Registers watches of these kinds on `path`; those that the connection has already stay one. Returns the bytes
    /// that the connection's watches take, nearly.
    pub fn add(
        &mut self,
        connection: ConnectionId,
        sink: &Arc<dyn Sink>,
        path: &str,
        kinds: Kinds,
    ) -> usize {
        let path = match self.by_path.get_key_value(path) {
            Some((known, _)) => Arc::clone(known),
            None => Arc::from(path),
        };
        let watcher = self
            .by_connection
            .entry(connection)
            .or_insert_with(|| Watcher {
                sink: Arc::clone(sink),
                paths: HashSet::new(),
                bytes: 0,
            });
        if watcher.paths.insert(Arc::clone(&path)) {
            watcher.bytes += path.len() + WATCH_OVERHEAD;
        }
        let bytes = watcher.bytes;
        let held = self
            .by_path
            .entry(path)
            .or_default()
            .entry(connection)
            .or_default();
        let before = *held;
        *held = before.with(kinds);
        let after = *held;
        self.count(before, after);
        bytes
    }

    /// Takes watches away. False when the connection has none of these kinds on `path`.
    pub fn remove(&mut self, connection: ConnectionId, path: &str, kinds: Kinds) -> bool {
        let Some(held) = self
            .by_path
            .get_mut(path)
            .and_then(|watchers| watchers.get_mut(&connection))
        else {
            return false;
        };
        let before = *held;
        let removed = before.and(kinds);
        let after = before.without(kinds);
        *held = after;
        let last = after.is_empty();
        self.count(before, after);
        if last {
            self.forget(connection, path);
        }
        !removed.is_empty()
    }

    /// Has the connection a watch of one of these kinds on `path`?
    #[must_use]
    pub fn contains(&self, connection: ConnectionId, path: &str, kinds: Kinds) -> bool {
        let held = self
            .by_path
            .get(path)
            .and_then(|watchers| watchers.get(&connection));
        held.is_some_and(|held| !held.and(kinds).is_empty())
    }

    /// Takes all watches of a connection away: it has ended.
    pub fn remove_connection(&mut self, connection: ConnectionId) {
        let Some(watcher) = self.by_connection.remove(&connection) else {
            return;
        };
        for path in watcher.paths {
            let Some(watchers) = self.by_path.get_mut(&path) else {
                continue;
            };
            let removed = watchers.remove(&connection).unwrap_or_default();
            if watchers.is_empty() {
                self.by_path.remove(&path);
            }
            self.count(removed, Kinds::NONE);
        }
    }

    /// Tells everyone who watches: at most one event per connection and change; one-shot watches that fire are gone,
    /// also where the ACL keeps the event back (CVE-2024-23944). `told_to` hears of each who was told.
    pub fn fire(
        &mut self,
        change: &Change,
        zxid: i64,
        mut told_to: impl FnMut(&Arc<dyn Sink>),
    ) -> Fired {
        if self.by_path.is_empty() {
            return Fired::default();
        }
        let mut told = self.take_fired(&change.path, Kinds::fired_by(change.event));
        if self.recursive > 0 && change.event != EventType::NodeChildrenChanged {
            self.add_recursive_above(&change.path, &mut told);
        }
        if told.is_empty() {
            return Fired::default();
        }
        let frame = encode_event(change.event, &change.path, zxid);
        let mut fired = Fired::default();
        for connection in told {
            if let Some(watcher) = self.by_connection.get(&connection) {
                watcher.sink.push_event(&frame, change.acl.as_deref());
                told_to(&watcher.sink);
                fired.events += 1;
                fired.bytes += frame.len() as u64;
            }
        }
        for connection in self.take_idle(&change.path) {
            self.unlist(connection, &change.path);
        }
        fired
    }

    /// The connections with a watch on `path` that this change fires; takes their one-shot watches away.
    fn take_fired(&mut self, path: &str, fires: Kinds) -> Vec<ConnectionId> {
        let Some(watchers) = self.by_path.get_mut(path) else {
            return Vec::new();
        };
        let mut told = Vec::with_capacity(watchers.len());
        let mut gone = Vec::new();
        for (connection, held) in watchers.iter_mut() {
            let hit = held.and(fires);
            if !hit.is_empty() {
                told.push(*connection);
                let before = *held;
                *held = before.without(hit.one_shot());
                gone.push((before, *held));
            }
        }
        for (before, after) in gone {
            self.count(before, after);
        }
        told
    }

    fn add_recursive_above(&self, path: &str, told: &mut Vec<ConnectionId>) {
        let mut seen: HashSet<ConnectionId> = told.iter().copied().collect();
        let mut below = path;
        while let Some(above) = treekeeper_protocol::path::parent(below) {
            for (connection, held) in self.by_path.get(above).into_iter().flatten() {
                if !held.and(Kinds::RECURSIVE).is_empty() && seen.insert(*connection) {
                    told.push(*connection);
                }
            }
            below = above;
        }
    }

    /// Removes connections without any watch left from a path, and the path when none remains.
    fn take_idle(&mut self, path: &str) -> Vec<ConnectionId> {
        let Some(watchers) = self.by_path.get_mut(path) else {
            return Vec::new();
        };
        let idle = watchers
            .extract_if(|_, held| held.is_empty())
            .map(|(connection, _)| connection)
            .collect();
        if watchers.is_empty() {
            self.by_path.remove(path);
        }
        idle
    }

    fn forget(&mut self, connection: ConnectionId, path: &str) {
        if let Some(watchers) = self.by_path.get_mut(path) {
            watchers.remove(&connection);
            if watchers.is_empty() {
                self.by_path.remove(path);
            }
        }
        self.unlist(connection, path);
    }

    fn unlist(&mut self, connection: ConnectionId, path: &str) {
        if let Some(watcher) = self.by_connection.get_mut(&connection) {
            if watcher.paths.remove(path) {
                watcher.bytes -= path.len() + WATCH_OVERHEAD;
            }
            if watcher.paths.is_empty() {
                self.by_connection.remove(&connection);
            }
        }
    }

    /// What a connection holds on a path has changed. A table of ZooKeeper's has one entry for the pair, whatever the
    /// kinds (`WatchManager.size`); persistent watches are in both tables.
    fn count(&mut self, before: Kinds, after: Kinds) {
        let staying = Kinds::PERSISTENT.with(Kinds::RECURSIVE);
        for (count, kinds) in [
            (&mut self.recursive, Kinds::RECURSIVE),
            (&mut self.data_entries, Kinds::DATA.with(staying)),
            (&mut self.child_entries, Kinds::CHILD.with(staying)),
        ] {
            *count += usize::from(!after.and(kinds).is_empty());
            *count -= usize::from(!before.and(kinds).is_empty());
        }
    }

    /// Watches as `mntr` counts them: ZooKeeper's data table and its child table, persistent ones being in both.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data_entries + self.child_entries
    }

    /// True when nobody watches anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_path.is_empty()
    }

    /// Every (path, connection) in ZooKeeper's data table: what `wchs`, `wchc` and `wchp` show.
    pub fn data_watches(&self) -> impl Iterator<Item = (&Arc<str>, ConnectionId)> {
        self.by_path.iter().flat_map(|(path, watchers)| {
            let shown = watchers
                .iter()
                .filter(|(_, held)| !held.without(Kinds::CHILD).is_empty());
            shown.map(move |(connection, _)| (path, *connection))
        })
    }
}

fn encode_event(event_type: EventType, path: &str, zxid: i64) -> Bytes {
    let mut out = BytesMut::with_capacity(path.len() + 32);
    let start = begin_frame(&mut out);
    ReplyHeader {
        xid: -1,
        zxid,
        err: 0,
    }
    .encode(&mut out);
    WatcherEvent {
        event_type,
        state: KeeperState::SyncConnected,
        path: path.to_owned(),
    }
    .encode(&mut out);
    end_frame(&mut out, start);
    out.freeze()
}

/// An event that answers a watch of `setWatches` at once: it names no transaction.
#[must_use]
pub fn missed_event(event_type: EventType, path: &str) -> Bytes {
    encode_event(event_type, path, -1)
}
