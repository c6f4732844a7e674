//! Sessions that live on this member alone: local sessions, and those of clients of a member without a quorum.
//!
//! They cost no log entry to open, move or close. No other member knows them, they own nothing, and they end with the
//! process. Pure, as [`Expiry`] is.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Expiry, Liveness};

/// Marks the ids that a member gives out by itself. Those of the replicated counter have 1 in their top byte, and those
/// of a ZooKeeper the number of one of its servers.
const OWN_MARK: i64 = 1 << 62;
/// Marks, among those, the ids of read-only sessions: they never become global, so every member may call them expired.
const READ_ONLY_MARK: i64 = 1 << 61;
/// The member's N stands above the time and the count: no two members give out the same id.
const MEMBER_SHIFT: u32 = 53;
/// The time in ms stands above the count: a later start begins above all that an earlier one gave out, unless that was
/// more than 2048 sessions a millisecond for as long as it ran.
const TIME_SHIFT: u32 = 11;

/// Sessions of one kind that this member alone knows, and their deadlines.
#[derive(Debug)]
pub struct LocalSessions {
    next: i64,
    /// How often each was taken over by another connection: the requests of an earlier one count no longer.
    open: BTreeMap<i64, u32>,
    expiry: Expiry,
}

impl LocalSessions {
    /// No local session yet, on this member, which starts at `time_ms` since 1970; deadlines are multiples of `tick_ms`.
    #[must_use]
    pub fn local(member: u8, time_ms: i64, tick_ms: i64) -> Self {
        Self::beginning_with(first_id(OWN_MARK, member, time_ms), tick_ms)
    }

    /// The same for read-only sessions.
    #[must_use]
    pub fn read_only(member: u8, time_ms: i64, tick_ms: i64) -> Self {
        let marks = OWN_MARK | READ_ONLY_MARK;
        Self::beginning_with(first_id(marks, member, time_ms), tick_ms)
    }

    fn beginning_with(next: i64, tick_ms: i64) -> Self {
        Self {
            next,
            open: BTreeMap::new(),
            expiry: Expiry::new(tick_ms),
        }
    }

    /// Opens a session under an id that no global session has.
    pub fn open(
        &mut self,
        timeout_ms: i32,
        now_ms: i64,
        is_taken: impl Fn(i64) -> bool,
    ) -> (i64, Arc<Liveness>) {
        while is_taken(self.next) {
            self.next += 1;
        }
        let id = self.next;
        self.next += 1;
        self.open.insert(id, 0);
        (id, self.expiry.open(id, 0, timeout_ms, now_ms))
    }

    /// A session goes on with another connection, in the next generation; none if it is not open here.
    pub fn reopen(
        &mut self,
        id: i64,
        timeout_ms: i32,
        now_ms: i64,
    ) -> Option<(u32, Arc<Liveness>)> {
        let generation = self.open.get_mut(&id)?;
        *generation = generation.wrapping_add(1);
        let liveness = self.expiry.open(id, *generation, timeout_ms, now_ms);
        Some((*generation, liveness))
    }

    /// Is the session open, and of this generation?
    #[must_use]
    pub fn is_current(&self, id: i64, generation: u32) -> bool {
        self.open.get(&id) == Some(&generation)
    }

    /// A session of this generation ends here, or becomes a global one. False if there is none.
    pub fn close(&mut self, id: i64, generation: u32) -> bool {
        let is_current = self.is_current(id, generation);
        if is_current {
            self.open.remove(&id);
            self.expiry.close(id);
        }
        is_current
    }

    /// All of them end.
    pub fn clear(&mut self) {
        while let Some((id, _)) = self.open.pop_first() {
            self.expiry.close(id);
        }
    }

    /// Ends the sessions whose time-out has passed, and names them. Call it every tick.
    pub fn tick(&mut self, now_ms: i64) -> Vec<i64> {
        let expired = self.expiry.tick(now_ms);
        expired
            .into_iter()
            .filter(|(id, generation)| self.close(*id, *generation))
            .map(|(id, _)| id)
            .collect()
    }

    /// Nothing expires until [`Self::restart`]: this member may not hear its clients.
    pub fn rest(&mut self) {
        self.expiry.rest();
    }

