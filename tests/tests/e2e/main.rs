//! treekeeper end to end: real processes, real sockets, real disks.
//!
//! Each module is a topic. The binary is found by `process::treekeeper`; nothing here links the server.

mod clean_stop;
mod cli;
mod config;
mod data_folder;
mod disk_full;
mod ensemble;
mod fill;
mod kill;
mod larger_than_memory;
mod log_damage;
mod read_only;
mod store_damage;
