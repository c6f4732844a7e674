//! The only clock of the server's own decisions: deadlines by a monotonic one, stamps by the wall.

use std::fmt::Debug;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time since the process began, and the wall's.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    source: Source,
}

#[derive(Debug, Clone, Copy)]
enum Source {
    /// The machine's, since the process began.
    Machine(Instant),
    Told(&'static dyn TimeSource),
}

/// What time it is, where that is not the machine's: in a simulation.
pub trait TimeSource: Debug + Send + Sync {
    /// Time since the process began; never goes back.
    fn elapsed(&self) -> Duration;

    /// Time since 1970; jumps as it likes.
    fn wall(&self) -> Duration;
}

impl Clock {
    /// Begins now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            source: Source::Machine(Instant::now()),
        }
    }

    /// Shows the time of `source`.
    #[must_use]
    pub fn of(source: &'static dyn TimeSource) -> Self {
        Self {
            source: Source::Told(source),
        }
    }

    /// Time since it began; never goes back.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        match self.source {
            Source::Machine(started) => started.elapsed(),
            Source::Told(source) => source.elapsed(),
        }
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
        let now = UNIX_EPOCH + self.wall();
        if ahead < 0 {
            now - distance
        } else {
            now + distance
        }
    }

    /// Wall-clock time in ms since 1970, to stamp commands with.
    #[must_use]
    pub fn wall_ms(self) -> i64 {
        millis(self.wall())
    }

    fn wall(self) -> Duration {
        match self.source {
            Source::Machine(_) => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
            Source::Told(source) => source.wall(),
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
