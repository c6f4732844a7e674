//! The treekeeper server: everything behind the binary of that name.
//!
//! A write passes `connection` → `publish::Proposer` → `consensus` → `log` → `publish::Machine` → `apply` → `tree`,
//! then `watch` and back to `connection`. `ARCHITECTURE.md` tells the story.

#![forbid(unsafe_code)]

pub mod admin;
pub mod apply;
pub mod auth;
pub mod cli;
pub mod config;
pub mod connection;
pub mod consensus;
pub mod join;
pub mod log;
pub mod members;
pub mod peer;
pub mod publish;
pub mod recover;
pub mod rules;
pub mod server;
pub mod session;
pub mod timers;
pub mod tree;
pub mod view;
pub mod watch;
