//! Which watches the session has, and whom an event concerns.
//!
//! In: registrations that the server has confirmed, and its events. Out: events to watchers, and the requests that
//! register everything again on another connection. All paths in the table are the server's.

use super::{EventSender, WatchedEvent};
use crate::chroot::Chroot;
use std::collections::HashMap;
use tokio::sync::oneshot;
use treekeeper_protocol::{
    AddWatchMode, EventType, KeeperState, SetWatchesRequest, WatchKind, WatcherEvent, path,
};

/// Bytes of paths in one request that registers watches again, so that any number of watches fits the frame limit.
const SET_WATCHES_LEN_MAX: usize = 128 * 1024;

/// Watches are counted and swept when there are twice as many as after the last time, but not below this number.
const SWEEP_MIN: usize = 1024;

/// What a one-shot watch is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OneshotKind {
    /// The data of a znode that exists.
    Data,
    /// The creation of a znode that does not exist.
    Exist,
    /// The children of a znode.
    Child,
}

/// A watch that the server has just confirmed.
#[derive(Debug)]
pub(crate) enum Registration {
    Oneshot(OneshotKind, oneshot::Sender<WatchedEvent>),
    Persistent(AddWatchMode, EventSender),
}

type Oneshots = HashMap<String, Vec<oneshot::Sender<WatchedEvent>>>;
type Persistents = HashMap<String, Vec<EventSender>>;

/// All watches of a session.
#[derive(Debug)]
pub(crate) struct WatchTable {
    chroot: Chroot,
    data: Oneshots,
    exist: Oneshots,
    child: Oneshots,
    persistent: Persistents,
    recursive: Persistents,
    /// Registrations since the last sweep may not exceed the rest of this.
    sweep_at: usize,
    registered: usize,
}

impl WatchTable {
    pub(crate) fn new(chroot: Chroot) -> Self {
        Self {
            chroot,
            data: HashMap::new(),
            exist: HashMap::new(),
            child: HashMap::new(),
            persistent: HashMap::new(),
            recursive: HashMap::new(),
            sweep_at: SWEEP_MIN,
            registered: 0,
        }
    }

    /// Adds a watch on the server's `path`.
    pub(crate) fn register(&mut self, path: String, registration: Registration) {
        self.registered += 1;
        if self.registered > self.sweep_at {
            self.sweep();
        }
        match registration {
            Registration::Oneshot(kind, sender) => {
                self.oneshots(kind).entry(path).or_default().push(sender);
            }
            Registration::Persistent(AddWatchMode::Persistent, sender) => {
                self.persistent.entry(path).or_default().push(sender);
            }
            Registration::Persistent(AddWatchMode::PersistentRecursive, sender) => {
                self.recursive.entry(path).or_default().push(sender);
            }
        }
    }

    fn oneshots(&mut self, kind: OneshotKind) -> &mut Oneshots {
        match kind {
            OneshotKind::Data => &mut self.data,
            OneshotKind::Exist => &mut self.exist,
            OneshotKind::Child => &mut self.child,
        }
    }

    /// Forgets watches whose holders are gone.
    fn sweep(&mut self) {
        let mut left = 0;
        for table in [&mut self.data, &mut self.exist, &mut self.child] {
            table.retain(|_, watchers| {
                watchers.retain(|watcher| !watcher.is_closed());
                left += watchers.len();
                !watchers.is_empty()
            });
        }
        for table in [&mut self.persistent, &mut self.recursive] {
            table.retain(|_, watchers| {
                watchers.retain(|watcher| !watcher.is_closed());
                left += watchers.len();
                !watchers.is_empty()
            });
        }
        self.registered = left;
        self.sweep_at = SWEEP_MIN.max(2 * left);
    }

    /// Tells an event of the server to everybody it concerns; one-shot watches are gone after it.
    pub(crate) fn fire(&mut self, event: &WatcherEvent, zxid: i64) {
        let watched = WatchedEvent {
            event_type: event.event_type,
            state: event.state,
            path: self
                .chroot
                .relative(&event.path)
                .unwrap_or(&event.path)
                .to_owned(),
            zxid,
        };
        match event.event_type {
            EventType::NodeCreated | EventType::NodeDataChanged => {
                fire_once(&mut self.data, &event.path, &watched);
                fire_once(&mut self.exist, &event.path, &watched);
            }
            EventType::NodeDeleted => {
                fire_once(&mut self.data, &event.path, &watched);
                fire_once(&mut self.exist, &event.path, &watched);
                fire_once(&mut self.child, &event.path, &watched);
            }
            EventType::NodeChildrenChanged => fire_once(&mut self.child, &event.path, &watched),
            EventType::None
            | EventType::DataWatchRemoved
            | EventType::ChildWatchRemoved
            | EventType::PersistentWatchRemoved => return,
        }
        fire_persistent(&mut self.persistent, &event.path, &watched);
        if event.event_type != EventType::NodeChildrenChanged {
            let mut ancestor = Some(event.path.as_str());
            while let Some(path) = ancestor {
                fire_persistent(&mut self.recursive, path, &watched);
                ancestor = path::parent(path);
            }
        }
    }

