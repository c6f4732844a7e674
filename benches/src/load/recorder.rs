//! Latencies, errors and silences while measuring.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::load::Latency;

/// Longer waits than this are counted as this long.
const LATENCY_MAX: Duration = Duration::from_secs(600);
/// Latencies are kept to three digits.
const DIGITS: u8 = 3;

/// What the connections of one load thread saw.
#[derive(Debug)]
pub struct Recorder {
    latency_ns: Histogram<u64>,
    /// Replies with an error code.
    pub errors: u64,
}

impl Default for Recorder {
    fn default() -> Self {
        let latency_ns = Histogram::new_with_bounds(1, nanoseconds(LATENCY_MAX), DIGITS)
            .expect("the bounds are valid constants");
        Self {
            latency_ns,
            errors: 0,
        }
    }
}

impl Recorder {
    /// A request was answered after `latency`.
    pub fn answered(&mut self, latency: Duration) {
        self.latency_ns.saturating_record(nanoseconds(latency));
    }

    /// A request was answered with an error.
    pub fn failed(&mut self) {
        self.errors += 1;
    }

    /// Takes over what another thread saw.
    ///
    /// # Panics
    /// Never: all recorders have the same bounds.
    pub fn merge(&mut self, other: &Self) {
        self.latency_ns
            .add(&other.latency_ns)
            .expect("all recorders have the same bounds");
        self.errors += other.errors;
    }

    /// Requests answered without an error.
    pub fn answers(&self) -> u64 {
        self.latency_ns.len()
    }

    /// A percentile in µs.
    pub fn percentile_us(&self, percentile: f64) -> f64 {
        microseconds(self.latency_ns.value_at_percentile(percentile))
    }

    /// The percentiles that are reported.
    pub fn latency(&self) -> Latency {
        Latency {
            p50_us: self.percentile_us(50.0),
            p99_us: self.percentile_us(99.0),
            p999_us: self.percentile_us(99.9),
            max_us: microseconds(self.latency_ns.max()),
        }
    }
}

/// The longest time without any reply, over all connections and threads.
#[derive(Debug)]
pub struct Silence {
    origin: Instant,
    last_ns: AtomicU64,
    longest_ns: AtomicU64,
}

impl Silence {
    /// Begins to listen at `start`.
    pub fn since(start: Instant) -> Self {
        Self {
            origin: start,
            last_ns: AtomicU64::new(0),
            longest_ns: AtomicU64::new(0),
        }
    }

    /// Some connection was answered, or the measurement ended.
    pub fn broken(&self, now: Instant) {
        let now_ns = nanoseconds(now.saturating_duration_since(self.origin));
        let last_ns = self.last_ns.fetch_max(now_ns, Ordering::Relaxed);
        let silence_ns = now_ns.saturating_sub(last_ns);
        // Nearly always false: the line shared among threads is then only read.
        if silence_ns > self.longest_ns.load(Ordering::Relaxed) {
            self.longest_ns.fetch_max(silence_ns, Ordering::Relaxed);
        }
    }

    /// In ms.
    pub fn longest_ms(&self) -> f64 {
        microseconds(self.longest_ns.load(Ordering::Relaxed)) / 1000.0
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "three digits are kept, far fewer than an f64 has"
)]
fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_in_microseconds() {
        let mut recorder = Recorder::default();
        for us in 1..=1000 {
            recorder.answered(Duration::from_micros(us));
        }
        let mut slow = Recorder::default();
        slow.failed();
        recorder.merge(&slow);
        let latency = recorder.latency();
        assert!((latency.p50_us - 500.0).abs() < 1.0, "{latency:?}");
        assert!((latency.p99_us - 990.0).abs() < 2.0, "{latency:?}");
        assert!((latency.max_us - 1000.0).abs() < 2.0, "{latency:?}");
        assert_eq!((recorder.answers(), recorder.errors), (1000, 1));
    }

    #[test]
    fn silence_is_the_longest_gap_between_any_two_replies() {
        let start = Instant::now();
        let silence = Silence::since(start);
        for ms in [3, 5, 9, 10] {
            silence.broken(start + Duration::from_millis(ms));
        }
        assert_eq!(silence.longest_ms(), 4.0);
    }
}
