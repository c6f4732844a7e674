//! A planned stop: the leader hands over first, so that the others need no election time-out to notice.

use std::time::Duration;

use openraft::Raft;
use openraft::async_runtime::watch::WatchReceiver;
use tracing::info;

use super::machine::MachineAdapter;
use super::types::Types;

/// How long a hand-over may take. The others elect a leader by themselves all the same.
const HAND_OVER_MAX: Duration = Duration::from_secs(1);

/// Hands the lead over to the voter that holds most of the log; returns when another leads, or nobody can.
pub(super) async fn hand_over(raft: &Raft<Types, MachineAdapter>) {
    let target = {
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        let others = metrics.replication.iter().flatten();
        let voters: Vec<u64> = metrics.membership_config.voter_ids().collect();
        others
            .filter(|(node, _)| **node != metrics.id && voters.contains(node))
            .max_by_key(|(_, matched)| **matched)
            .map(|(node, _)| *node)
    };
    let Some(target) = target else {
        return;
    };
    info!(to = format_args!("{target:016x}"), "handing the lead over");
    if raft.trigger().transfer_leader(target).await.is_err() {
        return;
    }
    let led_by_another = |metrics: &openraft::RaftMetrics<Types>| {
        metrics
            .current_leader
            .is_some_and(|leader| leader != metrics.id)
            || metrics.running_state.is_err()
    };
    // An error is the end of the time, or of openraft.
    let _ = raft
        .wait(Some(HAND_OVER_MAX))
        .metrics(led_by_another, "another member leads")
        .await;
}
