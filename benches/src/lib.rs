//! treekeeper and Apache ZooKeeper side by side, and beside them what the machine can do at best.
//!
//! The path of a value in the table, from left to right:
//!
//! ```text
//! comparison ─▶ server (fresh process, fresh folder) ─▶ scenario ─▶ load ─▶ Sample ─▶ report (statistics, budget)
//!     └───────▶ limit (echo, fdatasync) ───────────────────┘
//! ```
//!
//! * [`line`]: the lines of the table and their budgets; the place to begin.
//! * [`scenario`]: what is done to a server to fill a line.
//! * [`load`]: the load generator.
//! * [`server`]: how Apache ZooKeeper, treekeeper and others are started, killed and started again.
//! * [`growth`]: how the servers fare as what they hold grows; a run and a report of its own.
//! * [`limit`]: an echo of the same frames, the disk alone, and consensus without a tree.
//!
//! treekeeper's server is measured from outside, like any other; only the limit of three servers is made of a part of
//! it.

#![forbid(unsafe_code)]

pub mod budget;
pub mod comparison;
pub mod growth;
pub mod limit;
pub mod line;
pub mod load;
pub mod machine;
pub mod report;
pub mod scenario;
pub mod server;
pub mod statistics;
pub mod usage;
