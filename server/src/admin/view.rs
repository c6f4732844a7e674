//! What the monitoring surfaces may know of the server: plain data, read through one trait.
//!
//! In: an implementation of [`View`] by the server. Out: the structs below. Not here: any text or JSON, any access
//! to connections, sessions or the tree themselves.

use super::metrics::Metrics;
use super::trace_mask::TraceMask;
use crate::config::Config;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The server as an observer sees it. Every method is a snapshot: two calls may see different moments.
pub trait View: Send + Sync + 'static {
    /// Whether requests are being served; while not, most commands answer that and nothing else.
    fn is_serving(&self) -> bool;

    /// The settings the server was started with.
    fn config(&self) -> &Config;

    /// What the server counts about itself.
    fn metrics(&self) -> &Metrics;

    /// The trace mask that operators may read and set.
    fn trace_mask(&self) -> &TraceMask;

    /// The numbers that nearly every command shows.
    fn server(&self) -> ServerInfo;

    /// The ensemble as this member sees it; none for a server that stands alone.
    fn ensemble(&self) -> Option<EnsembleInfo>;

    /// All connections on the client port, in the order of acceptance.
    fn connections(&self) -> Vec<ConnectionInfo>;

    /// All live sessions, by id.
    fn sessions(&self) -> Vec<SessionInfo>;

    /// The watched paths of every connection that watches something, by session id; each path once.
    fn watches(&self) -> Vec<WatchedPaths>;

    /// The size of [`View::watches`] without building it.
    fn watch_summary(&self) -> WatchSummary;

    /// Digests of the tree at recorded points, oldest first.
    fn digests(&self) -> Vec<DigestInfo>;

    /// The latest snapshot on disk, if there is one.
    fn last_snapshot(&self) -> Option<SnapshotInfo>;

    /// Forgets the per-connection counters and latencies.
    fn reset_connection_stats(&self);

    /// Forgets the server's counters and latencies.
    fn reset_server_stats(&self) {
        self.metrics().reset();
    }

    /// Bytes in the folder that holds the tree.
    fn data_dir_size(&self) -> u64 {
        folder_size(&self.config().storage.tree_dir())
    }

    /// Bytes in the folder that holds the log.
    fn log_dir_size(&self) -> u64 {
        folder_size(&self.config().storage.log_dir())
    }
}

/// The role of the server in its ensemble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerMode {
    /// The only member.
    Standalone,
    /// Leads the ensemble.
    Leader,
    /// Votes and follows.
    Follower,
    /// Follows without a vote.
    Observer,
    /// Cut off from the quorum, answering read-only clients.
    ReadOnly,
}

impl ServerMode {
    /// ZooKeeper's word for the role.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Observer => "observer",
            Self::ReadOnly => "read-only",
        }
    }
}

/// The state of the server in numbers.
#[derive(Clone, Debug)]
pub struct ServerInfo {
    /// The role in the ensemble.
    pub mode: ServerMode,
    /// The zxid of the last applied command.
    pub last_zxid: i64,
    /// Time since the process began to serve.
    pub uptime: Duration,
    /// The port that clients connect to, as bound.
    pub client_port: u16,
    /// Open connections on the client port, a four-letter word's own included.
    pub connection_count: usize,
    /// Live sessions that all members know.
    pub session_count: usize,
    /// Live sessions that only this member knows.
    pub local_session_count: usize,
    /// Requests received and not yet answered.
    pub outstanding_requests: u64,
    /// Znodes in the tree.
    pub node_count: u64,
    /// Watches of all connections.
    pub watch_count: u64,
    /// Ephemeral znodes in the tree.
    pub ephemeral_count: u64,
    /// Bytes of all paths and all data together.
    pub approximate_data_size: u64,
    /// The rules of apply in use.
    pub rules: u16,
    /// The newest rules that all members support; none while that is not known.
    pub rules_of_all: Option<u16>,
}

/// The ensemble as this member sees it.
#[derive(Clone, Debug)]
pub struct EnsembleInfo {
    /// This member's N.
    pub my_id: u8,
    /// The leader's N, while one is known.
    pub leader_id: Option<u8>,
    /// The latest term that this member has seen.
    pub term: u64,
    /// How many members vote.
    pub quorum_size: usize,
    /// The content of `/zookeeper/config`: a line for each member, and the version of the list.
    pub config_text: String,
    /// Elections that this member saw begin since it started.
    pub elections: u64,
    /// On the leader: the others, by N.
    pub followers: Vec<FollowerInfo>,
    /// On the leader: time since it began to lead.
    pub leader_uptime: Option<Duration>,
    /// Syncs and strict reads of this member's clients, and questions of other members to this one, their leader, that
    /// wait for a quorum to confirm the leader.
    pub pending_syncs: usize,
}

