//! Consensus: turns proposals into one order of entries that a majority holds, and applies them in that order.
//!
//! In: proposed commands. Out: committed entries, handed to the [`StateMachine`] in log order; who leads. This is the
//! only module that names openraft; no type of it leaves the module, but for the members of simulated ensembles, which
//! run openraft without this. A single server is an ensemble of one voter and
//! uses the same path.
//!
//! A proposal passes three threads: the caller hands it over ([`Consensus::propose`]); the consensus thread gives it its
//! place, and later applies it; the log's writer between makes it durable together with all that waits. Memory on the
//! way is bounded by [`Options::in_flight_bytes_max`].
//!
//! Not here: segment files (`log`), what commands mean (`apply`), links to other members (`peer`).

mod admit;
mod checkpoint;
mod encoding;
mod error;
mod in_flight;
mod leader_gone;
mod log_store;
mod machine;
mod messages;
mod network;
mod next_proposal;
mod options;
mod proposal;
mod purge;
mod read_index;
mod reconfig;
mod recover;
mod rounds;
mod rules;
mod service;
mod start;
mod status;
#[cfg(test)]
mod tests;
mod thread;
mod transfer;
mod types;
mod without_tree;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt;
use openraft::{Raft, ReadPolicy};
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, TryAcquireError, watch};
use treekeeper_protocol::ErrorCode;

pub use admit::CAUGHT_UP_LAG;
pub use encoding::{decode_stored_membership, encode_stored_membership};
pub use error::{Failure, LinearizeError, StartError, Stopped, TryProposeError};
pub use machine::{
    Applied, Checkpoints, Entry, Payload, StateMachine, member_lines, membership_index,
};
pub use options::{CheckForwarded, Joined, OnReport, Options, PeerMember, PeerOptions};
pub use proposal::{OnRefused, Refusal, RefusalReason};
pub use reconfig::Reconfig;
pub use recover::{KnownMember, StoppedMember};
pub use rounds::Rounds;
pub use rules::Replicated;
pub use start::stored_node_id;
pub use status::{Elections, Leadership, MemberStatus, Role, Status};
pub use without_tree::{FirstRules, NoCheckpoints};

use crate::log::LogReader;
use crate::peer::{Link, LinkError};
use in_flight::InFlight;
use machine::MachineAdapter;
use network::{Links, Purpose};
use next_proposal::NextProposal;
use proposal::Outcome;
use read_index::ReadIndex;
use service::kind;
use thread::Thread;
use types::{Command, Types};

/// A running member of the ensemble; a handle, cheap to clone.
#[derive(Clone, Debug)]
pub struct Consensus {
    inner: Arc<Inner>,
}

struct Inner {
    node_id: u64,
    raft: Raft<Types, MachineAdapter>,
    log: LogReader,
    in_flight: InFlight,
    next: NextProposal,
    on_refused: OnRefused,
    flushed: Arc<Notify>,
    leadership: watch::Receiver<Leadership>,
    failure: watch::Receiver<Option<Failure>>,
    elections: Arc<Mutex<Elections>>,
    incarnation: u64,
    /// The other members; none for a server alone.
    links: Option<Arc<Links>>,
    read_index: Option<ReadIndex>,
    thread: Thread,
}

impl Inner {
    /// The link to the leader, if another member leads: with its id.
    fn leader_elsewhere(&self) -> Option<(u64, Link)> {
        let links = self.links.as_ref()?;
        let leadership = *self.leadership.borrow();
        let leader = leadership.leader.filter(|leader| *leader != self.node_id)?;
        let link = links.to_member(&self.raft, leader, Purpose::Forward)?;
        Some((leader, link))
    }

    /// Sends a command to the leader, which places it. Every end but success comes back as a refusal.
    fn forward(&self, (leader, link): (u64, Link), command: Bytes, token: u64) {
        let on_refused = Arc::clone(&self.on_refused);
        link.send(kind::FORWARD, command, move |answer| {
            let reason = match answer {
                Ok(_) => return,
                Err(LinkError::Refused(_) | LinkError::Full) => RefusalReason::NotLeader {
                    leader: Some(leader),
                },
                Err(LinkError::Unreachable(_)) => RefusalReason::Unknown,
            };
            on_refused(Refusal { token, reason });
        });
    }

