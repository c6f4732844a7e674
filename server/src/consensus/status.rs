//! Role, leader and positions as plain data.

use std::time::Instant;

use openraft::async_runtime::watch::WatchReceiver;
use openraft::metrics::RaftServerMetrics;
use openraft::vote::RaftLeaderId;
use openraft::{RaftMetrics, ServerState};

use super::Inner;
use super::types::Types;
use crate::log::LogStats;

/// What this node does in the ensemble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Places proposals.
    Leader,
    /// Follows a leader and may become one.
    Follower,
    /// Stands for election.
    Candidate,
    /// Follows without a vote.
    Observer,
    /// Has stopped.
    Stopped,
}

impl From<ServerState> for Role {
    fn from(state: ServerState) -> Role {
        match state {
            ServerState::Leader => Role::Leader,
            ServerState::Follower => Role::Follower,
            ServerState::Candidate => Role::Candidate,
            ServerState::Learner => Role::Observer,
            ServerState::Shutdown => Role::Stopped,
        }
    }
}

/// Who leads, as this node knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// This node's part.
    pub role: Role,
    /// The current term.
    pub term: u64,
    /// The node that leads.
    pub leader: Option<u64>,
}

impl Leadership {
    pub(crate) fn of(metrics: &RaftServerMetrics<Types>) -> Leadership {
        Leadership {
            role: metrics.state.into(),
            term: metrics.vote.leader_id().term(),
            leader: metrics.current_leader,
        }
    }
}

/// What this node has seen of elections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Elections {
    /// How many began since the process did.
    pub count: u64,
    /// Since when this node leads.
    pub leading_since: Option<Instant>,
    term: u64,
}

impl Elections {
    /// The leadership has changed.
    pub(super) fn note(&mut self, leadership: Leadership) {
        self.count += u64::from(leadership.term > self.term);
        if leadership.role != Role::Leader {
            self.leading_since = None;
        } else if leadership.term > self.term || self.leading_since.is_none() {
            self.leading_since = Some(Instant::now());
        }
        self.term = leadership.term;
    }
}

/// Positions and role, for metrics and operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// This node's id.
    pub node_id: u64,
    /// Who leads.
    pub leadership: Leadership,
    /// Index of the last entry, durable or not.
    pub last_index: Option<u64>,
    /// Index of the last entry known to be committed.
    pub committed_index: Option<u64>,
    /// Index of the last applied entry.
    pub applied_index: Option<u64>,
    /// Index of the last entry that was given up after a flush.
    pub purged_index: Option<u64>,
    /// Bytes of proposals handed over and not applied yet.
    pub in_flight_bytes: usize,
    /// What the log did, and what it takes on disk.
    pub log: LogStats,
    /// Ids of the voters.
    pub voters: Vec<u64>,
    /// Questions for the read index that wait for an answer, of this member's clients and of other members.
    pub pending_syncs: usize,
    /// Elections, as far as this node has seen them.
    pub elections: Elections,
    /// All members; empty addresses stand for a server alone.
    pub members: Vec<MemberStatus>,
}

/// A member of the ensemble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// Its node id.
    pub node_id: u64,
    /// Its `server.N` line.
    pub line: String,
    /// Has it a vote?
    pub votes: bool,
    /// On the leader: the last index that it is known to hold.
    pub matched_index: Option<u64>,
}

pub(super) fn status(inner: &Inner) -> Status {
    let metrics = inner.raft.metrics();
    let metrics = metrics.borrow_watched();
    Status {
        node_id: inner.node_id,
        leadership: Leadership {
            role: metrics.state.into(),
            term: metrics.current_term,
            leader: metrics.current_leader,
        },
        last_index: metrics.last_log_index,
        committed_index: metrics.local_committed.map(|committed| committed.index),
        applied_index: metrics.last_applied.map(|applied| applied.index),
        purged_index: inner.log.purged().map(|purged| purged.index),
        in_flight_bytes: inner.in_flight.bytes(),
        log: inner.log.stats(),
        voters: metrics.membership_config.voter_ids().collect(),
        pending_syncs: inner
            .links
            .as_ref()
            .map_or(0, |links| links.pending().count()),
        elections: *inner.elections.lock(),
        members: members(&metrics),
    }
}

fn members(metrics: &RaftMetrics<Types>) -> Vec<MemberStatus> {
    let membership = metrics.membership_config.membership();
    let voters: Vec<u64> = membership.voter_ids().collect();
    let nodes = membership.nodes();
    nodes
        .map(|(node_id, node)| {
            let matched = metrics
                .replication
                .as_ref()
                .and_then(|all| all.get(node_id));
            MemberStatus {
                node_id: *node_id,
                line: node.addr.clone(),
                votes: voters.contains(node_id),
                matched_index: matched.copied().flatten().map(|at| at.index),
            }
        })
        .collect()
}
