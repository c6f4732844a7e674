//! One change told to very many watchers.
//!
//! To wake the task of each costs about as much again as the write of a small event. Who rests is written to from here, by
//! the workers in turn; who does not is woken, and its task writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Handle;

use crate::publish::Node;
use crate::watch::Sink;

/// Watchers that a worker is given at once; fewer are woken. Others of its connections wait no longer than these writes
/// take.
pub const WATCHERS_TOGETHER: usize = 32;

/// The workers that tell them.
pub struct FanOut {
    workers: Vec<Handle>,
    next: AtomicUsize,
}

impl FanOut {
    pub(super) fn new(workers: Vec<Handle>) -> Self {
        Self {
            workers,
            next: AtomicUsize::new(0),
        }
    }

    /// Sends each its queued events, soon.
    pub fn send(&self, node: &Arc<Node>, watchers: Vec<Arc<dyn Sink>>) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let node = Arc::clone(node);
        self.workers[turn % self.workers.len()].spawn(async move {
            for watcher in watchers {
                watcher.send(&node.metrics, &node.contact);
            }
        });
    }
}
