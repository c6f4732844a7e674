//! Read indexes for everybody who asks on this member, in rounds: a crowd of strict reads or syncs costs the leader one
//! question, and an election makes them wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::{Raft, ReadPolicy};
use tokio::time::{Instant, sleep};

use super::error::{LinearizeError, Stopped};
use super::machine::MachineAdapter;
use super::network::{Links, Purpose};
use super::rounds::Rounds;
use super::service::{self, kind};
use super::types::Types;

/// How long a round may take: elections are much shorter, and without a quorum the clients are closed anyway.
const ROUND_MAX: Duration = Duration::from_secs(3);
/// The pause before a leader is asked again, or looked for.
const AGAIN_PAUSE: Duration = Duration::from_millis(10);

type Answer = Result<u64, LinearizeError>;

/// Counts those who wait.
#[derive(Debug, Default)]
pub(super) struct Pending(AtomicUsize);

/// One that waits, until this is dropped.
pub(super) struct Waiting<'a>(&'a Pending);

impl Pending {
    /// How many wait.
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// One more waits.
    pub(super) fn begin(&self) -> Waiting<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Waiting(self)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Where to ask; a handle.
#[derive(Clone)]
pub(super) struct ReadIndex {
    rounds: Rounds,
    links: Arc<Links>,
}

impl ReadIndex {
    /// Begins to ask, on the caller's runtime.
    pub(super) fn start(raft: Raft<Types, MachineAdapter>, links: Arc<Links>) -> ReadIndex {
        let (rounds, answering) = Rounds::new({
            let links = Arc::clone(&links);
            move || round(raft.clone(), Arc::clone(&links))
        });
        tokio::spawn(answering);
        ReadIndex { rounds, links }
    }

    /// Waits until this member has applied everything that was committed when this was called.
    pub(super) async fn wait(&self) -> Answer {
        let _waiting = self.links.pending().begin();
        self.rounds.ask().await
    }
}

async fn round(raft: Raft<Types, MachineAdapter>, links: Arc<Links>) -> Answer {
    let until = Instant::now() + ROUND_MAX;
    loop {
        match ask(&raft, &links).await {
            Err(LinearizeError::NotLeader { .. } | LinearizeError::NoQuorum)
                if Instant::now() < until =>
            {
                sleep(AGAIN_PAUSE).await;
            }
            answer => return answer,
        }
    }
}

async fn ask(raft: &Raft<Types, MachineAdapter>, links: &Links) -> Answer {
    let (own, leader) = {
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        if metrics.running_state.is_err() {
            return Err(LinearizeError::Stopped(Stopped));
        }
        (metrics.id, metrics.current_leader)
    };
    let leader = leader.ok_or(LinearizeError::NotLeader { leader: None })?;
    if leader == own {
        let read = raft.ensure_linearizable(ReadPolicy::ReadIndex).await?;
        return Ok(read.log_id().index());
    }
    let link = links.to_member(raft, leader, Purpose::Forward);
    let link = link.ok_or(LinearizeError::NotLeader { leader: None })?;
    let answer = link.call(kind::READ_INDEX, Bytes::new()).await;
    let index = answer.ok().and_then(service::decode_read_index);
    let index = index.ok_or(LinearizeError::NotLeader {
        leader: Some(leader),
    })?;
    raft.wait(None)
        .applied_index_at_least(Some(index), "what the leader has committed is applied here")
        .await
        .map_err(|_stopped| LinearizeError::Stopped(Stopped))?;
    Ok(index)
}
