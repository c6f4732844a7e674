//! Changes of the members, on the leader, in the steps of `consensus::reconfig`; and what `consensus::admit` does to end
//! a change that an earlier leader began.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::{AsyncRuntime, ChangeMembers, RaftMetrics};
use openraft_rt_sim::SimRuntime;
use tokio::sync::oneshot;
use treekeeper_server::consensus::{CAUGHT_UP_LAG, Replicated};
use treekeeper_server::rules::NodeRules;

use crate::member::Running;
use crate::types::{Command, Outcome, Types};
use crate::world::node;

/// As in the server: how long a new member may take to catch up before the change is given up.
const CATCH_UP_MAX: Duration = Duration::from_secs(60);
/// As in the server: how often a member looks after the membership.
const TEND_INTERVAL: Duration = Duration::from_secs(1);

/// What is to become of the members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// Comes, or gets its vote.
    pub(crate) votes: Option<u64>,
    /// Loses its vote.
    pub(crate) observes: Option<u64>,
    /// Goes.
    pub(crate) leaves: Option<u64>,
}

/// Changes the members; none if nobody knows what has come of it.
pub(crate) async fn reconfigure(leading: Arc<Running>, change: Change) -> Option<()> {
    let _alone = leading.changing.try_lock().ok()?;
    let raft = &leading.raft;
    let [mut voters] = <[BTreeSet<u64>; 1]>::try_from(leading.voters()).ok()?;
    if let Some(member) = change.votes {
        if !leading.members().contains(&member) {
            let added = raft.add_learner(member, node(member), false);
            added.await.ok()?;
            let wait = raft.wait(Some(CATCH_UP_MAX));
            let caught_up = wait.metrics(caught_up(member), "the new member has caught up");
            caught_up.await.ok()?;
        }
        voters.insert(member);
    }
    voters.retain(|member| ![change.observes, change.leaves].contains(&Some(*member)));
    let voters = ChangeMembers::ReplaceAllVoters(voters);
    raft.change_membership(voters, true).await.ok()?;
    if let Some(member) = change.leaves {
        let gone = ChangeMembers::RemoveNodes(BTreeSet::from([member]));
        raft.change_membership(gone, true).await.ok()?;
    }
    show_members(&leading).await.then_some(())
}

/// Has it caught up? Also true when this member leads no more.
fn caught_up(member: u64) -> impl Fn(&RaftMetrics<Types>) -> bool + Send {
    move |metrics| {
        let Some(replication) = &metrics.replication else {
            return true;
        };
        let matched = replication.get(&member).copied().flatten();
        matched.map(|at| at.index + CAUGHT_UP_LAG) >= metrics.last_log_index
    }
}

/// As `consensus::admit::tend`.
pub(crate) async fn tend(running: Arc<Running>) {
    let replicated = NodeRules::new(&running.node);
    loop {
        SimRuntime::sleep(TEND_INTERVAL).await;
        if !running.raft.is_leader() {
            continue;
        }
        let Ok(_alone) = running.changing.try_lock() else {
            continue;
        };
        if let [_, next] = running.voters().as_slice() {
            let next = ChangeMembers::ReplaceAllVoters(next.clone());
            // An error means that it leads no more.
            let _ = running.raft.change_membership(next, true).await;
            continue;
        }
        if replicated.supported() > replicated.rules()
            && let Some(raise) = replicated.raise(replicated.supported())
        {
            place(&running, raise).await;
        }
        show_members(&running).await;
    }
}

/// Lets clients see the members, if they do not; false if nobody knows whether they do.
async fn show_members(running: &Running) -> bool {
    let replicated = NodeRules::new(&running.node);
    if !replicated.hides_members() {
        return true;
    }
    match replicated.show_members() {
        Some(command) => place(running, command).await,
        None => false,
    }
}

async fn place(running: &Running, command: Bytes) -> bool {
    let (sender, applied) = oneshot::channel();
    let outcome = Outcome::new(sender);
    let command = Command(command);
    let placed = running.raft.client_write_ff(command, Some(outcome)).await;
    placed.is_ok() && applied.await == Ok(true)
}
