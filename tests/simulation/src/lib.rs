//! Ensembles in simulated time: the same seed gives the same run, to the last byte.
//!
//! Real are: consensus (openraft, configured as in the server), batches and their numbers, apply, the tree with RocksDB,
//! the publish step, connections with the wire protocol, watches, sessions and their expiry, contact with a quorum.
//! Simulated are: time, links between members, the log's disk, and what tokio's timers do in the server. Clients note
//! what they were told; each file in [`properties`] holds one promise of the server against that.
//! Not here: sockets, segment files, whole trees sent to members (`tests/src/faults` has those).

#![forbid(unsafe_code)]

mod client;
mod disk;
mod history;
mod life;
mod machine;
mod member;
mod members;
mod nemesis;
mod network;
pub mod properties;
mod run;
mod stream;
mod time;
mod types;
mod world;

pub use disk::DiskFault;
pub use history::{
    Answer, Applied, AppliedBatch, Closed, Connection, FinalZnode, Op, Record, What, fingerprint,
};
pub use properties::Violation;
pub use run::{Options, Run, run};
