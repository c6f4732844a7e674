//! The server as its monitoring surfaces see it: `admin` reads it through here and knows nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::admin::metrics::Metrics;
use crate::admin::trace_mask::TraceMask;
use crate::admin::view::{
    ConnectionInfo, ConnectionSession, DigestInfo, EnsembleInfo, FollowerInfo, ServerInfo,
    ServerMode, SessionInfo, SnapshotInfo, View, WatchSummary, WatchedPaths,
};
use crate::apply::DIGEST_VERSION;
use treekeeper_protocol::path;

use crate::config::{Config, Member, MemberRole, PeerAddress};
use crate::connection::Connection;
use crate::consensus::{CAUGHT_UP_LAG, Consensus, Role};
use crate::publish::Node;

/// A view of a running server.
pub struct NodeView {
    node: Arc<Node>,
    client_port: u16,
    trace_mask: TraceMask,
}

impl NodeView {
    /// A view of `node`, whose clients connect to `client_port`.
    #[must_use]
    pub fn new(node: Arc<Node>, client_port: u16) -> Self {
        Self {
            node,
            client_port,
            trace_mask: TraceMask::default(),
        }
    }

    fn mode(&self) -> ServerMode {
        if self.node.contact.is_read_only() {
            return ServerMode::ReadOnly;
        }
        let role = self
            .node
            .consensus
            .get()
            .map(|consensus| consensus.leadership().borrow().role);
        match (&self.node.config.ensemble, role) {
            (None, _) => ServerMode::Standalone,
            (Some(_), Some(Role::Leader)) => ServerMode::Leader,
            (Some(_), Some(Role::Observer)) => ServerMode::Observer,
            (Some(_), _) => ServerMode::Follower,
        }
    }
}

fn count(number: usize) -> u64 {
    number as u64
}

impl View for NodeView {
    fn is_serving(&self) -> bool {
        self.node.contact.is_current() || self.node.serves_read_only()
    }

    fn config(&self) -> &Config {
        &self.node.config
    }

    fn metrics(&self) -> &Metrics {
        &self.node.metrics
    }

    fn trace_mask(&self) -> &TraceMask {
        &self.trace_mask
    }

    fn server(&self) -> ServerInfo {
        let rules_of_all = match self.node.config.ensemble {
            Some(_) => self.node.consensus.get().and_then(Consensus::rules_of_all),
            None => Some(self.node.config.rules.max()),
        };
        let state = self.node.state.read();
        ServerInfo {
            mode: self.mode(),
            last_zxid: state.meta.zxid,
            uptime: self.node.clock.elapsed(),
            client_port: self.client_port,
            connection_count: self.node.registry.len(),
            session_count: state.sessions.len(),
            local_session_count: self.node.local_sessions.lock().len()
                + self.node.read_only_sessions.lock().len(),
            outstanding_requests: count(self.node.proposer.outstanding()),
            // A stock server counts the root twice, as "" and as "/"; dashboards compare with that.
            node_count: state.meta.znode_count + 1,
            watch_count: count(self.node.watches.lock().len()),
            ephemeral_count: count(state.ephemeral_count),
            approximate_data_size: state.meta.data_size,
            rules: state.rules(),
            rules_of_all,
        }
    }

    fn ensemble(&self) -> Option<EnsembleInfo> {
        let my_id = self.node.config.ensemble.as_ref()?.my_id;
        let status = self.node.consensus.get()?.status();
        let config = self.node.state.read().tree.get(path::CONFIG).ok()??;
        let config = config.data.clone().unwrap_or_default();
        let leads = status.leadership.role == Role::Leader;
        let last_index = status.last_index.unwrap_or_default();
        let (mut followers, mut leader_id) = (Vec::new(), None);
        for member in &status.members {
            let Some(line) = Member::parse_line(&member.line) else {
                continue;
            };
            if status.leadership.leader == Some(member.node_id) {
                leader_id = Some(line.id);
            }
            if leads && member.node_id != status.node_id {
                let lag = last_index.saturating_sub(member.matched_index.unwrap_or_default());
                followers.push(FollowerInfo {
                    id: line.id,
                    address: line
                        .addresses
                        .first()
                        .map(PeerAddress::quorum)
                        .unwrap_or_default(),
                    voter: member.votes,
                    observer: !member.votes && line.role == MemberRole::Observer,
                    lag,
                    synced: lag <= CAUGHT_UP_LAG,
                });
            }
        }
        followers.sort_by_key(|follower| follower.id);
        Some(EnsembleInfo {
            my_id,
            leader_id,
            term: status.leadership.term,
            quorum_size: status.voters.len(),
            config_text: String::from_utf8_lossy(&config).into_owned(),
            elections: status.elections.count,
            followers,
            pending_syncs: status.pending_syncs,
            leader_uptime: status.elections.leading_since.map(|since| since.elapsed()),
        })
    }

