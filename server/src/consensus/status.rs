//! Role, leader and positions as plain data.

use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::metrics::RaftServerMetrics;
use openraft::vote::RaftLeaderId;

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
    }
}
