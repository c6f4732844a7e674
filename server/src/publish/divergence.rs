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

/// What the marks of a member were like, beside the leader's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compared {
    /// Equal, as of this index.
    Agrees(u64),
    /// Different, from this index on.
    Differs(u64),
}

/// The marks of this member, and on the leader what those of the others were like.
#[derive(Debug, Default)]
pub struct Divergence {
    marks: VecDeque<Mark>,
    /// By the members' N.
    others: BTreeMap<u8, Compared>,
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

    /// This member does not lead: what it once found of the others counts no more.
    pub fn follow(&mut self) {
        self.others.clear();
    }

    /// The leader's side: compares a member's mark with its own, and says whether the member is in the minority of the
    /// `voters`. Says nothing without a mark that both have.
    pub fn compare(&mut self, member: u8, mark: Mark, voters: usize) -> Verdict {
        let Some(own) = self.marks.iter().find(|own| own.index == mark.index) else {
            return Verdict::Same;
        };
        let compared = match self.others.get(&member) {
            _ if own.digest == mark.digest => Compared::Agrees(mark.index),
            Some(since @ Compared::Differs(_)) => *since,
            _ => Compared::Differs(mark.index),
        };
        self.others.insert(member, compared);
        match compared {
            Compared::Differs(since) if (1 + self.agree_since(since)) * 2 > voters => {
                Verdict::Diverged
            }
            _ => Verdict::Same,
        }
    }

    /// How many others agree with this member at this index or later.
    fn agree_since(&self, since: u64) -> usize {
        let agrees =
            |compared: &&Compared| matches!(compared, Compared::Agrees(at) if *at >= since);
        self.others.values().filter(agrees).count()
    }

    /// Is this member, which leads, in the minority: do more than half of the `voters` differ, and none agree since?
    #[must_use]
    pub fn is_alone(&self, voters: usize) -> bool {
        let differs = self.others.values().filter_map(|compared| match compared {
            Compared::Differs(since) => Some(*since),
            Compared::Agrees(_) => None,
        });
        let differs: Vec<u64> = differs.collect();
        let first = differs.iter().min().copied().unwrap_or_default();
        differs.len() * 2 > voters && self.agree_since(first) == 0
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
        for (member, mark, expected) in [
            (2, mark(100, 1), Verdict::Same),
            (2, mark(0, 0), Verdict::Same),
            (3, mark(256, 2560), Verdict::Same),
            // Who is wrong cannot be told until a third has come as far.
            (2, mark(512, 1), Verdict::Same),
            (3, mark(768, 7680), Verdict::Same),
            (2, mark(1024, 1), Verdict::Diverged),
            // It has been replaced, and has no mark yet, then a right one.
            (2, mark(0, 0), Verdict::Same),
            (2, mark(1024, 10_240), Verdict::Same),
        ] {
            assert_eq!(
                leader.compare(member, mark, 3),
                expected,
                "{member} {mark:?}"
            );
            assert!(!leader.is_alone(3));
        }
    }

    #[test]
    fn a_leader_that_goes_wrong_takes_nobody_along() {
        let mut leader = with_marks();
        assert_eq!(leader.compare(2, mark(256, 2560), 3), Verdict::Same);
        assert_eq!(leader.compare(3, mark(256, 2560), 3), Verdict::Same);
        assert_eq!(leader.compare(2, mark(512, 1), 3), Verdict::Same);
        assert!(!leader.is_alone(3), "one against one");
        assert_eq!(leader.compare(3, mark(512, 1), 3), Verdict::Same);
        assert!(leader.is_alone(3));
        leader.follow();
        assert!(!leader.is_alone(3));
        leader.forget();
        assert_eq!(leader.newest(), Mark::default());
    }

    #[test]
    fn of_five_two_do_not_stop_three() {
        let mut leader = with_marks();
        assert_eq!(leader.compare(2, mark(512, 5120), 5), Verdict::Same);
        for member in [3, 4, 5] {
            assert_eq!(leader.compare(member, mark(512, 1), 5), Verdict::Same);
        }
        assert!(!leader.is_alone(5), "one agrees: nobody can tell");
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
