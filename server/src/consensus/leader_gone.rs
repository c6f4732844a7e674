//! A leader whose process has died: the kernel closes its links at once, so nobody needs to wait for an election time-out.
//!
//! A link that ends says little by itself, one whose port then refuses a connection says that nobody is there any more.
//! What this member gives up is its own lease, nothing else: the members vote as ever, first without a term (pre-vote),
//! and whoever still hears from the leader refuses. A member that is wrong about its leader changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use openraft::Raft;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::raft::TransferLeaderRequest;
use openraft::vote::RaftLeaderId;

use super::machine::MachineAdapter;
use super::network::Links;
use super::types::{RaftVote, Types};
use crate::peer;

/// The voters begin one after the other, at such intervals, so that they do not split their votes.
const TURN: Duration = Duration::from_millis(40);
/// Between two attempts: the others may notice a little later.
const ATTEMPT_INTERVAL: Duration = Duration::from_millis(10);
/// After so many the election time-out is not far either.
const ATTEMPTS_MAX: u32 = 10;
/// How often it is looked whether the leader's port refuses connections, and at what intervals.
const LOOKS_MAX: u32 = 3;
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// The node that nobody is: who is told that it is to lead now gives up its lease and does no more.
const NOBODY: u64 = 0;

/// Looks after leaders that go without a word.
pub(super) struct LeaderGone {
    raft: Raft<Types, MachineAdapter>,
    links: Arc<Links>,
    /// Is it being looked into?
    busy: AtomicBool,
}

impl LeaderGone {
    pub(super) fn new(raft: Raft<Types, MachineAdapter>, links: Arc<Links>) -> Arc<Self> {
        let busy = AtomicBool::new(false);
        Arc::new(Self { raft, links, busy })
    }

    /// A link from this node has ended.
    pub(super) fn link_ended(self: &Arc<Self>, node_id: u64) {
        let Some(vote) = self.vote_of_leader(node_id) else {
            return;
        };
        if self.busy.swap(true, Ordering::Relaxed) {
            return;
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            this.look_into(node_id, vote).await;
            this.busy.store(false, Ordering::Relaxed);
        });
    }

    /// The vote that made this node the leader, if it is this member's leader.
    fn vote_of_leader(&self, node_id: u64) -> Option<RaftVote> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let leads = metrics.vote.is_committed() && *metrics.vote.leader_id().node_id() == node_id;
        (leads && metrics.id != node_id).then(|| metrics.vote)
    }

    async fn look_into(&self, node_id: u64, vote: RaftVote) {
        let Some(target) = self.links.target(&self.raft, node_id) else {
            return;
        };
        // Its port is closed a moment later than its links may be.
        let mut looks = 1;
        while !peer::is_refused(&target).await {
            if looks == LOOKS_MAX {
                return;
            }
            looks += 1;
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        let request = TransferLeaderRequest::new(vote, NOBODY, None);
        if self.raft.handle_transfer_leader(request).await.is_err() {
            // openraft has ended, which others tell.
            return;
        }
        let Some(turn) = self.turn_without(node_id) else {
            return;
        };
        tracing::info!(
            leader = format_args!("{node_id:016x}"),
            "the leader's process is gone"
        );
        tokio::time::sleep(TURN * turn).await;
        for _ in 0..ATTEMPTS_MAX {
            let still = self.vote_of_leader(node_id).is_some_and(|now| now == vote);
            if !still || self.raft.trigger().elect(true).await.is_err() {
                return;
            }
            tokio::time::sleep(ATTEMPT_INTERVAL).await;
        }
    }

    /// How many voters come before this one, the leader left out; none if it has no vote.
    fn turn_without(&self, leader: u64) -> Option<u32> {
        let own = *self.raft.node_id();
        let others: Vec<u64> = self.raft.voter_ids().filter(|id| *id != leader).collect();
        let before = others.iter().filter(|id| **id < own).count();
        others.contains(&own).then_some(u32::try_from(before).ok()?)
    }
}
