//! The only clock of the server's own decisions: deadlines by a monotonic one, stamps by the wall.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time since the process began, and the wall's.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// Begins now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    /// Time since it began; never goes back.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.started.elapsed()
    }

    /// The same in ms, for deadlines.
    #[must_use]
    pub fn now_ms(self) -> i64 {
        millis(self.elapsed())
    }

    /// Wall-clock time of a monotonic one in ms.
    #[must_use]
    pub fn wall_of(self, monotonic_ms: i64) -> SystemTime {
        let ahead = monotonic_ms - self.now_ms();
        let distance = Duration::from_millis(ahead.unsigned_abs());
        if ahead < 0 {
            SystemTime::now() - distance
        } else {
            SystemTime::now() + distance
        }
    }

    /// Wall-clock time in ms since 1970, to stamp commands with.
    #[must_use]
    pub fn wall_ms(self) -> i64 {
        millis(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        )
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
