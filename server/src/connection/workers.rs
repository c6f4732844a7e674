//! The threads that serve connections: one a core, each with a runtime of its own.
//!
//! A connection stays on its thread, so that a reply wakes that thread and no other. One runtime over all threads
//! passed each wake-up through two of them: three futex calls for a write of a lone client, where one is left.
//!
//! A thread without work lets others have its core once before it sleeps: clients on the same machine, or neighbours.
//! What they send meanwhile it finds without having been woken, and several requests at once, where it slept and was woken
//! for each. While writes are under way it sleeps at once: who yields comes behind the others for a whole time slice, and
//! the replies wait for it.

use std::future::Future;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::{Builder, Runtime};

use super::FanOut;
use crate::publish::Node;

/// Threads of a worker that wait for the disk in its place, at most.
const BLOCKING_THREADS_MAX: usize = 64;

/// The threads; when they are dropped, what runs on them ends.
pub struct Workers {
    all: Vec<Worker>,
}

struct Worker {
    /// Taken when it ends.
    runtime: Option<Runtime>,
    /// Connections that it serves.
    load: Arc<AtomicUsize>,
}

/// A connection's share of its worker's load.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(load: &Arc<AtomicUsize>) -> Self {
        load.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(load))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    /// Starts a worker for each core, for connections to `node`.
    ///
    /// # Errors
    /// When the system has no thread or no descriptor left.
    pub fn start(node: &Arc<Node>) -> io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let worker = |_| {
            let node = Arc::downgrade(node);
            let runtime = Builder::new_multi_thread()
                .worker_threads(1)
                .max_blocking_threads(BLOCKING_THREADS_MAX)
                .thread_name("connections")
                .on_thread_park(move || {
                    let writes = (node.upgrade()).map(|node| node.proposer.outstanding());
                    if writes == Some(0) {
                        std::thread::yield_now();
                    }
                })
                .enable_all()
                .build()?;
            Ok(Worker {
                runtime: Some(runtime),
                load: Arc::default(),
            })
        };
        let all: Vec<Worker> = (0..count).map(worker).collect::<io::Result<_>>()?;
        let runtimes = all.iter().filter_map(|worker| worker.runtime.as_ref());
        let handles = runtimes.map(|runtime| runtime.handle().clone()).collect();
        assert!(
            node.fan_out.set(FanOut::new(handles)).is_ok(),
            "a server has its workers once"
        );
        Ok(Self { all })
    }

    /// Serves a connection on the worker that has the fewest. `serve` gets no socket when the connection is lost
    /// before it begins.
    pub(super) fn spawn<F>(
        &self,
        socket: TcpStream,
        serve: impl FnOnce(Option<tokio::net::TcpStream>) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send,
    {
        let fewest = |worker: &&Worker| worker.load.load(Ordering::Relaxed);
        let worker = self.all.iter().min_by_key(fewest).expect("a core at least");
        let place = Place::take(&worker.load);
        let runtime = worker.runtime.as_ref().expect("taken on dropping only");
        runtime.spawn(async move {
            // An error means that the system is out of descriptors to poll with.
            let socket = tokio::net::TcpStream::from_std(socket)
                .inspect_err(|error| tracing::warn!(%error, "lost a connection at once"));
            serve(socket.ok()).await;
            drop(place);
        });
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in &mut self.all {
            if let Some(runtime) = worker.runtime.take() {
                // Something may wait for a disk that never answers.
                runtime.shutdown_background();
            }
        }
    }
}
