//! Gives up log files: below what the state machine has flushed, and beyond the bytes to keep.

use std::sync::Arc;

use openraft::Raft;
use tokio::sync::Notify;
use tracing::debug;

use super::checkpoint::Outgoing;
use super::machine::MachineAdapter;
use super::types::Types;
use crate::log::LogReader;

/// Purges after every flush until consensus stops.
pub(super) async fn run(
    raft: Raft<Types, MachineAdapter>,
    log: LogReader,
    flushed: Arc<Notify>,
    kept_bytes: u64,
    outgoing: Arc<Outgoing>,
) {
    loop {
        flushed.notified().await;
        if purge(&raft, &log, kept_bytes, &outgoing).await.is_none() {
            return;
        }
    }
}

/// One purge; `None` when consensus has stopped.
async fn purge(
    raft: &Raft<Types, MachineAdapter>,
    log: &LogReader,
    kept_bytes: u64,
    outgoing: &Outgoing,
) -> Option<()> {
    let first_kept = log.first_index_within(kept_bytes);
    let first = log.purged().map_or(0, |purged| purged.index + 1);
    if first_kept <= first {
        return Some(());
    }
    let flushed = raft.with_state_machine(|machine| {
        let flushed = machine.flushed();
        Box::pin(async move { flushed })
    });
    let Some(flushed) = flushed.await.ok()? else {
        return Some(());
    };
    // Who receives a checkpoint goes on from it with the log.
    let sent = outgoing.oldest().map_or(u64::MAX, |oldest| oldest.index);
    let up_to = flushed.index.min(first_kept - 1).min(sent);
    if up_to < first {
        return Some(());
    }
    // openraft purges only what a snapshot holds; the flushed tree is ours, and this tells it how far it reaches.
    raft.trigger().snapshot().await.ok()?;
    let reached = |metrics: &openraft::RaftMetrics<Types>| {
        metrics.snapshot.is_some_and(|at| at.index >= flushed.index)
    };
    raft.wait(None)
        .metrics(reached, "the flushed tree is known")
        .await
        .ok()?;
    debug!(up_to, flushed = flushed.index, "purging the log");
    raft.trigger().purge_log(up_to).await.ok()
}
