//! An async client for servers that speak the `ZooKeeper` protocol.
//!
//! In: calls of a [`Client`]. Out: replies, watches as futures and streams, and the state of the session.
//! One task per client owns the session and its connection ([`Client`] is a cheap handle to it); it finds
//! another server when a connection is lost, and registers identities and watches there again.
//! Not here: the bytes of records (`treekeeper-protocol`).
//!
//! ```no_run
//! # async fn example() -> Result<(), treekeeper_client::Error> {
//! use treekeeper_client::{Client, CreateMode, CreateOptions};
//!
//! let client = Client::connect("127.0.0.1:2181,127.0.0.1:2182/app").await?;
//! client.create("/lock", "mine", &CreateOptions::new(CreateMode::Ephemeral)).await?;
//! let (data, stat, changed) = client.get_data_and_watch("/lock").await?;
//! println!("{data:?} at version {}, then {:?}", stat.version, changed.await);
//! client.close().await
//! # }
//! ```

#![forbid(unsafe_code)]

mod builder;
mod chroot;
mod client;
mod connect_string;
mod create_options;
mod error;
mod multi;
mod session;
mod watch;

pub use builder::{ClientBuilder, REQUEST_LEN_MAX_DEFAULT};
pub use client::Client;
pub use connect_string::{ConnectStringError, parse_servers};
pub use create_options::CreateOptions;
pub use error::Error;
pub use multi::{Op, ReadOp};
pub use session::{SessionInfo, SessionState};
pub use treekeeper_protocol::{
    Acl, AddWatchMode, ClientInfo, CreateMode, ErrorCode, EventType, KeeperState, OpResult,
    PathError, Stat, WatchKind, perms,
};
pub use watch::{OneshotWatcher, PersistentWatcher, WATCH_EVENTS_MAX, WatchedEvent};
