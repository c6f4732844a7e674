//! From a proposal to what everybody sees.
//!
//! In: commands from connections and timers; committed entries from consensus. Out: proposals, numbered and batched
//! ([`Proposer`]); and the publish step ([`Machine`]): under the exclusive side of one lock, each command changes the
//! tree, its events go into the outboxes, then its reply. A read holds the shared side over lookup, watch
//! registration and its reply. So no change falls between a read and its watch, and nobody sees new data before the
//! event for it.
//! Not here: what a command does (`apply`), what makes it durable (`consensus`).

mod checkpoints;
mod clock;
mod contact;
mod digests;
mod divergence;
mod flusher;
mod machine;
mod node;
mod proposer;

pub use checkpoints::{CurrentTree, TreeCheckpoints, TreeFolders};
pub use clock::{Clock, TimeSource};
pub use contact::Contact;
pub use digests::Digests;
pub use divergence::{Divergence, Mark, Verdict};
pub use flusher::{FlushPolicy, FlushSignal, Flusher};
pub use machine::{ApplyError, Machine, applied};
pub use node::{Linearizer, Node};
pub use proposer::{Origin, Proposer, Standing, Write};

#[cfg(test)]
pub(crate) mod tests;
