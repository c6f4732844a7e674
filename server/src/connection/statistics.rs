//! What is counted of one connection, for `cons` and its like.

use std::time::{Duration, Instant, SystemTime};

use treekeeper_protocol::OpCode;

/// Counters of one connection since it was made, or since they were reset.
#[derive(Debug, Clone, Default)]
pub struct Statistics {
    /// Requests received.
    pub packets_received: u64,
    /// Replies and events queued.
    pub packets_sent: u64,
    /// Operation of the last reply.
    pub last_operation: Option<OpCode>,
    /// xid of the last reply.
    pub last_cxid: i32,
    /// zxid of the last reply.
    pub last_zxid: i64,
    /// When the last reply was queued.
    last_response: Option<Instant>,
    /// Latency of the last reply.
    pub latency_last: Duration,
    /// Smallest latency.
    pub latency_min: Option<Duration>,
    /// Largest latency.
    pub latency_max: Duration,
    /// All latencies together.
    pub latency_sum: Duration,
    /// Replies that they belong to.
    pub replies: u64,
}

impl Statistics {
    /// Notes a reply to a request that was received at `received`, and says how long it took.
    pub(super) fn replied(
        &mut self,
        op: OpCode,
        xid: i32,
        zxid: i64,
        received: Instant,
    ) -> Duration {
        // Read once for everything: at half a million replies a second a clock has its price.
        let now = Instant::now();
        let latency = now.saturating_duration_since(received);
        self.packets_sent += 1;
        self.last_operation = Some(op);
        self.last_cxid = xid;
        self.last_zxid = zxid;
        self.last_response = Some(now);
        self.latency_last = latency;
        self.latency_min = Some(self.latency_min.map_or(latency, |least| least.min(latency)));
        self.latency_max = self.latency_max.max(latency);
        self.latency_sum += latency;
        self.replies += 1;
        latency
    }

    /// When the last reply was queued.
    #[must_use]
    pub fn last_response(&self) -> Option<SystemTime> {
        let ago = self.last_response?.elapsed();
        SystemTime::now().checked_sub(ago)
    }

    /// Mean latency; zero before the first reply.
    #[must_use]
    pub fn latency_average(&self) -> Duration {
        u32::try_from(self.replies)
            .ok()
            .and_then(|replies| self.latency_sum.checked_div(replies))
            .unwrap_or_default()
    }
}
