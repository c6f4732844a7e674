//! When sessions expire (ZooKeeper's `ExpiryQueue` and `SessionTrackerImpl`).
//!
//! A deadline is rounded up to the next tick after last heard + time-out, so a session lives for its time-out and up
//! to a tick more. Pure: the caller says what time it is, in ms of any clock that never goes back.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// When a session was last heard. Its connection writes it with each request; no lock is taken for that.
#[derive(Debug)]
pub struct Liveness {
    last_heard_ms: AtomicI64,
    timeout_ms: AtomicI64,
}

impl Liveness {
    /// The client was heard at `now_ms`.
    pub fn touch(&self, now_ms: i64) {
        self.last_heard_ms.fetch_max(now_ms, Ordering::Relaxed);
    }

    fn deadline_ms(&self, tick_ms: i64) -> i64 {
        let raw =
            self.last_heard_ms.load(Ordering::Relaxed) + self.timeout_ms.load(Ordering::Relaxed);
        (raw / tick_ms + 1) * tick_ms
    }
}

/// A tick is late when it comes later than this part of a tick: timers are never exact, and a shift for each of their
/// milliseconds would let sessions live longer and longer.
const LATE_TICK_DIVISOR: i64 = 10;

/// The sessions of the ensemble and their deadlines, as the leader keeps them.
///
/// A session is filed under the deadline that it had when it was last looked at. A tick looks at those whose filed
/// deadline has passed, and files those that were heard since again: a session is looked at once in a time-out, however
/// often it is heard.
#[derive(Debug)]
pub struct Expiry {
    tick_ms: i64,
    sessions: HashMap<i64, Entry>,
    /// Sessions by filed deadline; some are closed or filed elsewhere by now.
    filed: BTreeMap<i64, Vec<i64>>,
    last_tick_ms: Option<i64>,
}

#[derive(Debug)]
struct Entry {
    generation: u32,
    liveness: Arc<Liveness>,
    /// The deadline under which it is filed; none while its close is proposed and not applied.
    filed_ms: Option<i64>,
}

impl Expiry {
    /// No session yet; deadlines are multiples of `tick_ms`, which is at least 1.
    #[must_use]
    pub fn new(tick_ms: i64) -> Self {
        Self {
            tick_ms: tick_ms.max(1),
            sessions: HashMap::new(),
            filed: BTreeMap::new(),
            last_tick_ms: None,
        }
    }

    /// A session was opened, or moved to another connection, which raises its generation: it has its full time-out
    /// from `now_ms` on.
    pub fn open(
        &mut self,
        id: i64,
        generation: u32,
        timeout_ms: i32,
        now_ms: i64,
    ) -> Arc<Liveness> {
        let entry = self.sessions.entry(id).or_insert_with(|| Entry {
            generation,
            liveness: Arc::new(Liveness {
                last_heard_ms: now_ms.into(),
                timeout_ms: 0.into(),
            }),
            filed_ms: None,
        });
        entry.generation = generation;
        entry
            .liveness
            .timeout_ms
            .store(timeout_ms.into(), Ordering::Relaxed);
        entry.liveness.touch(now_ms);
        let deadline = entry.liveness.deadline_ms(self.tick_ms);
        // A later deadline is seen when the filed one has passed.
        if entry.filed_ms.is_none_or(|filed| deadline < filed) {
            entry.filed_ms = Some(deadline);
            self.filed.entry(deadline).or_default().push(id);
        }
        Arc::clone(&entry.liveness)
    }

    /// A session that was local to this member became global: its connection goes on leaving word in the same place.
    pub fn adopt(&mut self, id: i64, timeout_ms: i32, liveness: Arc<Liveness>, now_ms: i64) {
        self.sessions.entry(id).or_insert(Entry {
            generation: 0,
            liveness,
            filed_ms: None,
        });
        self.open(id, 0, timeout_ms, now_ms);
    }

    /// A client was heard at another member.
    pub fn touch(&self, id: i64, now_ms: i64) {
        if let Some(entry) = self.sessions.get(&id) {
            entry.liveness.touch(now_ms);
        }
    }

