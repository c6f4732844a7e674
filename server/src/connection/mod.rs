//! Connections of clients: bytes become requests, requests replies, in order.
//!
//! In: sockets. Out: writes, for the `publish::Proposer`; reads, answered here from the tree; replies and events,
//! coalesced into one write a wake-up. One task a connection ([`task`]); what other threads may touch of it is in
//! [`Connection`].
//! Not here: what a write does (`apply`), when a session expires (`session`).

use std::time::Duration;

mod fan_out;
mod handle;
mod handshake;
pub mod join;
mod large;
mod listener;
mod outbox;
mod queue;
mod read;
mod read_path;
mod reconfig;
mod registry;
mod set_watches;
mod socket;
mod statistics;
mod task;
mod workers;

pub use fan_out::{FanOut, WATCHERS_TOGETHER};
pub use handle::{Connection, Scope, Session};
pub use large::LargeRequestBytes;
pub use listener::{Listener, bind, serve_stream};
pub use queue::Turn;
pub use read::answer_behind;
pub use registry::Registry;
pub use statistics::Statistics;
pub use workers::Workers;

/// Requests one connection may have in flight before its socket is read no further.
pub const IN_FLIGHT_REQUESTS_MAX: usize = 1000;
/// Reads of one connection that may wait behind its writes: the publish step answers them under its lock.
pub const READY_REQUESTS_MAX: usize = 128;
/// Bytes of requests one connection may have in flight before its socket is read no further.
pub const IN_FLIGHT_BYTES_MAX: usize = 8 << 20;
/// Bytes of replies that wait for a slow client before its socket is read no further.
pub const OUTBOX_PAUSE_BYTES: usize = 1 << 20;
/// Bytes of events that wait for a slow client before it is closed: it has stopped reading.
pub const EVENT_BYTES_MAX: usize = 64 << 20;
/// How long a closed connection may take to accept its last replies.
pub const CLOSE_LINGER: Duration = Duration::from_secs(5);
/// Identities one connection may collect with `addauth`: each of its writes carries them through the log.
pub const IDENTITIES_MAX: usize = 64;
/// Bytes of those identities.
pub const IDENTITIES_BYTES_MAX: usize = 64 << 10;
/// Bytes of what one multi read may answer.
pub const MULTI_READ_BYTES_MAX: usize = 64 << 20;
/// Bytes of watches that one connection may hold, far above what any client needs.
pub const WATCH_BYTES_MAX: usize = 256 << 20;
/// Bytes asked of the socket at once.
pub const READ_BUFFER_BYTES: usize = 16 << 10;
/// Bytes of the read buffer that a thread keeps for whichever of its connections reads next.
pub const SPARE_BYTES_MAX: usize = 64 << 10;
