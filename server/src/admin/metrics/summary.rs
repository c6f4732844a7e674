//! Distributions of durations and of sizes.

use super::histogram::{Distribution, Histogram};
use super::{Metric, Sample};
use std::time::Duration;

/// How much of a distribution is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// Mean, bounds, count and sum; ZooKeeper's "basic summary".
    Basic,
    /// Percentiles as well; ZooKeeper's "advanced summary".
    Advanced,
}

impl Detail {
    fn sample(self, distribution: Distribution) -> Sample {
        match self {
            Self::Basic => Sample::Basic(distribution),
            Self::Advanced => Sample::Advanced(distribution),
        }
    }
}

/// Durations: recorded in microseconds, shown in milliseconds.
#[derive(Debug)]
pub struct Times {
    histogram: Histogram,
    detail: Detail,
}

impl Times {
    pub(super) fn basic() -> Self {
        Self {
            histogram: Histogram::new(),
            detail: Detail::Basic,
        }
    }

    /// Advanced, for what every request records.
    pub(super) fn hot() -> Self {
        Self {
            histogram: Histogram::sharded(),
            detail: Detail::Advanced,
        }
    }

    /// Records one duration.
    pub fn record(&self, duration: Duration) {
        self.histogram
            .record(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// Records so many durations that were measured together, each as their mean.
    pub fn record_together(&self, total: Duration, count: u64) {
        let micros = u64::try_from(total.as_micros()).unwrap_or(u64::MAX);
        if let Some(mean) = micros.checked_div(count) {
            self.histogram.record_many(mean, count);
        }
    }

    /// What was recorded so far, in milliseconds.
    pub fn distribution(&self) -> Distribution {
        self.histogram.distribution(1000.0)
    }
}

impl Metric for Times {
    fn sample(&self) -> Sample {
        self.detail.sample(self.distribution())
    }

    fn reset(&self) {
        self.histogram.reset();
    }
}

/// Sizes: of batches, of lists of watchers.
#[derive(Debug)]
pub struct Sizes {
    histogram: Histogram,
    detail: Detail,
}

impl Sizes {
    pub(super) fn basic() -> Self {
        Self {
            histogram: Histogram::new(),
            detail: Detail::Basic,
        }
    }

    /// Records one size.
    pub fn record(&self, size: usize) {
        self.histogram.record(size as u64);
    }

    /// What was recorded so far.
    pub fn distribution(&self) -> Distribution {
        self.histogram.distribution(1.0)
    }
}

impl Metric for Sizes {
    fn sample(&self) -> Sample {
        self.detail.sample(self.distribution())
    }

    fn reset(&self) {
        self.histogram.reset();
    }
}