    fn connections(&self) -> Vec<ConnectionInfo> {
        self.node
            .registry
            .all()
            .iter()
            .map(|connection| connection_info(connection))
            .collect()
    }

    fn sessions(&self) -> Vec<SessionInfo> {
        let state = self.node.state.read();
        let expiry = self.node.expiry.lock();
        let clock = self.node.clock;
        let global = state.sessions.iter().map(|(id, session)| SessionInfo {
            id: *id,
            is_local: false,
            expires_at: clock.wall_of(expiry.deadline_ms(*id).unwrap_or_default()),
            timeout: Duration::from_millis(u64::try_from(session.timeout_ms).unwrap_or_default()),
            ephemerals: session.ephemerals.iter().map(ToString::to_string).collect(),
        });
        let mut sessions: Vec<SessionInfo> = global.collect();
        drop(expiry);
        drop(state);
        for table in [&self.node.local_sessions, &self.node.read_only_sessions] {
            let local = table.lock();
            let each = |(id, deadline_ms, timeout_ms)| SessionInfo {
                id,
                is_local: true,
                expires_at: clock.wall_of(deadline_ms),
                timeout: Duration::from_millis(u64::try_from(timeout_ms).unwrap_or_default()),
                ephemerals: Vec::new(),
            };
            sessions.extend(local.deadlines_ms().map(each));
        }
        sessions.sort_by_key(|session| session.id);
        sessions
    }

    fn watches(&self) -> Vec<WatchedPaths> {
        let mut by_connection: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for (path, connection) in self.node.watches.lock().data_watches() {
            by_connection
                .entry(connection)
                .or_default()
                .push(path.to_string());
        }
        let watched = by_connection.into_iter().filter_map(|(id, mut paths)| {
            paths.sort();
            let session = self.node.registry.get(id)?.session()?;
            Some(WatchedPaths {
                session_id: session.id,
                paths,
            })
        });
        watched.collect()
    }

    fn watch_summary(&self) -> WatchSummary {
        let table = self.node.watches.lock();
        let mut summary = WatchSummary::default();
        let (mut connections, mut paths) = (
            std::collections::HashSet::new(),
            std::collections::HashSet::new(),
        );
        for (path, connection) in table.data_watches() {
            summary.watches += 1;
            connections.insert(connection);
            paths.insert(path);
        }
        WatchSummary {
            connections: count(connections.len()),
            paths: count(paths.len()),
            ..summary
        }
    }

    fn digests(&self) -> Vec<DigestInfo> {
        let points = self.node.digests.lock();
        points
            .iter()
            .map(|(zxid, digest)| DigestInfo {
                zxid,
                digest,
                version: DIGEST_VERSION,
            })
            .collect()
    }

    fn last_snapshot(&self) -> Option<SnapshotInfo> {
        None
    }

    fn reset_connection_stats(&self) {
        for connection in self.node.registry.all() {
            connection.reset_statistics();
        }
    }
}

fn connection_info(connection: &Connection) -> ConnectionInfo {
    let statistics = connection.statistics();
    let (outstanding, unsent) = connection.backlog();
    let session = connection.session().map(|session| ConnectionSession {
        id: session.id,
        timeout: Duration::from_millis(u64::try_from(session.timeout_ms).unwrap_or_default()),
        last_operation: statistics
            .last_operation
            .map_or(0, treekeeper_protocol::OpCode::as_i32),
        last_cxid: statistics.last_cxid.into(),
        last_zxid: statistics.last_zxid,
        last_response: statistics.last_response(),
        latency_last: statistics.latency_last,
        latency_min: statistics.latency_min.unwrap_or_default(),
        latency_average: statistics.latency_average(),
        latency_max: statistics.latency_max,
    });
    ConnectionInfo {
        remote: connection.peer(),
        reading: true,
        writing: unsent > 0,
        outstanding_requests: count(outstanding),
        packets_received: statistics.packets_received,
        packets_sent: statistics.packets_sent,
        established: connection.established(),
        session,
    }
}
