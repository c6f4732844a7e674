//! The compatibility suites: real ZooKeeper clients against treekeeper and against Apache ZooKeeper.
//!
//! In: the folders of `tests/compat/` that hold an executable `run`. Out: one outcome per suite, case and server.
//! Not here: what a case asks of a server; that stands in the suites, each in its own language.
//!
//! A suite is started with these in its environment:
//!
//! | variable | value |
//! |---|---|
//! | `TK_CONNECT` | `127.0.0.1:PORT`, the server's client port |
//! | `TK_CONTROL` | `127.0.0.1:PORT`, where the suite may kill and restart the server ([`control`]) |
//! | `TK_ADMIN` | `127.0.0.1:PORT`, the `AdminServer`'s HTTP port |
//! | `TK_SERVER` | `treekeeper` or `zookeeper` |
//! | `TK_MODE` | `standalone`, or `observer` of an ensemble whose leader is killed every few seconds |
//!
//! It prints a line per case ([`case`]) on its standard output and exits with 0 when it ran to its end.

pub mod case;
mod companions;
pub mod control;
pub mod matrix;
pub mod ports;
pub mod run;
pub mod server;
pub mod settings;
pub mod suite;