    /// Was the client heard since then?
    #[must_use]
    pub fn heard_since(&self, id: i64, since_ms: i64) -> bool {
        self.sessions
            .get(&id)
            .is_some_and(|entry| entry.liveness.last_heard_ms.load(Ordering::Relaxed) >= since_ms)
    }

    /// This member begins to lead: every session has its full time-out from `now_ms` on, and those that an earlier
    /// leader was closing live on.
    pub fn restart(&mut self, now_ms: i64) {
        self.rest();
        for (id, entry) in &mut self.sessions {
            entry.liveness.touch(now_ms);
            let deadline = entry.liveness.deadline_ms(self.tick_ms);
            entry.filed_ms = Some(deadline);
            self.filed.entry(deadline).or_default().push(*id);
        }
    }

    /// This member does not lead: nothing expires here until [`Self::restart`].
    pub fn rest(&mut self) {
        self.filed.clear();
        self.last_tick_ms = None;
    }

    /// A session was closed.
    pub fn close(&mut self, id: i64) {
        self.sessions.remove(&id);
    }

    /// The sessions whose deadline has passed, with their generations, by id, each once until it is opened again.
    /// Call it every tick.
    ///
    /// A tick that comes late means that this process was held up and heard nobody: every deadline moves by as much,
    /// so a pause expires no one.
    pub fn tick(&mut self, now_ms: i64) -> Vec<(i64, u32)> {
        let late = self
            .last_tick_ms
            .map_or(0, |last| now_ms - last - self.tick_ms);
        self.last_tick_ms = Some(now_ms);
        if late > self.tick_ms / LATE_TICK_DIVISOR {
            for entry in self.sessions.values() {
                let heard = entry.liveness.last_heard_ms.load(Ordering::Relaxed);
                entry.liveness.touch((heard + late).min(now_ms));
            }
        }
        let mut expired = Vec::new();
        while let Some((filed, ids)) = self.take_passed(now_ms) {
            for id in ids {
                let Some(entry) = self.sessions.get_mut(&id) else {
                    continue;
                };
                if entry.filed_ms != Some(filed) {
                    continue;
                }
                let deadline = entry.liveness.deadline_ms(self.tick_ms);
                if deadline <= now_ms {
                    entry.filed_ms = None;
                    expired.push((id, entry.generation));
                } else {
                    entry.filed_ms = Some(deadline);
                    self.filed.entry(deadline).or_default().push(id);
                }
            }
        }
        expired.sort_unstable();
        expired
    }

    /// When a session will expire unless it is heard again, in ms of the caller's clock.
    #[must_use]
    pub fn deadline_ms(&self, id: i64) -> Option<i64> {
        self.sessions
            .get(&id)
            .map(|entry| entry.liveness.deadline_ms(self.tick_ms))
    }

    /// The time-out of a session, in ms.
    #[must_use]
    pub fn timeout_ms(&self, id: i64) -> Option<i64> {
        let entry = self.sessions.get(&id)?;
        Some(entry.liveness.timeout_ms.load(Ordering::Relaxed))
    }

