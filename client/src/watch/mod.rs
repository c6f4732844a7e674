//! Watches, as a caller holds them.
//!
//! In: events from the session's task. Out: a future for a one-shot watch, a stream for a persistent one.
//! Not here: who is told what (`table`).

mod table;

use futures::Stream;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
pub(crate) use table::{OneshotKind, Registration, WatchTable};
use tokio::sync::{mpsc, oneshot};
use treekeeper_protocol::{AddWatchMode, EventType, KeeperState};

/// Events that a persistent watch keeps for a reader that is slow; the next one ends its stream.
pub const WATCH_EVENTS_MAX: usize = 10_000;

/// What a watch tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedEvent {
    /// What happened to the znode; [`EventType::None`] if something happened to the session.
    pub event_type: EventType,
    /// The state of the session.
    pub state: KeeperState,
    /// The znode, below the chroot; empty if something happened to the session.
    pub path: String,
    /// The zxid of the change; −1 if the server does not tell it, or if the session is meant.
    pub zxid: i64,
}

impl WatchedEvent {
    pub(crate) const fn of_session(state: KeeperState) -> Self {
        Self {
            event_type: EventType::None,
            state,
            path: String::new(),
            zxid: -1,
        }
    }
}

/// A watch that fires once: a future of its event.
///
/// It survives reconnects. If the session ends first, the event says so: its type is [`EventType::None`], its
/// state [`KeeperState::Expired`], [`KeeperState::AuthFailed`] or [`KeeperState::Closed`]. Dropping it leaves the
/// watch on the server until it fires there.
#[derive(Debug)]
pub struct OneshotWatcher {
    events: oneshot::Receiver<WatchedEvent>,
}

impl OneshotWatcher {
    pub(crate) fn new() -> (oneshot::Sender<WatchedEvent>, Self) {
        let (sender, events) = oneshot::channel();
        (sender, Self { events })
    }
}

impl Future for OneshotWatcher {
    type Output = WatchedEvent;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<WatchedEvent> {
        let event = ready!(Pin::new(&mut self.events).poll(context));
        // The task only lets go of a watch without an event if the runtime shuts it down.
        Poll::Ready(event.unwrap_or(WatchedEvent::of_session(KeeperState::Closed)))
    }
}

/// A watch that stays: a stream of its events.
///
/// It survives reconnects, but **changes made while no server was connected are not told**: after the events with
/// state [`KeeperState::Disconnected`] and [`KeeperState::SyncConnected`] read again what you care about.
/// The stream ends when the watch is removed, when the session ends (after an event that says so), and when its
/// reader is more than [`WATCH_EVENTS_MAX`] events late ([`has_lagged`](Self::has_lagged)).
#[derive(Debug)]
pub struct PersistentWatcher {
    path: String,
    mode: AddWatchMode,
    events: mpsc::Receiver<WatchedEvent>,
    lagged: Arc<AtomicBool>,
}

impl PersistentWatcher {
    pub(crate) fn new(path: &str, mode: AddWatchMode) -> (EventSender, Self) {
        let (sender, events) = mpsc::channel(WATCH_EVENTS_MAX);
        let lagged = Arc::new(AtomicBool::new(false));
        let event_sender = EventSender {
            sender,
            lagged: Arc::clone(&lagged),
        };
        (
            event_sender,
            Self {
                path: path.to_owned(),
                mode,
                events,
                lagged,
            },
        )
    }

    /// The watched path, below the chroot.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the znode alone is watched, or everything below it too.
    #[must_use]
    pub const fn mode(&self) -> AddWatchMode {
        self.mode
    }

    /// The next event, `None` at the end. May be dropped half-way: no event is lost.
    pub async fn next_event(&mut self) -> Option<WatchedEvent> {
        self.events.recv().await
    }

    /// True if the stream ends because its reader was too slow; what is still in it is what came before.
    #[must_use]
    pub fn has_lagged(&self) -> bool {
        self.lagged.load(Ordering::Relaxed)
    }
}

impl Stream for PersistentWatcher {
    type Item = WatchedEvent;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<WatchedEvent>> {
        self.events.poll_recv(context)
    }
}

/// The task's end of a persistent watch.
#[derive(Debug)]
pub(crate) struct EventSender {
    sender: mpsc::Sender<WatchedEvent>,
    lagged: Arc<AtomicBool>,
}

impl EventSender {
    /// Hands over an event without waiting; false if nobody will read it.
    fn send(&self, event: &WatchedEvent) -> bool {
        match self.sender.try_send(event.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.lagged.store(true, Ordering::Relaxed);
                false
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }

    fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}
