//! Numbers that are read from the server when somebody asks, under ZooKeeper's names.
//!
//! In: a [`View`]. Out: one list, which `mntr`, the monitor command and Prometheus show. Not here: what the server
//! counts as it goes (`metrics`).

use super::view::{EnsembleInfo, ServerMode, View};
use prometheus_client::metrics::MetricType;
use std::fs;

/// A number that `mntr` shows as it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    /// A count, a size or a time in milliseconds.
    Whole(i64),
    /// A mean or a probability.
    Decimal(f64),
}

/// A gauge at the moment of reading.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gauge {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) value: Number,
    /// What Prometheus is told about it.
    pub(super) kind: MetricType,
}

impl Number {
    #[expect(
        clippy::cast_precision_loss,
        reason = "Prometheus knows no numbers but f64"
    )]
    pub(super) fn as_f64(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Decimal(number) => number,
        }
    }
}

/// All gauges, and the counters of traffic, in the order in which they are shown.
pub(super) fn read(view: &dyn View) -> Vec<Gauge> {
    let mut gauges = Gauges(Vec::with_capacity(32));
    let server = view.server();
    let latency = view.metrics().request_latency();
    gauges.decimal(
        "avg_latency",
        "Mean milliseconds from request to reply.",
        latency.average(),
    );
    gauges.whole(
        "max_latency",
        "Largest milliseconds from request to reply.",
        rounded(latency.max()),
    );
    gauges.whole(
        "min_latency",
        "Smallest milliseconds from request to reply.",
        rounded(latency.min()),
    );
    let traffic = view.metrics().traffic.totals();
    gauges.counted(
        "packets_received",
        "Requests received.",
        traffic.packets_received,
    );
    gauges.counted(
        "packets_sent",
        "Replies and events sent.",
        traffic.packets_sent,
    );
    gauges.counted(
        "bytes_received_count",
        "Bytes of requests received.",
        traffic.bytes_received,
    );
    gauges.counted(
        "response_bytes",
        "Bytes of replies sent.",
        traffic.response_bytes,
    );
    let size = |bytes: Option<u64>| bytes.map_or(-1, saturated);
    gauges.whole(
        "last_client_response_size",
        "Bytes of a latest reply.",
        size(traffic.response_last),
    );
    gauges.whole(
        "max_client_response_size",
        "Bytes of the largest reply.",
        size(traffic.response_max),
    );
    gauges.whole(
        "min_client_response_size",
        "Bytes of the smallest reply.",
        size(traffic.response_min),
    );
    gauges.whole(
        "num_alive_connections",
        "Open client connections.",
        saturated(server.connection_count as u64),
    );
    gauges.whole(
        "outstanding_requests",
        "Requests not answered yet.",
        saturated(server.outstanding_requests),
    );
    gauges.whole(
        "uptime",
        "Milliseconds since the server began to serve.",
        millis(server.uptime),
    );
    gauges.whole(
        "znode_count",
        "Znodes in the tree.",
        saturated(server.node_count),
    );
    gauges.whole(
        "watch_count",
        "Watches of all connections.",
        saturated(server.watch_count),
    );
    gauges.whole(
        "ephemerals_count",
        "Ephemeral znodes in the tree.",
        saturated(server.ephemeral_count),
    );
    gauges.whole(
        "approximate_data_size",
        "Bytes of all paths and data.",
        saturated(server.approximate_data_size),
    );
    gauges.whole(
        "global_sessions",
        "Live sessions.",
        saturated(server.session_count as u64),
    );
    gauges.whole(
        "local_sessions",
        "Live sessions of this server alone.",
        saturated(server.local_session_count as u64),
    );
    gauges.whole(
        "rules_version",
        "Version of the rules of apply in use.",
        server.rules.into(),
    );
    if let Some(rules) = server.rules_of_all {
        gauges.whole(
            "rules_version_of_all",
            "The newest version of the rules that all members support.",
            rules.into(),
        );
    }
    gauges.decimal(
        "connection_drop_probability",
        "Probability that a new connection is refused.",
        0.0,
    );
    gauges.whole("outstanding_tls_handshake", "TLS handshakes under way.", 0);
    if let Some(ensemble) = view.ensemble() {
        gauges.of_member(&ensemble);
        if server.mode == ServerMode::Leader {
            gauges.of_leader(&ensemble);
        }
    }
    if let Some(open) = open_files() {
        gauges.whole("open_file_descriptor_count", "Open file descriptors.", open);
    }
    if let Some(max) = open_files_max() {
        gauges.whole(
            "max_file_descriptor_count",
            "File descriptors that may be open.",
            max,
        );
    }
    gauges.0
}

struct Gauges(Vec<Gauge>);

impl Gauges {
    fn of_member(&mut self, ensemble: &EnsembleInfo) {
        self.whole(
            "quorum_size",
            "Members of the ensemble that vote.",
            saturated(ensemble.quorum_size as u64),
        );
        self.counted(
            "looking_count",
            "Elections that this member saw begin.",
            ensemble.elections,
        );
    }

    fn of_leader(&mut self, ensemble: &EnsembleInfo) {
        self.whole(
            "learners",
            "Members that follow this one.",
            saturated(ensemble.followers.len() as u64),
        );
        self.whole(
            "synced_followers",
            "Followers that vote and have caught up.",
            saturated(ensemble.synced_followers() as u64),
        );
        self.whole(
            "synced_non_voting_followers",
            "Followers that have caught up and may not vote yet.",
            saturated(ensemble.synced_non_voting_followers() as u64),
        );
        self.whole(
            "synced_observers",
            "Observers that have caught up.",
            saturated(ensemble.synced_observers() as u64),
        );
        self.whole(
            "pending_syncs",
            "Requests sync that wait for the leader.",
            saturated(ensemble.pending_syncs as u64),
        );
        if let Some(uptime) = ensemble.leader_uptime {
            self.whole(
                "leader_uptime",
                "Milliseconds since this member began to lead.",
                millis(uptime),
            );
        }
    }

    fn whole(&mut self, name: &'static str, help: &'static str, number: i64) {
        self.0.push(Gauge {
            name,
            help,
            value: Number::Whole(number),
            kind: MetricType::Gauge,
        });
    }

    fn decimal(&mut self, name: &'static str, help: &'static str, number: f64) {
        self.0.push(Gauge {
            name,
            help,
            value: Number::Decimal(number),
            kind: MetricType::Gauge,
        });
    }

    fn counted(&mut self, name: &'static str, help: &'static str, count: u64) {
        self.0.push(Gauge {
            name,
            help,
            value: Number::Whole(saturated(count)),
            kind: MetricType::Unknown,
        });
    }
}

/// A time of which ZooKeeper shows whole milliseconds.
#[expect(
    clippy::cast_possible_truncation,
    reason = "latencies are far below 2^63 milliseconds, and casts saturate"
)]
pub(super) fn rounded(number: f64) -> i64 {
    number.round() as i64
}

pub(super) fn saturated(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn open_files() -> Option<i64> {
    Some(saturated(fs::read_dir("/proc/self/fd").ok()?.count() as u64))
}

/// The soft limit of `/proc/self/limits`.
fn open_files_max() -> Option<i64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
