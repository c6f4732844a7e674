//! The thread that writes what is buffered to the store, and makes it durable from time to time.
//!
//! The log may be purged, and a restart begins, where the store is durable. An entry is applied once a quorum has it,
//! which may be before this member's own log has: its changes reach the store only after it is durable here.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::Node;
use super::machine::{FLUSH_WAIT, applied};
use crate::apply::Meta;
use crate::consensus::Applied;
use crate::log::LogReader;
use crate::tree::StoreError;

/// When to flush.
#[derive(Debug, Clone, Copy)]
pub struct FlushPolicy {
    /// Buffered bytes from which on the buffer is written to the store.
    pub buffer_bytes: usize,
    /// Buffered bytes above which apply waits for the flusher.
    pub buffer_bytes_max: usize,
    /// Bytes written to the store after which it is made durable: what a restart replays, with what
    /// was buffered since.
    pub sync_bytes: usize,
    /// Bytes of log after which it is made durable, however little they changed: what a restart reads again, and what
    /// of the log cannot be used anew.
    pub log_bytes: u64,
    /// Time after which it is made durable if anything has changed.
    pub sync_interval: Duration,
}

impl Default for FlushPolicy {
    fn default() -> Self {
        Self {
            buffer_bytes: 8 << 20,
            buffer_bytes_max: 32 << 20,
            sync_bytes: 8 << 20,
            log_bytes: 64 << 20,
            sync_interval: Duration::from_secs(10),
        }
    }
}

/// Between apply and the flusher.
#[derive(Clone)]
pub struct FlushSignal {
    shared: Arc<Shared>,
}

struct Shared {
    policy: FlushPolicy,
    wanted: Mutex<Wanted>,
    changed: Condvar,
    /// Bytes of entries applied since the store was last made durable.
    log_bytes: AtomicU64,
    /// How far the store is durable.
    durable: Mutex<Option<Applied>>,
    /// The log that the applied entries come from.
    log: OnceLock<LogReader>,
    /// Held during a flush, and while the tree is replaced.
    flushing: Mutex<()>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Wanted {
    flush: bool,
    stop: bool,
    /// Flushes done, so that apply can wait for one.
    done: u64,
}

impl FlushSignal {
    /// An entry of so many bytes was applied, and so many are buffered. Waits for the flusher when they are too many:
    /// apply has a thread of its own.
    pub fn applied(&self, entry: usize, buffered: usize) {
        let entry = entry as u64;
        let before = self.shared.log_bytes.fetch_add(entry, Ordering::Relaxed);
        let policy = &self.shared.policy;
        // Asked for once: who comes behind finds more than the limit there already.
        let is_due = before < policy.log_bytes && before + entry >= policy.log_bytes;
        if !is_due && buffered < policy.buffer_bytes {
            return;
        }
        let mut wanted = self.shared.wanted.lock();
        wanted.flush = true;
        self.shared.changed.notify_all();
        if buffered < policy.buffer_bytes_max {
            return;
        }
        let done = wanted.done;
        while wanted.done == done && !wanted.stop {
            self.shared.changed.wait_for(&mut wanted, FLUSH_WAIT);
        }
    }

    /// What is applied from now on comes from this log.
    pub(super) fn follow(&self, log: LogReader) {
        assert!(self.shared.log.set(log).is_ok(), "a server has one log");
    }

    /// Keeps the flusher from the tree.
    pub(super) fn hold(&self) -> MutexGuard<'_, ()> {
        self.shared.flushing.lock()
    }

    /// The tree is another one, durable as far as this.
    pub(super) fn replaced(&self, durable: Option<Applied>) {
        *self.shared.durable.lock() = durable;
    }

    fn stop(&self) {
        self.shared.wanted.lock().stop = true;
        self.shared.changed.notify_all();
    }

    /// How far the store is durable: the log before may be purged.
    #[must_use]
    pub fn durable(&self) -> Option<Applied> {
        self.shared.durable.lock().clone()
    }
}

/// The flusher's thread.
pub struct Flusher {
    signal: FlushSignal,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    /// What apply signals through; the thread starts with [`Self::start`].
    #[must_use]
    pub fn new(policy: FlushPolicy, meta: &Meta) -> Self {
        let shared = Shared {
            policy,
            wanted: Mutex::default(),
            changed: Condvar::new(),
            log_bytes: AtomicU64::new(0),
            durable: Mutex::new(applied(meta)),
            log: OnceLock::new(),
            flushing: Mutex::new(()),
        };
        Self {
            signal: FlushSignal {
                shared: Arc::new(shared),
            },
            thread: None,
        }
    }

    /// What apply signals through.
    #[must_use]
    pub fn signal(&self) -> FlushSignal {
        self.signal.clone()
    }

