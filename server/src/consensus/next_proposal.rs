//! The next proposal of a lone client, seen without sleeping.
//!
//! A client that waits for each write before it sends the next one pays for every sleep of the threads between: on a
//! virtual machine a core that sleeps takes tens of microseconds to wake, half as long as the disk takes for a sync. So
//! the consensus thread of a server alone looks for such a client's next proposal for a moment before it sleeps. With
//! more writers at work their threads need the core, and nothing is looked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long the thread looks: longer than a client on this machine or in the same rack takes, shorter than a sync.
const LOOK: Duration = Duration::from_micros(150);
/// Looks between two at the clock.
const LOOKS_PER_CLOCK: u32 = 32;
/// Nobody's next proposal is looked for.
const NONE: u64 = u64::MAX;

/// What the callers have handed over, and whether the thread may look for more; a handle.
#[derive(Clone, Debug)]
pub(super) struct NextProposal {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    handed_over: AtomicU64,
    /// Proposals handed over when the next one began to be expected, or [`NONE`].
    expected_after: AtomicU64,
}

impl NextProposal {
    pub(super) fn new() -> NextProposal {
        let shared = Shared {
            handed_over: AtomicU64::new(0),
            expected_after: AtomicU64::new(NONE),
        };
        NextProposal {
            shared: Arc::new(shared),
        }
    }

    /// A proposal was handed over, and the thread was woken: it will not sleep now.
    pub(super) fn handed_over(&self) {
        self.shared.handed_over.fetch_add(1, Ordering::Release);
    }

    /// The next one is likely to come at once.
    pub(super) fn expect(&self) {
        let handed_over = self.shared.handed_over.load(Ordering::Acquire);
        self.shared
            .expected_after
            .store(handed_over, Ordering::Relaxed);
    }

    /// Before the thread sleeps: returns when the proposal that is expected was handed over or does not come. At once if
    /// none is expected. To return too early costs a sleep and no more. True when it was handed over.
    pub(super) fn look(&self) -> bool {
        let before = self.shared.expected_after.swap(NONE, Ordering::Relaxed);
        if before == NONE {
            return false;
        }
        let begun = Instant::now();
        while begun.elapsed() < LOOK {
            for _ in 0..LOOKS_PER_CLOCK {
                if self.shared.handed_over.load(Ordering::Acquire) != before {
                    return true;
                }
                std::hint::spin_loop();
            }
        }
        false
    }

    #[cfg(test)]
    fn is_expected(&self) -> bool {
        self.shared.expected_after.load(Ordering::Relaxed) != NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_is_looked_for_once() {
        let next = NextProposal::new();
        next.expect();
        assert!(next.is_expected());
        assert!(!next.look(), "nobody came");
        assert!(!next.is_expected());
        next.handed_over();
        assert!(!next.look(), "nobody was expected any more");
    }

    #[test]
    fn a_proposal_that_came_meanwhile_ends_the_look() {
        let next = NextProposal::new();
        next.expect();
        next.handed_over();
        assert!(next.look());
        assert!(!next.is_expected());
    }
}
