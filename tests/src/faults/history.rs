//! What every client called, when, and what came of it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// What was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// setData of a register; every value is written once.
    Set {
        /// Which register.
        register: usize,
        /// The new data.
        value: String,
        /// The version that it must have.
        expected: Option<i32>,
    },
    /// getData of a register.
    Read {
        /// Which register.
        register: usize,
        /// Behind a sync, or strict: it must see all that was acknowledged before.
        synced: bool,
    },
    /// A sequential create below the list.
    Append {
        /// Its data, which no other has.
        value: String,
    },
    /// Any other call.
    Other(String),
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The new version of a register.
    Set(i64),
    /// What a register held.
    Read {
        /// Its data.
        value: String,
        /// Its version.
        version: i64,
    },
    /// The number of the new item.
    Appended(i64),
    /// It was carried out.
    Done,
    /// The server refused it, and nothing was done. A set: since the version was another one.
    Refused(String),
    /// Nobody knows.
    Unknown(String),
}

/// A call from its start to its end. Times are those since the start of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The session's id.
    pub session: i64,
    /// Calls of one session are put on the wire in this order.
    pub order: u64,
    /// What was called.
    pub action: Action,
    /// When it was called.
    pub start: Duration,
    /// When it was known what came of it.
    pub end: Duration,
    /// What came of it.
    pub outcome: Outcome,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:10.6} s to {:10.6} s, session {:#x}, call {}: {:?}: {:?}",
            self.start.as_secs_f64(),
            self.end.as_secs_f64(),
            self.session,
            self.order,
            self.action,
            self.outcome
        )
    }
}

/// Something that must not be, and the calls that show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What is wrong.
    pub what: String,
    /// The calls that cannot all be.
    pub calls: Vec<Call>,
}

impl Violation {
    /// A violation that these calls show.
    pub fn new(what: impl Into<String>, calls: &[&Call]) -> Self {
        Self {
            what: what.into(),
            calls: calls.iter().map(|call| (*call).clone()).collect(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VIOLATION: {}", self.what)?;
        for call in &self.calls {
            write!(f, "\n    {call}")?;
        }
        Ok(())
    }
}

/// A call that has begun.
#[derive(Debug)]
#[must_use]
pub struct Begun {
    session: i64,
    order: u64,
    action: Action,
    start: Duration,
}

/// Collects the calls of all clients, and what was wrong at once.
#[derive(Debug)]
pub struct Recorder {
    start: Instant,
    /// The same in CLOCK_MONOTONIC, which all processes share.
    start_of_all: Duration,
    order: AtomicU64,
    calls: Mutex<Vec<Call>>,
    violations: Mutex<Vec<Violation>>,
}

fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    Duration::from_secs(part(now.tv_sec)) + Duration::from_nanos(part(now.tv_nsec))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recorder {
    /// A history that begins now.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it begins at a certain time")]
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            start_of_all: monotonic(),
            order: AtomicU64::new(0),
            calls: Mutex::default(),
            violations: Mutex::default(),
        }
    }

    /// The time since the start.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The time since the start of something that another process saw at a time of CLOCK_MONOTONIC.
    #[must_use]
    pub fn since_start(&self, time: Duration) -> Duration {
        time.saturating_sub(self.start_of_all)
    }

    /// The start, in CLOCK_MONOTONIC.
    #[must_use]
    pub fn start_of_all(&self) -> Duration {
        self.start_of_all
    }

    /// Another process's call.
    pub fn add(&self, call: Call) {
        lock(&self.calls).push(call);
    }

    /// A call begins.
    pub fn begin(&self, session: i64, action: Action) -> Begun {
        Begun {
            session,
            order: self.order.fetch_add(1, Ordering::Relaxed),
            action,
            start: self.now(),
        }
    }

    /// A call has ended.
    pub fn end(&self, begun: Begun, outcome: Outcome) {
        let call = Call {
            session: begun.session,
            order: begun.order,
            action: begun.action,
            start: begun.start,
            end: self.now(),
            outcome,
        };
        lock(&self.calls).push(call);
    }

    /// Something is wrong.
    pub fn violation(&self, what: impl Into<String>) {
        let what = format!("{:.3} s: {}", self.now().as_secs_f64(), what.into());
        lock(&self.violations).push(Violation::new(what, &[]));
    }

    /// All calls until now, in the order of their ends.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }

    /// What was wrong until now.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        lock(&self.violations).clone()
    }
}
