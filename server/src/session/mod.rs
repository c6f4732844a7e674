//! Sessions: until when they live, and which connection holds each.
//!
//! In: touches from connections; opened, moved and closed sessions from `publish`; ticks. Out: the sessions whose
//! time has come. Deadlines stay in the leader's memory; the log keeps time-outs. Sessions of one member alone ([`LocalSessions`])
//! are here as a whole.
//! Not here: ephemeral znodes (`apply`), sockets (`connection`), proposing the close (`server`).

mod expiry;
mod holders;
mod local;

pub use expiry::{Expiry, Liveness};
pub use holders::Holders;
pub use local::{LocalSessions, is_read_only_id};
