//! What is said about callers that are refused: each thing once in a while, since they try many times a second.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long the same is not said again of the same host.
const SILENT: Duration = Duration::from_secs(60);
/// Different things that are kept in mind; beyond that nothing is said until one is over.
const KEPT_MAX: usize = 64;

/// What was said of late, and when.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    said: Mutex<HashMap<(IpAddr, String), Instant>>,
}

impl Complaints {
    /// Is this worth a line now?
    pub(super) fn is_news(&self, host: IpAddr, text: &str, now: Instant) -> bool {
        let mut said = self.said.lock();
        said.retain(|_, when| now.duration_since(*when) < SILENT);
        let key = (host, text.to_owned());
        if said.len() >= KEPT_MAX || said.contains_key(&key) {
            return false;
        }
        said.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn the_same_is_said_once_in_a_while_and_never_too_much() {
        let complaints = Complaints::default();
        let (here, there) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        let now = Instant::now();
        assert!(complaints.is_news(here.into(), "a", now));
        assert!(!complaints.is_news(here.into(), "a", now + SILENT / 2));
        assert!(complaints.is_news(here.into(), "b", now));
        assert!(complaints.is_news(there.into(), "a", now));
        assert!(complaints.is_news(here.into(), "a", now + SILENT));
        let said = (0..2 * KEPT_MAX)
            .filter(|text| complaints.is_news(here.into(), &text.to_string(), now + SILENT))
            .count();
        assert_eq!(said, KEPT_MAX - 1);
        assert!(complaints.is_news(here.into(), "0", now + 2 * SILENT));
    }
}
