//! What a case works with: a root znode of its own, clients, the server's control.
//!
//! In: the case's name. Out: clients and waiting. Not here: the verdict (`harness`).

use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use zookeeper_client::{
    Acls, Client, Connector, CreateMode, CreateOptions, EventType, OneshotWatcher,
    PersistentWatcher, SessionState, StateWatcher, WatchedEvent,
};

use crate::control::{Control, connect_address};
use crate::harness::{Failure, Outcome, same};

/// How long one condition is awaited.
const WAIT: Duration = Duration::from_secs(10);

/// A plain znode that everybody may use.
pub const PERSISTENT: CreateOptions<'static> = CreateMode::Persistent.with_acls(Acls::anyone_all());
/// An ephemeral that everybody may use.
pub const EPHEMERAL: CreateOptions<'static> = CreateMode::Ephemeral.with_acls(Acls::anyone_all());

/// The world of one case.
pub struct Scene {
    /// The path that the case's znodes are below.
    pub root: String,
    /// The server's process.
    pub control: Control,
}

impl Scene {
    /// A scene for the case of this name.
    pub fn new(name: &str) -> Scene {
        Scene {
            root: format!("/rust-{name}-{}", std::process::id()),
            control: Control::default(),
        }
    }

    /// A path below the root.
    pub fn at(&self, suffix: impl Display) -> String {
        format!("{}{suffix}", self.root)
    }

    /// A client with a session of 20 seconds.
    pub async fn client(&self) -> Result<Client, Failure> {
        self.connect(connector(Duration::from_secs(20))).await
    }

    /// A client made by the connector.
    pub async fn connect(&self, connector: Connector) -> Result<Client, Failure> {
        Ok(connector.connect(&connect_address()).await?)
    }

    /// A client that has made the case's root znode.
    pub async fn rooted(&self) -> Result<Client, Failure> {
        let client = self.client().await?;
        client.create(&self.root, b"", &PERSISTENT).await?;
        Ok(client)
    }
}

/// A connector that asks for this session time-out.
pub fn connector(session_timeout: Duration) -> Connector {
    Client::connector().with_session_timeout(session_timeout)
}

/// Waits until the condition holds.
pub async fn eventually<F: Future<Output = Result<bool, Failure>>>(
    what: &str,
    mut condition: impl FnMut() -> F,
) -> Outcome {
    let deadline = Instant::now() + WAIT;
    while !condition().await? {
        if Instant::now() > deadline {
            return Err(Failure::new(format!("not within {WAIT:?}: {what}")));
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Awaits what must come soon.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> Result<T, Failure> {
    timeout(WAIT, future)
        .await
        .map_err(|_| Failure::new(format!("not within {WAIT:?}: {what}")))
}

/// The event of a one-shot watch, which is of this type and path.
pub async fn fires(
    watcher: OneshotWatcher,
    event_type: EventType,
    path: &str,
) -> Result<WatchedEvent, Failure> {
    let event = soon("an event", watcher.changed()).await?;
    same(
        "event",
        (event.event_type, event.path.as_str()),
        (event_type, path),
    )?;
    Ok(event)
}

/// The next event of a persistent watch, which is of this type and path.
pub async fn next(
    watcher: &mut PersistentWatcher,
    event_type: EventType,
    path: &str,
) -> Result<i64, Failure> {
    let event = soon("an event", watcher.changed()).await?;
    same(
        "event",
        (event.event_type, event.path.as_str()),
        (event_type, path),
    )?;
    Ok(event.zxid)
}

/// Whether a future is ready at once.
pub async fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        value = future => Some(value),
        () = std::future::ready(()) => None,
    }
}

/// Waits until the client is in this state; states in between may be missed.
pub async fn reaches(states: &mut StateWatcher, wanted: SessionState) -> Outcome {
    soon(&format!("the state {wanted}"), async {
        while states.peek_state() != wanted {
            states.changed().await;
        }
    })
    .await
}
