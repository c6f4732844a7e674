//! The clocks of the members: all go with the simulated time, and each jumps by itself.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use openraft_rt_sim::SimInstant;
use treekeeper_server::publish::TimeSource;

/// When simulated runs begin: in November 2023, in ms since 1970.
const BEGIN_MS: i64 = 1_700_000_000_000;

/// The time since the run began.
pub(crate) fn now() -> Duration {
    SimInstant::try_now().map_or(Duration::ZERO, SimInstant::elapsed_since_start)
}

/// One member's clocks.
#[derive(Debug, Default)]
pub(crate) struct MemberTime {
    /// How far the monotonic clock is ahead, in ms: the machine slept, and woke up.
    ahead_ms: AtomicU64,
    /// How far the wall clock is off, in ms.
    wall_off_ms: AtomicI64,
}

impl MemberTime {
    /// The wall clock is set to another time.
    pub(crate) fn set_wall(&self, off_ms: i64) {
        self.wall_off_ms.store(off_ms, Ordering::Relaxed);
    }

    /// The monotonic clock jumps ahead, as it does over a pause of the process.
    pub(crate) fn jump(&self, by: Duration) {
        let by_ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.ahead_ms.fetch_add(by_ms, Ordering::Relaxed);
    }
}

impl TimeSource for MemberTime {
    fn elapsed(&self) -> Duration {
        now() + Duration::from_millis(self.ahead_ms.load(Ordering::Relaxed))
    }

    fn wall(&self) -> Duration {
        let since_begin = i64::try_from(now().as_millis()).unwrap_or(i64::MAX);
        let wall = BEGIN_MS + since_begin + self.wall_off_ms.load(Ordering::Relaxed);
        Duration::from_millis(wall.unsigned_abs())
    }
}