    /// Tells persistent watchers that the session was disconnected or connected again.
    pub(crate) fn connection_changed(&mut self, state: KeeperState) {
        let event = WatchedEvent::of_session(state);
        for table in [&mut self.persistent, &mut self.recursive] {
            table.retain(|_, watchers| {
                watchers.retain(|watcher| watcher.send(&event));
                !watchers.is_empty()
            });
        }
    }

    /// Tells every watcher that the session has ended.
    pub(crate) fn end(&mut self, state: KeeperState) {
        self.connection_changed(state);
        self.persistent.clear();
        self.recursive.clear();
        let event = WatchedEvent::of_session(state);
        for table in [&mut self.data, &mut self.exist, &mut self.child] {
            for watcher in table.drain().flat_map(|(_, watchers)| watchers) {
                tell(watcher, &event);
            }
        }
    }

    /// Forgets watches that the server has removed, and tells their holders.
    pub(crate) fn remove(&mut self, path: &str, kind: WatchKind) {
        let relative = self.chroot.relative(path).unwrap_or(path).to_owned();
        let event = |event_type| WatchedEvent {
            event_type,
            state: KeeperState::SyncConnected,
            path: relative.clone(),
            zxid: -1,
        };
        if matches!(kind, WatchKind::Data | WatchKind::Any) {
            fire_once(&mut self.data, path, &event(EventType::DataWatchRemoved));
            fire_once(&mut self.exist, path, &event(EventType::DataWatchRemoved));
        }
        if matches!(kind, WatchKind::Children | WatchKind::Any) {
            fire_once(&mut self.child, path, &event(EventType::ChildWatchRemoved));
        }
        let removed = event(EventType::PersistentWatchRemoved);
        if matches!(kind, WatchKind::Persistent | WatchKind::Any) {
            fire_persistent(&mut self.persistent, path, &removed);
            self.persistent.remove(path);
        }
        if matches!(kind, WatchKind::PersistentRecursive | WatchKind::Any) {
            fire_persistent(&mut self.recursive, path, &removed);
            self.recursive.remove(path);
        }
    }

    /// The requests that register every watch on a new connection, relative to the last zxid that was seen.
    pub(crate) fn set_watches(&mut self, relative_zxid: i64) -> Vec<SetWatchesRequest> {
        type List = fn(&mut SetWatchesRequest) -> &mut Vec<String>;
        self.sweep();
        let data: List = |request| &mut request.data;
        let exist: List = |request| &mut request.exist;
        let child: List = |request| &mut request.child;
        let persistent: List = |request| &mut request.persistent;
        let recursive: List = |request| &mut request.persistent_recursive;
        let watches = (self.data.keys().map(|path| (path, data)))
            .chain(self.exist.keys().map(|path| (path, exist)))
            .chain(self.child.keys().map(|path| (path, child)))
            .chain(self.persistent.keys().map(|path| (path, persistent)))
            .chain(self.recursive.keys().map(|path| (path, recursive)));
        let empty = SetWatchesRequest {
            relative_zxid,
            ..SetWatchesRequest::default()
        };
        let mut requests = Vec::new();
        let mut length = usize::MAX;
        for (path, list) in watches {
            let path_length = 4 + path.len();
            if length.saturating_add(path_length) > SET_WATCHES_LEN_MAX {
                requests.push(empty.clone());
                length = 0;
            }
            length += path_length;
            if let Some(request) = requests.last_mut() {
                list(request).push(path.clone());
            }
        }
        requests
    }
}

/// Hands over a one-shot event. Its holder may be gone, which is no loss.
fn tell(watcher: oneshot::Sender<WatchedEvent>, event: &WatchedEvent) {
    drop(watcher.send(event.clone()));
}

fn fire_once(table: &mut Oneshots, path: &str, event: &WatchedEvent) {
    for watcher in table.remove(path).into_iter().flatten() {
        tell(watcher, event);
    }
}

fn fire_persistent(table: &mut Persistents, path: &str, event: &WatchedEvent) {
    if let Some(watchers) = table.get_mut(path) {
        watchers.retain(|watcher| watcher.send(event));
        if watchers.is_empty() {
            table.remove(path);
        }
    }
}

#[cfg(test)]
mod tests;
