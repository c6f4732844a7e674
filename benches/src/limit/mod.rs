//! What the machine can do at best: the yardstick beside the servers.
//!
//! [`echo`]: the same frames through the same runtime, without a server's work. [`fdatasync`]: the disk alone.
//! `quorum`: an echo's writes through consensus, of one server or of three.

pub mod echo;
pub mod fdatasync;
mod quorum;