    async fn hand_over(
        &self,
        command: Bytes,
        token: u64,
        room: OwnedSemaphorePermit,
    ) -> Result<(), Stopped> {
        let outcome = Outcome::new(token, Arc::clone(&self.on_refused), room);
        let handed_over = self.raft.client_write_ff(Command(command), Some(outcome));
        handed_over.await.map_err(|_fatal| Stopped)?;
        self.next.handed_over();
        Ok(())
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Consensus")
            .field("node_id", &self.node_id)
            .finish_non_exhaustive()
    }
}

impl Consensus {
    /// Opens the log, applies what is committed, and joins the ensemble.
    ///
    /// A server alone forms an ensemble of one on an empty folder; this returns when it leads and has applied everything
    /// that the log held. One of several forms it with the others ([`admit`]), or is admitted; this returns when it is
    /// part of it, whoever leads.
    ///
    /// # Errors
    /// When the log cannot be opened, is not that of this state machine, or fails meanwhile.
    pub async fn start(
        options: Options,
        machine: impl StateMachine,
    ) -> Result<Consensus, StartError> {
        thread::start(options, Box::new(machine)).await
    }

    /// Hands a command over; returns when it is queued, in order with the caller's other proposals.
    ///
    /// Success is seen in [`StateMachine::apply`]. Where another member leads, the command goes to it. One that was not
    /// placed comes back through [`Options::on_refused`] with its `token`. Waits while too much is in flight. When
    /// dropped before it returns, the command was not proposed.
    ///
    /// # Errors
    /// [`Stopped`] after shutdown or a failure.
    pub async fn propose(&self, command: Bytes, token: u64) -> Result<(), Stopped> {
        let inner = &*self.inner;
        if let Some(leader) = inner.leader_elsewhere() {
            inner.forward(leader, command, token);
            return Ok(());
        }
        let room = inner.in_flight.take(&command).await;
        let room = room.map_err(|_closed| Stopped)?;
        inner.hand_over(command, token, room).await
    }

    /// [`Consensus::propose`] for callers that cannot wait: gives the command back where that would have to.
    ///
    /// # Errors
    /// [`TryProposeError`] with the command, which was not proposed.
    pub fn try_propose(&self, command: Bytes, token: u64) -> Result<(), TryProposeError> {
        let inner = &*self.inner;
        if let Some(leader) = inner.leader_elsewhere() {
            inner.forward(leader, command, token);
            return Ok(());
        }
        let room = match inner.in_flight.try_take(&command) {
            Ok(room) => room,
            Err(TryAcquireError::NoPermits) => return Err(TryProposeError::Full(command)),
            Err(TryAcquireError::Closed) => return Err(TryProposeError::Stopped(Stopped)),
        };
        // Without a budget, as this waits for nothing: a task that has used its budget up would be told to wait.
        let handed_over = tokio::task::unconstrained(inner.hand_over(command.clone(), token, room))
            .now_or_never();
        match handed_over {
            Some(result) => result.map_err(TryProposeError::Stopped),
            None => Err(TryProposeError::Full(command)),
        }
    }

    /// Waits until this node has applied everything that was committed when it was called, anywhere in the ensemble,
    /// and gives the index up to which that is.
    ///
    /// Waits through an election, for a while.
    ///
    /// # Errors
    /// [`LinearizeError`] when no leader with a majority answers.
    pub async fn linearize(&self) -> Result<u64, LinearizeError> {
        if let Some(read_index) = &self.inner.read_index {
            return read_index.wait().await;
        }
        let read = self
            .inner
            .raft
            .ensure_linearizable(ReadPolicy::ReadIndex)
            .await?;
        Ok(read.log_id().index())
    }

