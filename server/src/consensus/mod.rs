//! Consensus: turns proposals into one order of entries that a majority holds, and applies them in that order.
//!
//! In: proposed commands. Out: committed entries, handed to the [`StateMachine`] in log order; who leads. This is the
//! only module that names openraft; no type of it leaves the module. A single server is an ensemble of one voter and
//! uses the same path.
//!
//! A proposal passes three threads: the caller hands it over ([`Consensus::propose`]); the consensus thread gives it its
//! place, and later applies it; the log's writer between makes it durable together with all that waits. Memory on the
//! way is bounded by [`Options::in_flight_bytes_max`].
//!
//! Not here: segment files (`log`), what commands mean (`apply`), links to other members (`peer`).

mod encoding;
mod error;
mod in_flight;
mod log_store;
mod machine;
mod options;
mod peers;
mod proposal;
mod purge;
mod start;
mod status;
#[cfg(test)]
mod tests;
mod thread;
mod types;

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use openraft::{Raft, ReadPolicy};
use tokio::sync::{Notify, OwnedSemaphorePermit, TryAcquireError, watch};

pub use error::{Failure, LinearizeError, StartError, Stopped, TryProposeError};
pub use machine::{Applied, Entry, Payload, StateMachine};
pub use options::Options;
pub use proposal::{OnRefused, Refusal, RefusalReason};
pub use status::{Leadership, Role, Status};

use crate::log::LogReader;
use in_flight::InFlight;
use machine::MachineAdapter;
use proposal::Outcome;
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
    on_refused: OnRefused,
    flushed: Arc<Notify>,
    leadership: watch::Receiver<Leadership>,
    failure: watch::Receiver<Option<Failure>>,
    thread: Thread,
}

impl Inner {
    async fn hand_over(
        &self,
        command: Bytes,
        token: u64,
        room: OwnedSemaphorePermit,
    ) -> Result<(), Stopped> {
        let outcome = Outcome::new(token, Arc::clone(&self.on_refused), room);
        self.raft
            .client_write_ff(Command(command), Some(outcome))
            .await
            .map_err(|_fatal| Stopped)
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
    /// Opens the log, applies what is committed, and joins the ensemble: on an empty folder it forms one of this node
    /// alone. Returns when this node leads and has applied everything that the log held.
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
    /// Success is seen in [`StateMachine::apply`]. A proposal that this node cannot place, as it does not lead, comes
    /// back through [`Options::on_refused`] with its `token`. Waits while too much is in flight. When dropped before
    /// it returns, the command was not proposed.
    ///
    /// # Errors
    /// [`Stopped`] after shutdown or a failure.
    pub async fn propose(&self, command: Bytes, token: u64) -> Result<(), Stopped> {
        let inner = &*self.inner;
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
    /// # Errors
    /// [`LinearizeError`] when this node does not lead, or lost the majority.
    pub async fn linearize(&self) -> Result<u64, LinearizeError> {
        let read = self
            .inner
            .raft
            .ensure_linearizable(ReadPolicy::ReadIndex)
            .await?;
        Ok(read.log_id().index())
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

    /// Stops proposing and applying, makes the log durable, and drops the state machine. What was proposed and not
    /// applied is decided by the next start.
    pub async fn shutdown(&self) {
        self.inner.in_flight.close();
        self.inner.thread.end().await;
    }
}
