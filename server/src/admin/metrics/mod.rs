//! What the server counts about itself, under ZooKeeper's metric names.
//!
//! In: [`Metrics`], bumped by every part of the server with relaxed atomics (no lock on any request; a read costs
//! some ten nanoseconds).
//! Out: [`Metrics::visit`], which shows each metric once to `mntr`, the monitor command and Prometheus.
//! Not here: gauges that are read from the server when somebody asks (`admin::gauges`), text formats.

mod counter;
mod histogram;
mod prometheus;
mod shard;
mod summary;
mod traffic;

pub use counter::Counter;
pub use histogram::Distribution;
pub(super) use prometheus::{CONTENT_TYPE, exposition};
pub use summary::{Sizes, Times};
pub use traffic::{Traffic, TrafficCounts};

/// The value of one metric at the moment of reading.
#[derive(Clone, Debug)]
pub enum Sample {
    /// A count since the start or the last reset.
    Counter(u64),
    /// A distribution shown with its mean, bounds, count and sum.
    Basic(Distribution),
    /// A distribution shown with percentiles as well.
    Advanced(Distribution),
}

/// One metric as [`Metrics::visit`] shows it.
#[derive(Clone, Debug)]
pub struct Reading {
    /// ZooKeeper's name of the metric, without prefix or suffix.
    pub name: &'static str,
    /// One sentence on what is counted.
    pub help: &'static str,
    /// The value.
    pub sample: Sample,
}

/// What every kind of metric can do.
trait Metric {
    fn sample(&self) -> Sample;
    fn reset(&self);
}

/// Declares [`Metrics`]: each line is the field's documentation (also the help text), the field's name (also the
/// metric's name), and its kind.
macro_rules! metrics {
    ($(#[doc = $help:literal] $name:ident: $kind:ty = $new:expr;)+) => {
        /// All metrics that the server bumps. Shared by reference; every method takes `&self`.
        #[derive(Debug)]
        pub struct Metrics {
            /// Requests and replies of all connections.
            pub traffic: Traffic,
            $(#[doc = $help] pub $name: $kind,)+
        }

        impl Metrics {
            /// Metrics that have counted nothing.
            #[must_use]
            pub fn new() -> Self {
                Self { traffic: Traffic::new(), $($name: $new,)+ }
            }

            /// Forgets everything counted so far.
            pub fn reset(&self) {
                self.traffic.reset();
                $(self.$name.reset();)+
            }

            /// Shows each metric of the table once, in the table's order. Traffic is read from
            /// [`Metrics::traffic`], whose names are given by the reader.
            pub fn visit(&self, visitor: &mut dyn FnMut(Reading)) {
                let mut show = |name, help: &'static str, sample| visitor(Reading { name, help: help.trim(), sample });
                $(show(stringify!($name), $help, self.$name.sample());)+
            }
        }
    };
}

metrics! {
    /// Connections accepted on the client port.
    connection_request_count: Counter = Counter::new();
    /// Connections refused because of a limit.
    connection_rejected: Counter = Counter::new();
    /// Connections closed by the server or lost, for whatever reason.
    connection_drop_count: Counter = Counter::new();
    /// Connections that took over an existing session.
    connection_revalidate_count: Counter = Counter::new();
    /// Connections closed because no handshake came in time.
    sessionless_connections_expired: Counter = Counter::new();
    /// Requests refused because too many bytes of large requests were in flight.
    large_requests_rejected: Counter = Counter::new();
    /// Sessions closed because their time-out passed.
    stale_sessions_expired: Counter = Counter::new();
    /// Authentications that failed.
    auth_failed_count: Counter = Counter::new();
    /// Commands committed.
    commit_count: Counter = Counter::new();
    /// Bytes of watch events handed to connections.
    watch_bytes: Counter = Counter::new();
    /// Syncs of the log that took longer than the warning threshold.
    fsync_threshold_exceed_count: Counter = Counter::new();
    /// Milliseconds to sync the log to the disk.
    fsynctime: Times = Times::basic();
    /// Milliseconds to open the tree at start, replay included.
    dbinittime: Times = Times::basic();
    /// Log entries replayed at start.
    startup_txns_loaded: Sizes = Sizes::basic();
    /// Milliseconds to replay the log at start.
    startup_txns_load_time: Times = Times::basic();
    /// Milliseconds to open the stored tree at start.
    startup_snap_load_time: Times = Times::basic();
    /// Watchers told of one created znode.
    node_created_watch_count: Sizes = Sizes::basic();
    /// Watchers told of one deleted znode.
    node_deleted_watch_count: Sizes = Sizes::basic();
    /// Watchers told of one change of data.
    node_changed_watch_count: Sizes = Sizes::basic();
    /// Watchers told of one change of a list of children.
    node_children_watch_count: Sizes = Sizes::basic();
    /// Milliseconds from receiving a read, ping or other request that changes nothing to its reply.
    readlatency: Times = Times::hot();
    /// Milliseconds from receiving a write to its reply.
    updatelatency: Times = Times::hot();
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Latency of all requests, reads and writes together.
    #[must_use]
    pub fn request_latency(&self) -> Distribution {
        self.readlatency
            .distribution()
            .merged(self.updatelatency.distribution())
    }
}

#[cfg(test)]
mod tests;
