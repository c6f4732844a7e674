//! Whether all members have the same tree: digests at equal log indexes are compared, and the minority stops.

use std::collections::{BTreeMap, VecDeque};

/// Entries between two marks.
const MARK_EVERY: u64 = 256;
/// Marks kept: a member that lags is compared as soon as it reaches one of them.
const MARKS_MAX: usize = 256;

/// The tree's digest at a log index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The index; 0 for no mark.
    pub index: u64,
    /// The digest of the tree when that entry and nothing later was applied.
    pub digest: u64,
}

/// What a comparison with the leader has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to complain of.
    Same,
    /// The member has another tree than the majority.
    Diverged,
}

/// The marks of this member, and on the leader what those of the others were like.
#[derive(Debug, Default)]
pub struct Divergence {
    marks: VecDeque<Mark>,
    /// Does the member (by its N) agree with this one? As of its last mark that both have.
    agrees: BTreeMap<u8, bool>,
}

impl Divergence {
    /// An entry was applied.
    pub fn note(&mut self, index: u64, digest: u64) {
        if !index.is_multiple_of(MARK_EVERY) {
            return;
        }
        if self.marks.len() == MARKS_MAX {
            self.marks.pop_front();
        }
        self.marks.push_back(Mark { index, digest });
    }

    /// The newest mark; one with index 0 if there is none.
    #[must_use]
    pub fn newest(&self) -> Mark {
        self.marks.back().copied().unwrap_or_default()
    }

    /// The tree is another one: what was noted of the old one says nothing of it.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// The leader's side: compares a member's mark with its own.
    pub fn compare(&mut self, member: u8, mark: Mark) -> Verdict {
        let own = self.marks.iter().find(|own| own.index == mark.index);
        if let Some(own) = own {
            self.agrees.insert(member, own.digest == mark.digest);
        }
        match self.agrees.get(&member) {
            // Whom nobody agrees with is in the minority: the member, or this one.
            Some(false) if self.agrees.values().any(|agrees| *agrees) => Verdict::Diverged,
            _ => Verdict::Same,
        }
    }

    /// Is this member, which leads, the one that differs from all others, two at least?
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.agrees.len() > 1 && self.agrees.values().all(|agrees| !*agrees)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(index: u64, digest: u64) -> Mark {
        Mark { index, digest }
    }

    fn with_marks() -> Divergence {
        let mut divergence = Divergence::default();
        for index in 1..=1024 {
            divergence.note(index, index * 10);
        }
        divergence
    }

    #[test]
    fn the_minority_is_found_at_equal_indexes_only() {
        let mut leader = with_marks();
        assert_eq!(leader.newest(), mark(1024, 10_240));
        assert_eq!(
            leader.compare(2, mark(100, 1)),
            Verdict::Same,
            "no common mark"
        );
        assert_eq!(leader.compare(2, mark(0, 0)), Verdict::Same);
        assert_eq!(
            leader.compare(2, mark(512, 1)),
            Verdict::Same,
            "who is wrong cannot be told yet"
        );
        assert_eq!(leader.compare(3, mark(768, 7680)), Verdict::Same);
        assert_eq!(leader.compare(2, mark(512, 1)), Verdict::Diverged);
        assert!(!leader.is_alone());
        assert_eq!(
            leader.compare(2, mark(1024, 10_240)),
            Verdict::Same,
            "it has been replaced"
        );
    }

    #[test]
    fn a_leader_that_nobody_agrees_with_is_the_minority() {
        let mut leader = with_marks();
        assert_eq!(leader.compare(2, mark(512, 1)), Verdict::Same);
        assert!(!leader.is_alone(), "one against one");
        assert_eq!(leader.compare(3, mark(512, 1)), Verdict::Same);
        assert!(leader.is_alone());
        leader.forget();
        assert!(!leader.is_alone() && leader.newest() == Mark::default());
    }

    #[test]
    fn old_marks_go() {
        let mut divergence = Divergence::default();
        for index in 1..=MARK_EVERY * (MARKS_MAX as u64 + 1) {
            divergence.note(index, index);
        }
        assert_eq!(divergence.marks.len(), MARKS_MAX);
        assert_eq!(divergence.marks[0].index, 2 * MARK_EVERY);
    }
}
