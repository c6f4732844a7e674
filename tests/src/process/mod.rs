//! treekeeper as a process: started, watched through what it says on stderr, signalled, killed.
//!
//! In: arguments. Out: a running server, how it ended, and what it said. Everything here is for tests: what goes wrong
//! is a panic with the server's own words in it.
//! Not here: what is asked of the server over its port (the tests themselves, with `treekeeper-client`).

pub mod binary;
pub mod ensemble;
pub mod files;
pub mod namespace;
pub mod server;

pub use binary::treekeeper;
pub use ensemble::{Ensemble, Mode};
pub use namespace::Namespace;
pub use server::{Ended, Server, ServerOptions};
