//! The thread that consensus and apply run on, with a runtime of its own.
//!
//! openraft passes each batch of entries through four tasks. On one thread that is a matter of queues; spread over the
//! threads of the server's runtime it is four wake-ups, which took as long as the disk. It also keeps apply, which may
//! wait for the tree's disk, away from the threads that serve connections.

use std::sync::Arc;

use openraft::Raft;
use parking_lot::Mutex;
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::error::{Failure, StartError};
use super::in_flight::InFlight;
use super::machine::{MachineAdapter, StateMachine};
use super::next_proposal::NextProposal;
use super::options::Options;
use super::start::{self, Started};
use super::types::Types;
use super::{Consensus, Inner};

/// The handle's end of the thread. When it is dropped, the thread ends by itself.
#[derive(Debug)]
pub(super) struct Thread {
    stop: Mutex<Option<oneshot::Sender<()>>>,
    /// Closed when the thread has dropped everything.
    ended: watch::Receiver<()>,
}

impl Thread {
    /// Shuts consensus down, and waits until the log and the state machine are dropped.
    pub(super) async fn end(&self) {
        drop(self.stop.lock().take());
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
    }
}

/// Starts a member on a thread of its own; see [`Consensus::start`].
pub(super) async fn start(
    options: Options,
    machine: Box<dyn StateMachine>,
) -> Result<Consensus, StartError> {
    let cannot_start =
        |error: std::io::Error| StartError::Failed(Failure::Stopped(error.to_string().into()));
    let mut runtime = Builder::new_current_thread();
    runtime.enable_time();
    let next = NextProposal::new();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if options.peers.is_some() {
        // The links are on this thread, too: a message of another member needs no wake-up to get to consensus.
        runtime.enable_io();
    } else if cores > 1 {
        let next = next.clone();
        runtime.on_thread_park(move || {
            next.look();
        });
    }
    let runtime = runtime.build().map_err(cannot_start)?;
    let (sender, started) = oneshot::channel();
    let (stop, stopped) = oneshot::channel();
    let (end, ended) = watch::channel(());
    let in_flight = InFlight::new(options.in_flight_bytes_max);
    let (thread_options, thread_in_flight, thread_next) =
        (options.clone(), in_flight.clone(), next.clone());
    let work = move || {
        let starting = start::start(&thread_options, thread_in_flight, thread_next, machine);
        let mut started = runtime.block_on(starting);
        let running =
            (started.as_mut().ok()).map(|started| (started.raft.clone(), started.serving.take()));
        match running {
            Some((raft, serving)) => {
                // If nobody waits any more, the other end of `stopped` is gone too.
                let _ = sender.send(started);
                runtime.block_on(until_stopped(&raft, serving, stopped));
                drop((raft, runtime));
            }
            // The folder is free again when the error is told.
            None => {
                drop(runtime);
                let _ = sender.send(started);
            }
        }
        drop(end);
    };
    std::thread::Builder::new()
        .name("consensus".to_owned())
        .spawn(work)
        .map_err(cannot_start)?;
    let panicked = |_gone| Failure::Stopped("the consensus thread panicked".into());
    let Started {
        node_id,
        raft,
        log,
        flushed,
        leadership,
        failure,
        elections,
        incarnation,
        links,
        read_index,
        serving: _,
    } = started.await.map_err(panicked)??;
    let inner = Inner {
        node_id,
        raft,
        log,
        in_flight,
        next,
        on_refused: options.on_refused,
        flushed,
        leadership,
        failure,
        elections,
        incarnation,
        links,
        read_index,
        thread: Thread {
            stop: Mutex::new(Some(stop)),
            ended,
        },
    };
    Ok(Consensus {
        inner: Arc::new(inner),
    })
}

/// Works until the handles are dropped or ask for the end.
async fn until_stopped(
    raft: &Raft<Types, MachineAdapter>,
    serving: Option<JoinHandle<()>>,
    stopped: oneshot::Receiver<()>,
) {
    // An error, as the other end never sends: it is dropped.
    let _ = stopped.await;
    // Who still asks finds the link closed. openraft reports an error for each request that it is asked meanwhile.
    if let Some(serving) = serving {
        serving.abort();
        // An error: it was aborted.
        let _ = serving.await;
    }
    if let Err(error) = raft.shutdown().await {
        tracing::error!(%error, "the consensus task did not end well");
    }
}
