//! How many bytes of large requests may be in flight together (`ZooKeeperServer.checkRequestSizeWhenReceivingMessage`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::config::LargeRequests;

/// Counts the bytes of all connections' large requests; none is large when there is no limit.
#[derive(Debug, Default)]
pub struct LargeRequestBytes {
    limit: Option<LargeRequests>,
    in_flight: Arc<AtomicUsize>,
}

/// A large request's share, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    in_flight: Arc<AtomicUsize>,
    bytes: usize,
}

/// There are too many bytes of large requests already: the connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

impl LargeRequestBytes {
    /// Nothing in flight yet.
    #[must_use]
    pub fn new(limit: Option<LargeRequests>) -> Self {
        Self {
            limit,
            in_flight: Arc::default(),
        }
    }

    /// The share of a request of `bytes` bytes; none for one that is not large.
    pub(super) fn take(&self, bytes: usize) -> Result<Option<Share>, TooLarge> {
        let Some(limit) = self.limit.filter(|limit| bytes > limit.threshold) else {
            return Ok(None);
        };
        let share = Share {
            in_flight: Arc::clone(&self.in_flight),
            bytes,
        };
        let before = self.in_flight.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > limit.max_bytes {
            return Err(TooLarge);
        }
        Ok(Some(share))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_requests_share_a_limit_and_small_ones_do_not_count() {
        let limit = LargeRequests {
            threshold: 10,
            max_bytes: 30,
        };
        let bytes = LargeRequestBytes::new(Some(limit));
        assert!(bytes.take(10).expect("is small").is_none());
        let first = bytes.take(20).expect("fits").expect("is large");
        assert_eq!(bytes.take(11).err(), Some(TooLarge));
        drop(first);
        assert!(bytes.take(30).expect("fits again").is_some());
    }
}