    /// Starts the thread. `durable` is called when the store has become durable further, `fatal` when it fails,
    /// without an error when the thread panicked.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(
        &mut self,
        node: &Arc<Node>,
        durable: impl Fn() + Send + 'static,
        fatal: impl Fn(Option<StoreError>) + Send + 'static,
    ) -> std::io::Result<()> {
        let (node, signal) = (Arc::clone(node), self.signal.clone());
        let thread = std::thread::Builder::new()
            .name("flusher".to_owned())
            .spawn(move || {
                let mut work = Work {
                    node,
                    signal,
                    unsynced: 0,
                    written: None,
                    synced: None,
                };
                let ended = catch_unwind(AssertUnwindSafe(|| work.run(&durable)));
                // Nobody may wait for a flush that will never come.
                work.signal.stop();
                match ended {
                    // The log tells by itself why it failed.
                    Ok(Ok(()) | Err(Ended::Log)) => {}
                    Ok(Err(Ended::Store(error))) => fatal(Some(error)),
                    Err(_panic) => fatal(None),
                }
            })?;
        self.thread = Some(thread);
        Ok(())
    }

    /// Flushes everything, makes it durable, and ends the thread.
    pub fn stop(mut self) {
        self.signal.stop();
        if let Some(thread) = self.thread.take() {
            // A flusher that panicked has said so; there is nothing left to flush with.
            let _ = thread.join();
        }
    }
}

/// Why the flusher ends before it is asked to.
enum Ended {
    Store(StoreError),
    /// What is applied will never be durable in the log.
    Log,
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

struct Work {
    node: Arc<Node>,
    signal: FlushSignal,
    /// Bytes written to the store since it was durable.
    unsynced: usize,
    /// What the store holds, durable or not.
    written: Option<Applied>,
    /// When the store was last made durable; never, until the log is replayed.
    synced: Option<Instant>,
}

impl Work {
    fn run(&mut self, durable: &impl Fn()) -> Result<(), Ended> {
        let policy = self.signal.shared.policy;
        loop {
            let wanted = self.wait(policy);
            if wanted.flush || wanted.stop {
                self.flush()?;
            }
            let due = match self.synced {
                Some(synced) => synced.elapsed() >= policy.sync_interval,
                // What was replayed is made durable once, so that the next start need not replay it again.
                None => self.node.consensus.get().is_some(),
            };
            let logged = self.signal.shared.log_bytes.load(Ordering::Relaxed);
            if wanted.stop
                || due
                || self.unsynced >= policy.sync_bytes
                || logged >= policy.log_bytes
            {
                self.sync(durable)?;
            }
            if wanted.stop {
                return Ok(());
            }
        }
    }

    /// Waits until there is something to do, or until it is time to look.
    fn wait(&self, policy: FlushPolicy) -> Wanted {
        let mut wanted = self.signal.shared.wanted.lock();
        if !(wanted.flush || wanted.stop) {
            let left = self.synced.map_or(FLUSH_WAIT, |synced| {
                policy.sync_interval.saturating_sub(synced.elapsed())
            });
            self.signal
                .shared
                .changed
                .wait_for(&mut wanted, left.max(FLUSH_WAIT));
        }
        let taken = *wanted;
        wanted.flush = false;
        taken
    }

    fn flush(&mut self) -> Result<(), Ended> {
        let signal = self.signal.clone();
        let _held = signal.hold();
        self.flush_held()
    }

    fn flush_held(&mut self) -> Result<(), Ended> {
        let (frozen, bytes, store) = {
            let mut state = self.node.state.write();
            if state.damaged {
                return Ok(());
            }
            self.written = applied(&state.meta);
            let bytes = state.tree.buffered_bytes();
            state.store_meta();
            let store = Arc::clone(state.tree.store());
            (state.tree.freeze(), bytes, store)
        };
        if let Some(frozen) = frozen {
            if let (Some(log), Some(applied)) = (self.signal.shared.log.get(), &self.written)
                && !log.wait_durable(applied.index)
            {
                return Err(Ended::Log);
            }
            store.write(&frozen)?;
            let emptied = self.node.state.write().tree.flushed();
            drop((frozen, emptied));
            self.unsynced += bytes;
        }
        let mut wanted = self.signal.shared.wanted.lock();
        wanted.done += 1;
        self.signal.shared.changed.notify_all();
        Ok(())
    }

    fn sync(&mut self, durable: &impl Fn()) -> Result<(), Ended> {
        self.synced = Some(Instant::now());
        self.signal.shared.log_bytes.store(0, Ordering::Relaxed);
        let signal = self.signal.clone();
        let _held = signal.hold();
        let (index, store) = {
            let state = self.node.state.read();
            (applied(&state.meta), Arc::clone(state.tree.store()))
        };
        if index == self.signal.durable() {
            return Ok(());
        }
        self.flush_held()?;
        store.sync()?;
        self.unsynced = 0;
        self.signal.shared.durable.lock().clone_from(&self.written);
        durable();
        Ok(())
    }
}
