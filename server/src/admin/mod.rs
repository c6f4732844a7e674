//! What operators see: four-letter words, the HTTP commands, metrics.
//!
//! In: [`View`], through which the server shows itself as plain data, and [`Metrics`], which the server bumps.
//! Out: texts, JSON and the Prometheus exposition, as ZooKeeper's own tools expect them.
//! Not here: the sockets of the client port (`connection`), any internals of sessions, watches or the tree.

mod date;
mod ensemble;
mod environment;
pub mod four_letter;
mod gauges;
pub mod http;
mod json;
pub mod metrics;
mod monitor;
mod operation;
pub mod trace_mask;
mod version;
pub mod view;

pub use metrics::Metrics;
pub use trace_mask::TraceMask;
pub use version::full_version;
pub use view::View;

/// What a command answers that needs a serving server while there is none.
const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests";

#[cfg(test)]
mod fixed_view;