/// Another member as its leader sees it.
#[derive(Clone, Debug)]
pub struct FollowerInfo {
    /// Its N.
    pub id: u8,
    /// Where the leader reaches it.
    pub address: String,
    /// Whether it votes.
    pub voter: bool,
    /// Whether it is an observer: it does not vote and is not about to.
    pub observer: bool,
    /// Log entries it lacks.
    pub lag: u64,
    /// Whether it has caught up with the leader.
    pub synced: bool,
}

/// One connection on the client port.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// The client's end.
    pub remote: SocketAddr,
    /// Whether the server waits for the client's bytes; not while it holds the connection back, and not for a
    /// four-letter word's own.
    pub reading: bool,
    /// Whether the server has bytes to send that the socket has not taken yet.
    pub writing: bool,
    /// Requests received and not yet answered.
    pub outstanding_requests: u64,
    /// Requests received.
    pub packets_received: u64,
    /// Replies and events sent.
    pub packets_sent: u64,
    /// When the connection was accepted.
    pub established: SystemTime,
    /// What is known once the handshake is done.
    pub session: Option<ConnectionSession>,
}

impl ConnectionInfo {
    /// The client's end as Java prints it: an IPv4 client of an IPv6 socket keeps its IPv4 address.
    pub(super) fn remote_text(&self) -> String {
        SocketAddr::new(self.remote.ip().to_canonical(), self.remote.port()).to_string()
    }

    /// Java's bits for what a selector waits for: 1 to read, 4 to write.
    pub(super) fn interest_ops(&self) -> u8 {
        u8::from(self.reading) + 4 * u8::from(self.writing)
    }
}

/// The session side of a connection.
#[derive(Clone, Debug)]
pub struct ConnectionSession {
    /// The session's id.
    pub id: i64,
    /// The negotiated time-out.
    pub timeout: Duration,
    /// The op code of the last request answered; 0 before the first.
    pub last_operation: i32,
    /// The xid of the last request answered; negative for pings and other special ones.
    pub last_cxid: i64,
    /// The zxid of the last reply.
    pub last_zxid: i64,
    /// When the last reply was sent; none before the first.
    pub last_response: Option<SystemTime>,
    /// Latency of the last request.
    pub latency_last: Duration,
    /// Smallest latency.
    pub latency_min: Duration,
    /// Mean latency.
    pub latency_average: Duration,
    /// Largest latency.
    pub latency_max: Duration,
}

/// One live session.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// The session's id.
    pub id: i64,
    /// Whether only this member knows it.
    pub is_local: bool,
    /// When it ends unless its client is heard again.
    pub expires_at: SystemTime,
    /// The negotiated time-out.
    pub timeout: Duration,
    /// The paths of its ephemeral znodes, sorted.
    pub ephemerals: Vec<String>,
}

/// What one connection watches.
#[derive(Clone, Debug)]
pub struct WatchedPaths {
    /// The connection's session.
    pub session_id: i64,
    /// The watched paths, each once.
    pub paths: Vec<String>,
}

/// How much is watched.
#[derive(Clone, Copy, Debug, Default)]
pub struct WatchSummary {
    /// Connections with at least one watch.
    pub connections: u64,
    /// Paths with at least one watch.
    pub paths: u64,
    /// Pairs of connection and path.
    pub watches: u64,
}

/// The sessions that watch each path.
pub(super) fn sessions_by_path(watches: &[WatchedPaths]) -> BTreeMap<String, Vec<i64>> {
    let mut by_path: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for watched in watches {
        for path in &watched.paths {
            by_path
                .entry(path.clone())
                .or_default()
                .push(watched.session_id);
        }
    }
    by_path
}

/// The digest of the tree at one zxid.
#[derive(Clone, Copy, Debug)]
pub struct DigestInfo {
    /// The zxid after which the digest was taken.
    pub zxid: i64,
    /// The digest.
    pub digest: u64,
    /// How the digest is computed.
    pub version: u32,
}

/// A snapshot on disk.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotInfo {
    /// The last zxid in it.
    pub zxid: i64,
    /// When it was written.
    pub written: SystemTime,
}

/// Bytes of all files in `folder` and below; what cannot be read counts as nothing.
fn folder_size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => folder_size(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
