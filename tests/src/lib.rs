//! What crosses crates: real clients against treekeeper, and the same against Apache ZooKeeper.
//!
//! Not here: unit tests, which stand beside what they test; load, which is `benches`.
//!
//! This package links neither the server nor RocksDB: it meets treekeeper as a process, as everybody else does.

#![forbid(unsafe_code)]

pub mod abuse;
pub mod compat;
pub mod faults;
pub mod process;
pub mod wire;
