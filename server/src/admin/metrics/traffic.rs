//! Packets and bytes in and out: what every single request changes.
//!
//! A connection's task counts into [`TrafficCounts`] of its own, which are plain numbers, and adds them to the
//! shared [`Traffic`] once a wake-up, so that a pipeline of requests shares the price of the atomics. Those of one
//! thread lie in one cache line.

use super::shard::{self, SHARDS};
use crossbeam::utils::CachePadded;
use std::sync::atomic::{AtomicU64, Ordering};

/// Requests received and replies sent, over all connections.
#[derive(Debug)]
pub struct Traffic {
    shards: [CachePadded<Shard>; SHARDS],
}

#[derive(Debug)]
struct Shard {
    packets_received: AtomicU64,
    packets_sent: AtomicU64,
    bytes_received: AtomicU64,
    response_bytes: AtomicU64,
    response_last: AtomicU64,
    response_min: AtomicU64,
    response_max: AtomicU64,
}

/// Traffic in plain numbers: of one task until it adds them up, or of the whole server at the moment of reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrafficCounts {
    /// Requests received.
    pub packets_received: u64,
    /// Replies and events sent.
    pub packets_sent: u64,
    /// Bytes of requests received.
    pub bytes_received: u64,
    /// Bytes of replies sent.
    pub response_bytes: u64,
    /// Size of the latest reply; of the whole server, of the latest reply of the busiest thread.
    pub response_last: Option<u64>,
    /// Size of the smallest reply.
    pub response_min: Option<u64>,
    /// Size of the largest reply.
    pub response_max: Option<u64>,
}

impl TrafficCounts {
    /// Counts one request of `bytes` bytes.
    pub fn request_received(&mut self, bytes: usize) {
        self.packets_received += 1;
        self.bytes_received += bytes as u64;
    }

    /// Counts one reply of `bytes` bytes.
    pub fn response_sent(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        self.packets_sent += 1;
        self.response_bytes += bytes;
        self.response_last = Some(bytes);
        self.response_min = Some(self.response_min.map_or(bytes, |least| least.min(bytes)));
        self.response_max = Some(self.response_max.map_or(bytes, |most| most.max(bytes)));
    }

    /// Counts one watch event sent: a packet, but not a reply.
    pub fn event_sent(&mut self) {
        self.packets_sent += 1;
    }
}

impl Traffic {
    pub(super) fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| CachePadded::new(Shard::new())),
        }
    }

    /// Adds what a task counted, which then begins at zero again.
    pub fn add(&self, counts: &mut TrafficCounts) {
        let counts = std::mem::take(counts);
        let shard = &self.shards[shard::index()];
        // Reads and writes seldom come in one wake-up: half of these additions are of nothing.
        for (shared, more) in [
            (&shard.packets_received, counts.packets_received),
            (&shard.bytes_received, counts.bytes_received),
            (&shard.packets_sent, counts.packets_sent),
            (&shard.response_bytes, counts.response_bytes),
        ] {
            if more > 0 {
                shared.fetch_add(more, Ordering::Relaxed);
            }
        }
        let (Some(last), Some(min), Some(max)) = (
            counts.response_last,
            counts.response_min,
            counts.response_max,
        ) else {
            return;
        };
        shard.response_last.store(last, Ordering::Relaxed);
        // A load is far cheaper than a read-modify-write, and a new bound is rare.
        if min < shard.response_min.load(Ordering::Relaxed) {
            shard.response_min.fetch_min(min, Ordering::Relaxed);
        }
        if max > shard.response_max.load(Ordering::Relaxed) {
            shard.response_max.fetch_max(max, Ordering::Relaxed);
        }
    }

    /// The sums over all threads.
    pub fn totals(&self) -> TrafficCounts {
        let mut totals = TrafficCounts::default();
        let mut sent_most = 0;
        for shard in &self.shards {
            let load = |value: &AtomicU64| value.load(Ordering::Relaxed);
            let sent = load(&shard.packets_sent);
            totals.packets_received += load(&shard.packets_received);
            totals.packets_sent += sent;
            totals.bytes_received += load(&shard.bytes_received);
            totals.response_bytes += load(&shard.response_bytes);
            let (min, max) = (load(&shard.response_min), load(&shard.response_max));
            if min > max {
                continue; // this thread sent no reply
            }
            totals.response_min = Some(totals.response_min.map_or(min, |least| least.min(min)));
            totals.response_max = Some(totals.response_max.map_or(max, |most| most.max(max)));
            if sent > sent_most {
                sent_most = sent;
                totals.response_last = Some(load(&shard.response_last));
            }
        }
        totals
    }

    pub(super) fn reset(&self) {
        for shard in &self.shards {
            shard.reset();
        }
    }
}

impl Shard {
    fn new() -> Self {
        Self {
            packets_received: AtomicU64::new(0),
            packets_sent: AtomicU64::new(0),
            bytes_received: AtomicU64::new(0),
            response_bytes: AtomicU64::new(0),
            response_last: AtomicU64::new(0),
            response_min: AtomicU64::new(u64::MAX),
            response_max: AtomicU64::new(0),
        }
    }

    fn reset(&self) {
        for value in [
            &self.packets_received,
            &self.packets_sent,
            &self.bytes_received,
            &self.response_bytes,
            &self.response_last,
            &self.response_max,
        ] {
            value.store(0, Ordering::Relaxed);
        }
        self.response_min.store(u64::MAX, Ordering::Relaxed);
    }
}
