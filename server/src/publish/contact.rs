//! Whether this member may answer anybody (a member without a quorum answers nobody, or two clients could hold one lock).

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::Clock;

/// Contact with a quorum: when a majority last confirmed the leader that this member follows, and how long that counts.
#[derive(Debug)]
pub struct Contact {
    clock: Clock,
    /// None for a server alone, which is a quorum by itself.
    limit_ms: Option<i64>,
    /// How long this member looks for a quorum before it serves who makes do with reading; none if it never does.
    read_only_after_ms: Option<i64>,
    until_ms: AtomicI64,
}

impl Contact {
    /// The contact of a member for which a confirmation counts for `limit`; none yet. A server alone has no limit, and
    /// is always in contact with itself.
    #[must_use]
    pub fn new(clock: Clock, limit: Option<Duration>) -> Self {
        Self {
            clock,
            limit_ms: limit.map(millis),
            read_only_after_ms: None,
            until_ms: AtomicI64::new(0),
        }
    }

    /// The same for a member that serves read-only clients once it has looked for a quorum for so long
    /// (`readonlymode.enabled`).
    #[must_use]
    pub fn read_only_after(self, patience: Duration) -> Self {
        Self {
            read_only_after_ms: Some(millis(patience)),
            ..self
        }
    }

    /// How long a confirmation counts.
    #[must_use]
    pub fn limit(&self) -> Option<Duration> {
        self.limit_ms
            .map(|limit| Duration::from_millis(limit.unsigned_abs()))
    }

    /// A quorum confirmed the leader so long ago.
    pub fn confirmed(&self, ago: Duration) {
        if let Some(limit) = self.limit_ms {
            let until = (self.clock.now_ms() + limit).saturating_sub(millis(ago));
            self.until_ms.fetch_max(until, Ordering::Relaxed);
        }
    }

    /// May this member answer now? Asked before every reply: a process that was stopped wakes up in the middle of
    /// anything.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.limit_ms.is_none() || self.clock.now_ms() < self.until_ms.load(Ordering::Relaxed)
    }

    /// May this member, which has no contact, answer those who know that it may be behind?
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        let (Some(after), Some(_)) = (self.read_only_after_ms, self.limit_ms) else {
            return false;
        };
        let until = self.until_ms.load(Ordering::Relaxed);
        self.clock.now_ms() >= until.saturating_add(after)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_alone_always_may_and_a_member_while_a_confirmation_counts() {
        let clock = Clock::start();
        assert!(Contact::new(clock, None).is_current());
        let contact = Contact::new(clock, Some(Duration::from_secs(1000)));
        assert!(!contact.is_current());
        contact.confirmed(Duration::from_secs(1001));
        assert!(!contact.is_current(), "it was too long ago");
        contact.confirmed(Duration::from_secs(1));
        assert!(contact.is_current());
        contact.confirmed(Duration::from_secs(2000));
        assert!(contact.is_current(), "an older one takes nothing back");
    }

    #[test]
    fn a_member_without_contact_is_read_only_after_a_while_if_it_was_told_so() {
        let clock = Clock::start();
        let limit = Some(Duration::from_secs(1000));
        assert!(!Contact::new(clock, limit).is_read_only());
        let alone = Contact::new(clock, None).read_only_after(Duration::ZERO);
        assert!(!alone.is_read_only(), "a server alone is a quorum");
        let patient = Contact::new(clock, limit).read_only_after(Duration::from_secs(1000));
        assert!(!patient.is_read_only() && !patient.is_current());
        let contact = Contact::new(clock, limit).read_only_after(Duration::ZERO);
        assert!(contact.is_read_only() && !contact.is_current());
        contact.confirmed(Duration::ZERO);
        assert!(!contact.is_read_only() && contact.is_current());
    }
}