    /// This member hears its clients again: all have their full time-out from `now_ms` on.
    pub fn restart(&mut self, now_ms: i64) {
        self.expiry.restart(now_ms);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// All of them by id, with their deadlines in ms of the caller's clock, and their time-outs in ms.
    pub fn deadlines_ms(&self) -> impl Iterator<Item = (i64, i64, i64)> {
        self.open.keys().map(|id| {
            let deadline_ms = self.expiry.deadline_ms(*id).unwrap_or_default();
            let timeout_ms = self.expiry.timeout_ms(*id).unwrap_or_default();
            (*id, deadline_ms, timeout_ms)
        })
    }
}

/// Is this the id of a read-only session, on whichever member?
#[must_use]
pub fn is_read_only_id(id: i64) -> bool {
    const MARKS: i64 = OWN_MARK | READ_ONLY_MARK;
    id > 0 && id & MARKS == MARKS
}

fn first_id(marks: i64, member: u8, time_ms: i64) -> i64 {
    let below = (1 << MEMBER_SHIFT) - 1;
    marks | i64::from(member) << MEMBER_SHIFT | (time_ms << TIME_SHIFT) & below
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const NOW_MS: i64 = 1_795_164_435_000;
    const TICK_MS: i64 = 1000;

    fn free(_: i64) -> bool {
        false
    }

    #[test]
    fn ids_of_members_kinds_and_starts_differ_from_each_other_and_from_global_ones() {
        let mut ids = BTreeSet::new();
        for member in [0, 1, 127, 255] {
            for start in [NOW_MS, NOW_MS + 1] {
                let local = LocalSessions::local(member, start, TICK_MS);
                let read_only = LocalSessions::read_only(member, start, TICK_MS);
                for (mut sessions, is_read_only) in [(local, false), (read_only, true)] {
                    for _ in 0..1000 {
                        let (id, _) = sessions.open(4000, 0, free);
                        assert!(id > 0 && id >> 56 >= 0x40, "{id:#x}");
                        assert_eq!(is_read_only_id(id), is_read_only, "{id:#x}");
                        assert!(ids.insert(id), "{id:#x} was given out twice");
                    }
                }
            }
        }
        for other in [1 << 56 | 5, -1, 0, i64::MIN, 0x4000_0000_0000_0001] {
            assert!(!is_read_only_id(other), "{other:#x}");
        }
    }

    #[test]
    fn an_id_that_a_global_session_has_is_passed_over() {
        let mut sessions = LocalSessions::local(1, NOW_MS, TICK_MS);
        let (first, _) = sessions.open(4000, 0, free);
        let (second, _) = sessions.open(4000, 0, |id| id <= first + 5);
        assert_eq!(second, first + 6);
    }

    #[test]
    fn a_session_lives_while_it_is_heard_and_ends_once() {
        let mut sessions = LocalSessions::local(1, NOW_MS, TICK_MS);
        let (silent, _) = sessions.open(2000, 0, free);
        let (heard, liveness) = sessions.open(2000, 0, free);
        assert_eq!(sessions.tick(1000), [0; 0]);
        assert_eq!(sessions.tick(2000), [0; 0]);
        liveness.touch(2500);
        assert_eq!(sessions.tick(3000), [silent]);
        assert!(sessions.reopen(silent, 2000, 3000).is_none(), "it is over");
        assert!(!sessions.close(silent, 0));
        let deadlines: Vec<_> = sessions.deadlines_ms().collect();
        assert_eq!(deadlines, [(heard, 5000, 2000)]);
        assert!(sessions.close(heard, 0) && sessions.is_empty());
    }

    #[test]
    fn who_took_a_session_over_has_it_alone() {
        let mut sessions = LocalSessions::local(1, NOW_MS, TICK_MS);
        let (id, _) = sessions.open(2000, 0, free);
        assert!(sessions.is_current(id, 0));
        let (generation, _) = sessions.reopen(id, 4000, 500).unwrap();
        assert_eq!(generation, 1);
        assert!(!sessions.is_current(id, 0) && !sessions.close(id, 0));
        assert!(sessions.is_current(id, 1));
        assert!(sessions.tick(1000).is_empty() && sessions.tick(2000).is_empty());
        assert!(sessions.tick(3000).is_empty() && sessions.tick(4000).is_empty());
        assert_eq!(sessions.tick(5000), [id]);
        assert!(!sessions.is_current(id, 1));
    }

    #[test]
    fn who_cannot_be_heard_does_not_expire() {
        let mut sessions = LocalSessions::local(1, NOW_MS, TICK_MS);
        let (id, _) = sessions.open(2000, 0, free);
        sessions.rest();
        assert_eq!(sessions.tick(60_000), [0; 0]);
        sessions.restart(60_000);
        for now in [61_000, 62_000] {
            assert_eq!(sessions.tick(now), [0; 0]);
        }
        assert_eq!(sessions.tick(63_000), [id]);
        sessions.open(2000, 63_000, free);
        sessions.clear();
        assert_eq!((sessions.len(), sessions.tick(70_000)), (0, vec![]));
    }
}