    /// Tells the leader what this member has to tell, and gives how long ago at most a quorum confirmed the leader, with
    /// the leader's answer. None when no leader answers, or the leader itself has heard from no quorum. A leader only
    /// looks at itself, and answers nothing.
    pub async fn report(&self, report: Bytes) -> Option<(Duration, Bytes)> {
        let Some((_, link)) = self.inner.leader_elsewhere() else {
            return service::quorum_age(&self.inner.raft).map(|age| (age, Bytes::new()));
        };
        let sent = Instant::now();
        let answer = link.call(kind::REPORT, report).await.ok()?;
        let (age, answer) = service::decode_report(answer)?;
        Some((age + sent.elapsed(), answer))
    }

    /// Changes the members. Returns when this member has applied the change, with the outcome for who asked; none when
    /// the outcome is not known, as the leader has gone.
    pub async fn reconfigure(&self, change: &Reconfig) -> Option<Result<(), ErrorCode>> {
        let links = self.inner.links.as_ref()?;
        let result = match self.inner.leader_elsewhere() {
            Some((_, link)) => {
                let body = serde_json::to_vec(change).expect("plain fields always serialise");
                let answer = link.call(kind::RECONFIG, body.into()).await.ok()?;
                reconfig::Changed::decode(&answer)?
            }
            None => {
                // On the thread of consensus, which its links belong to.
                let (raft, links, change) =
                    (self.inner.raft.clone(), Arc::clone(links), change.clone());
                let runtime = links.runtime().clone();
                let work = async move { reconfig::reconfigure(&raft, &links, &change).await };
                runtime.spawn(work).await.ok()??
            }
        };
        match result {
            Ok(index) => {
                let applied = self.inner.raft.wait(None);
                applied
                    .applied_index_at_least(Some(index), "the change is applied here")
                    .await
                    .ok()?;
                Some(Ok(()))
            }
            Err(code) => Some(Err(code)),
        }
    }

    /// The data of this member belongs to this ensemble, as it has learned.
    pub fn belongs_to(&self, cluster_id: u64) {
        if let Some(links) = &self.inner.links {
            links.local().belongs_to(cluster_id);
        }
    }

    /// The newest rules of apply that all members support, as far as the leader has told this one; none for a server
    /// alone.
    pub fn rules_of_all(&self) -> Option<u16> {
        self.inner.links.as_ref()?.reported().by_all()
    }

    /// The leader has said which rules all members support.
    pub fn note_rules_of_all(&self, rules: Option<u16>) {
        if let Some(links) = &self.inner.links {
            links.reported().note_by_all(rules);
        }
    }

    /// How many members have a vote.
    pub fn voters(&self) -> usize {
        self.inner.raft.voter_ids().count()
    }

    /// Which start of this process this is, counted from 1; no two have the same number, whatever was lost.
    pub fn incarnation(&self) -> u64 {
        self.inner.incarnation
    }

    /// Says that [`StateMachine::flushed`] has moved, so that older log files may go.
    pub fn flushed(&self) {
        self.inner.flushed.notify_one();
    }

    /// This node's id: random, made with the data folder.
    pub fn node_id(&self) -> u64 {
        self.inner.node_id
    }

    /// Who leads; changes wake the receiver.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.inner.leadership.clone()
    }

    /// A snapshot of positions and role, for metrics and operators.
    pub fn status(&self) -> Status {
        status::status(&self.inner)
    }

    /// Waits until this node can go on no more: the log's disk failed, or an invariant broke. The process should end.
    /// Stays pending after a shutdown.
    pub async fn failed(&self) -> Failure {
        let mut failure = self.inner.failure.clone();
        loop {
            if let Some(failure) = &*failure.borrow_and_update() {
                return failure.clone();
            }
            if failure.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// If this member leads, lets another one lead: before a planned stop. Returns when it does, or nobody can.
    pub async fn hand_over(&self) {
        transfer::hand_over(&self.inner.raft).await;
    }

    /// Stops proposing and applying, makes the log durable, and drops the state machine. What was proposed and not
    /// applied is decided by the next start.
    pub async fn shutdown(&self) {
        self.inner.in_flight.close();
        self.inner.thread.end().await;
    }
}
