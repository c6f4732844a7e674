//! The tasks of one start of a process: a crash drops them all at once, wherever they are.

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use futures::FutureExt;
use openraft::AsyncRuntime;
use openraft_rt_sim::SimRuntime;
use parking_lot::Mutex;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
type Slot = Arc<Mutex<Option<Task>>>;

/// The tasks that run as long as a process does.
pub(crate) struct Life {
    over: AtomicBool,
    tasks: Mutex<Vec<Slot>>,
    on_panic: Box<dyn Fn() + Send + Sync>,
}

impl Life {
    /// No task yet. `on_panic` is called when one panics.
    pub(crate) fn new(on_panic: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            over: AtomicBool::new(false),
            tasks: Mutex::default(),
            on_panic: Box::new(on_panic),
        })
    }

    /// Runs a task until it ends, or the process does.
    pub(crate) fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        if self.over.load(Ordering::Relaxed) {
            return;
        }
        let life = Arc::downgrade(self);
        let slot: Slot = Arc::new(Mutex::new(Some(Box::pin(async move {
            let ended = AssertUnwindSafe(task).catch_unwind().await;
            if let (Err(_panic), Some(life)) = (ended, life.upgrade()) {
                (life.on_panic)();
            }
        }))));
        {
            let mut tasks = self.tasks.lock();
            tasks.retain(|slot| slot.try_lock().is_none_or(|task| task.is_some()));
            tasks.push(Arc::clone(&slot));
        }
        let _detached = SimRuntime::spawn(poll_fn(move |cx| {
            let mut held = slot.lock();
            let Some(task) = held.as_mut() else {
                return Poll::Ready(());
            };
            let polled = task.as_mut().poll(cx);
            if polled.is_ready() {
                let done = held.take();
                drop(held);
                drop(done);
            }
            polled
        }));
    }

    /// The process is gone, and everything that it held.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for slot in tasks {
            let task = slot.lock().take();
            drop(task);
        }
    }
}