    fn take_passed(&mut self, now_ms: i64) -> Option<(i64, Vec<i64>)> {
        let first = self.filed.first_entry()?;
        (*first.key() <= now_ms).then(|| first.remove_entry())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_session_lives_for_its_timeout_and_up_to_a_tick_more() {
        let mut expiry = Expiry::new(1000);
        expiry.open(7, 0, 3000, 500);
        for now in [1000, 2000, 3000] {
            assert!(expiry.tick(now).is_empty());
        }
        assert_eq!(expiry.deadline_ms(7), Some(4000));
        assert_eq!(expiry.tick(4000), [(7, 0)]);
        assert!(expiry.tick(5000).is_empty(), "it is told once");
    }

    #[test]
    fn a_touch_moves_the_deadline_and_a_move_revives_a_closing_one() {
        let mut expiry = Expiry::new(1000);
        let liveness = expiry.open(7, 0, 1000, 0);
        assert!(expiry.tick(1000).is_empty());
        liveness.touch(1500);
        assert!(expiry.tick(2000).is_empty());
        assert_eq!(expiry.tick(3000), [(7, 0)]);
        expiry.open(7, 1, 1000, 3100);
        assert!(expiry.tick(4000).is_empty());
        assert_eq!(expiry.tick(5000), [(7, 1)]);
    }

    #[test]
    fn a_paused_leader_expires_nobody() {
        let mut expiry = Expiry::new(1000);
        expiry.open(7, 0, 3000, 0);
        assert!(expiry.tick(1000).is_empty());
        assert!(
            expiry.tick(61_000).is_empty(),
            "it slept a minute and heard nobody"
        );
        assert!(expiry.tick(62_000).is_empty());
        assert_eq!(
            expiry.tick(63_000),
            [(7, 0)],
            "its deadline moved by the 59 s that the tick was late"
        );
    }

    #[test]
    fn a_new_leader_gives_everybody_the_full_time() {
        let mut expiry = Expiry::new(1000);
        expiry.open(7, 0, 3000, 0);
        expiry.open(8, 0, 3000, 0);
        assert!(expiry.tick(1000).is_empty());
        expiry.close(8);
        expiry.rest();
        expiry.open(9, 0, 1000, 50_000);
        expiry.restart(60_000);
        assert!(expiry.tick(61_000).is_empty());
        assert_eq!(expiry.tick(62_000), [(9, 0)]);
        assert!(expiry.tick(63_000).is_empty());
        assert_eq!(expiry.tick(64_000), [(7, 0)], "and 8 is closed");
        expiry.restart(64_500);
        for now in [65_000, 66_000, 67_000] {
            assert!(
                !expiry.tick(now).contains(&(7, 0)),
                "its close was never applied: it lives on"
            );
        }
        assert!(expiry.heard_since(7, 64_500) && !expiry.heard_since(7, 64_501));
        expiry.touch(7, 67_500);
        assert_eq!(expiry.deadline_ms(7), Some(71_000));
    }

    #[test]
    fn an_adopted_session_is_heard_where_it_was() {
        let mut local = Expiry::new(1000);
        let liveness = local.open(7, 0, 1000, 0);
        local.close(7);
        let mut expiry = Expiry::new(1000);
        expiry.adopt(7, 2000, Arc::clone(&liveness), 500);
        assert_eq!(expiry.deadline_ms(7), Some(3000));
        liveness.touch(2500);
        assert!(expiry.tick(3000).is_empty() && expiry.heard_since(7, 2500));
        assert!(expiry.tick(4000).is_empty());
        assert_eq!(expiry.tick(5000), [(7, 0)]);
    }

    #[test]
    fn a_closed_session_is_forgotten() {
        let mut expiry = Expiry::new(1000);
        expiry.open(7, 0, 1000, 0);
        expiry.close(7);
        assert!(expiry.tick(10_000).is_empty());
        assert_eq!(expiry.deadline_ms(7), None);
    }

    proptest! {
        /// Filing changes when a session is looked at, never when it expires.
        #[test]
        fn each_expires_as_if_every_tick_looked_at_all(
            steps in prop::collection::vec((0..4_i64, 0..6_u8, 1..8_i32), 1..200),
        ) {
            const TICK_MS: i64 = 100;
            let mut expiry = Expiry::new(TICK_MS);
            // Generation, liveness, and whether its close is proposed.
            let mut model: BTreeMap<i64, (u32, Arc<Liveness>, bool)> = BTreeMap::new();
            let mut now = 0;
            let mut generation = 0;
            for (id, what, timeout) in steps {
                now += 30;
                match what {
                    0 | 1 => {
                        generation += 1;
                        let liveness = expiry.open(id, generation, timeout * 100, now);
                        model.insert(id, (generation, liveness, false));
                    }
                    2 => {
                        expiry.close(id);
                        model.remove(&id);
                    }
                    3 | 4 => {
                        if let Some((_, liveness, _)) = model.get(&id) {
                            liveness.touch(now);
                        }
                    }
                    _ => {
                        now += TICK_MS - now % TICK_MS;
                        // Never late: this is not about pauses.
                        expiry.last_tick_ms = Some(now - TICK_MS);
                        let mut due = Vec::new();
                        for (id, (generation, liveness, closing)) in &mut model {
                            if !*closing && liveness.deadline_ms(TICK_MS) <= now {
                                *closing = true;
                                due.push((*id, *generation));
                            }
                        }
                        prop_assert_eq!(expiry.tick(now), due);
                    }
                }
            }
        }
    }
}
