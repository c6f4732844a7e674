//! A histogram of `u64` values that many threads record into without a lock.
//!
//! Buckets are log-linear: values below 16 have a bucket each, and each power of two above is cut into 16 equal
//! buckets, so a percentile is wrong by at most one part in 16.

use super::shard::{self, SHARDS};
use crossbeam::utils::CachePadded;
use std::sync::atomic::{AtomicU64, Ordering};

/// Buckets per power of two, as a power of two.
const SUB_BUCKET_BITS: u32 = 4;
const SUB_BUCKETS: usize = 1 << SUB_BUCKET_BITS;
/// Larger values count as the largest: 2^36 microseconds are 19 hours.
const VALUE_BITS: u32 = 36;
const VALUE_MAX: u64 = (1 << VALUE_BITS) - 1;
const BUCKETS: usize = SUB_BUCKETS * (VALUE_BITS - SUB_BUCKET_BITS + 1) as usize;

/// Counts of recorded values by size.
#[derive(Debug)]
pub(super) struct Histogram {
    shards: Box<[CachePadded<Shard>]>,
}

#[derive(Debug)]
struct Shard {
    buckets: [AtomicU64; BUCKETS],
    sum: AtomicU64,
    min: AtomicU64,
    max: AtomicU64,
}

impl Histogram {
    /// A histogram for values that several threads do not record at once.
    pub(super) fn new() -> Self {
        Self::with_shards(1)
    }

    /// A histogram for values that every thread records with every request.
    pub(super) fn sharded() -> Self {
        Self::with_shards(SHARDS)
    }

    fn with_shards(shards: usize) -> Self {
        Self {
            shards: (0..shards)
                .map(|_| CachePadded::new(Shard::new()))
                .collect(),
        }
    }

    pub(super) fn record(&self, value: u64) {
        self.record_many(value, 1);
    }

    pub(super) fn record_many(&self, value: u64, count: u64) {
        let value = value.min(VALUE_MAX);
        let shard = match &self.shards[..] {
            [only] => only,
            shards => &shards[shard::index()],
        };
        shard.buckets[bucket_of(value)].fetch_add(count, Ordering::Relaxed);
        let sum = value.saturating_mul(count);
        shard.sum.fetch_add(sum, Ordering::Relaxed);
        // A load is far cheaper than a read-modify-write, and a new bound is rare.
        if value < shard.min.load(Ordering::Relaxed) {
            shard.min.fetch_min(value, Ordering::Relaxed);
        }
        if value > shard.max.load(Ordering::Relaxed) {
            shard.max.fetch_max(value, Ordering::Relaxed);
        }
    }

    pub(super) fn reset(&self) {
        for shard in &self.shards {
            for bucket in &shard.buckets {
                bucket.store(0, Ordering::Relaxed);
            }
            shard.sum.store(0, Ordering::Relaxed);
            shard.min.store(u64::MAX, Ordering::Relaxed);
            shard.max.store(0, Ordering::Relaxed);
        }
    }

    /// What was recorded so far, in units of `unit` recorded values.
    pub(super) fn distribution(&self, unit: f64) -> Distribution {
        let mut distribution = Distribution {
            buckets: vec![0; BUCKETS],
            sum: 0,
            min: u64::MAX,
            max: 0,
            unit,
        };
        for shard in &self.shards {
            for (total, bucket) in distribution.buckets.iter_mut().zip(&shard.buckets) {
                *total += bucket.load(Ordering::Relaxed);
            }
            distribution.sum += shard.sum.load(Ordering::Relaxed);
            distribution.min = distribution.min.min(shard.min.load(Ordering::Relaxed));
            distribution.max = distribution.max.max(shard.max.load(Ordering::Relaxed));
        }
        distribution
    }
}

impl Shard {
    fn new() -> Self {
        Self {
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            sum: AtomicU64::new(0),
            min: AtomicU64::new(u64::MAX),
            max: AtomicU64::new(0),
        }
    }
}

fn bucket_of(value: u64) -> usize {
    if value < SUB_BUCKETS as u64 {
        return usize::try_from(value).expect("below 16");
    }
    let shift = value.ilog2() - SUB_BUCKET_BITS;
    let within = usize::try_from(value >> shift).expect("below 32") - SUB_BUCKETS;
    (shift as usize + 1) * SUB_BUCKETS + within
}

/// The middle of a bucket: the value that stands for all values in it.
fn value_of(bucket: usize) -> u64 {
    if bucket < SUB_BUCKETS {
        return bucket as u64;
    }
    let shift = bucket / SUB_BUCKETS - 1;
    let lowest = ((bucket % SUB_BUCKETS + SUB_BUCKETS) as u64) << shift;
    lowest + (1 << shift) / 2
}

/// Recorded values at one moment. Without values everything is 0.
#[derive(Clone, Debug)]
pub struct Distribution {
    buckets: Vec<u64>,
    sum: u64,
    min: u64,
    max: u64,
    /// Recorded values per shown unit: 1000 when microseconds are shown as milliseconds.
    unit: f64,
}

#[expect(
    clippy::cast_precision_loss,
    reason = "statistics for people: 53 bits are plenty"
)]
impl Distribution {
    /// How many values were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The sum of all values.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum as f64 / self.unit
    }

    /// The smallest value.
    #[must_use]
    pub fn min(&self) -> f64 {
        if self.min > self.max {
            0.0
        } else {
            self.min as f64 / self.unit
        }
    }

    /// The largest value.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.max as f64 / self.unit
    }

    /// The mean, to four decimals as ZooKeeper shows it.
    #[must_use]
    pub fn average(&self) -> f64 {
        let count = self.count();
        if count == 0 {
            return 0.0;
        }
        (self.sum() / count as f64 * 10_000.0).round() / 10_000.0
    }

    /// The value below which `per_mille` thousandths of all values lie.
    #[must_use]
    pub fn percentile(&self, per_mille: u64) -> f64 {
        let rank = (self.count() * per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return value_of(bucket).clamp(self.min, self.max) as f64 / self.unit;
            }
        }
        0.0
    }

    /// Both distributions as one. The unit is `self`'s.
    #[must_use]
    pub fn merged(mut self, other: Self) -> Self {
        for (count, more) in self.buckets.iter_mut().zip(other.buckets) {
            *count += more;
        }
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self
    }
}
