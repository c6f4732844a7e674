//! Connections of clients: bytes become requests, requests replies, in order.
//!
//! In: sockets. Out: writes, for the `publish::Proposer`; reads, answered here from the tree; replies and events,
//! coalesced into one write a wake-up. One task a connection ([`task`]); what other threads may touch of it is in
//! [`Connection`].
//! Not here: what a write does (`apply`), when a session expires (`session`).

mod handle;
mod handshake;
mod large;
mod listener;
mod outbox;
mod queue;
mod read;
mod read_path;
mod registry;
mod set_watches;
mod statistics;
mod task;

pub use handle::{Connection, Session};
pub use large::LargeRequestBytes;
pub use listener::{Listener, bind};
pub use queue::Turn;
pub use read::answer_behind;
pub use registry::Registry;
pub use statistics::Statistics;

/// Requests one connection may have in flight before its socket is read no further.
pub const IN_FLIGHT_REQUESTS_MAX: usize = 1000;
/// Bytes of requests one connection may have in flight before its socket is read no further.
pub const IN_FLIGHT_BYTES_MAX: usize = 8 << 20;
/// Bytes of replies that wait for a slow client before its socket is read no further.
pub const OUTBOX_PAUSE_BYTES: usize = 1 << 20;
/// Bytes of events and replies that wait for a slow client before it is closed: it stopped reading.
pub const OUTBOX_BYTES_MAX: usize = 64 << 20;
/// Bytes asked of the socket at once.
pub const READ_BUFFER_BYTES: usize = 16 << 10;
