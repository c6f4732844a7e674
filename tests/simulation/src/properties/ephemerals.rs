//! A session's ephemerals go with it, in the same step; a session that is gone never comes back; and none expires whose
//! client is heard all the time, across elections too.

use std::collections::BTreeMap;
use std::time::Duration;

use treekeeper_protocol::Stat;

use crate::history::{Answer, Record, What, exchanges, log};

/// Part of the time-out within which a client must be heard again and again to be one that is heard all the time.
const HEARD_DIVISOR: u32 = 4;
/// How long a close may take from its decision until it is applied: within it a new leader is found, or it is void.
const DECIDED_BEFORE_MAX: Duration = Duration::from_millis(1500);

/// A session that was closed: the zxid by which it was, and when that was first applied.
struct Gone {
    zxid: i64,
    at: Duration,
    expired: bool,
}

pub(super) fn check(records: &[Record]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut gone: BTreeMap<i64, Gone> = BTreeMap::new();
    for (at, applied) in log(records).values() {
        for closed in applied.batch.iter().flat_map(|batch| &batch.closed) {
            let how = Gone {
                zxid: applied.zxid,
                at: *at,
                expired: closed.expired,
            };
            if gone.insert(closed.session, how).is_some() {
                broken.push(format!("session {:#x} was closed twice", closed.session));
            }
        }
    }
    for record in records {
        if let What::Applied(applied) = &record.what {
            for closed in applied.batch.iter().flat_map(|batch| &batch.closed) {
                if !closed.left.is_empty() {
                    broken.push(format!(
                        "member {} closed session {:#x}, and {:?} are still there",
                        applied.member, closed.session, closed.left
                    ));
                }
            }
        }
    }
    let mut heard: BTreeMap<i64, Vec<Duration>> = BTreeMap::new();
    for exchange in exchanges(records) {
        let Some(told) = exchange.told else { continue };
        heard.entry(exchange.session).or_default().push(told.at.1);
        if let Some(gone) = gone.get(&exchange.session)
            && told.zxid > gone.zxid
        {
            broken.push(format!(
                "{:?} was told zxid {:#x} in session {:#x}, which was closed by {:#x}",
                exchange.connection, told.zxid, exchange.session, gone.zxid
            ));
        }
        for stat in exchange
            .parts()
            .into_iter()
            .filter_map(|(_, answer)| stat(answer?))
        {
            let owner = gone.get(&stat.ephemeral_owner);
            if owner.is_some_and(|owner| told.zxid > owner.zxid) {
                broken.push(format!(
                    "{:?} was shown an ephemeral of session {:#x} at zxid {:#x}, after it was closed",
                    exchange.connection, stat.ephemeral_owner, told.zxid
                ));
            }
        }
    }
    broken.extend(expired_while_heard(records, &gone, &heard));
    broken
}

fn expired_while_heard(
    records: &[Record],
    gone: &BTreeMap<i64, Gone>,
    heard: &BTreeMap<i64, Vec<Duration>>,
) -> Vec<String> {
    let mut timeouts: BTreeMap<i64, Duration> = BTreeMap::new();
    for record in records {
        if let What::Connected {
            session,
            timeout_ms,
            ..
        } = &record.what
        {
            let timeout = Duration::from_millis(timeout_ms.unsigned_abs().into());
            timeouts.insert(*session, timeout);
        }
    }
    let mut broken = Vec::new();
    for (session, gone) in gone.iter().filter(|(_, gone)| gone.expired) {
        let (Some(timeout), Some(heard)) = (timeouts.get(session), heard.get(session)) else {
            continue;
        };
        let Some(from) = gone.at.checked_sub(*timeout + DECIDED_BEFORE_MAX) else {
            broken.push(format!("session {session:#x} expired before its time-out"));
            continue;
        };
        let mut last = from;
        let mut longest = Duration::ZERO;
        let within = heard.iter().filter(|at| **at >= from && **at <= gone.at);
        for at in within.chain([&gone.at]) {
            longest = longest.max(at.saturating_sub(last));
            last = *at;
        }
        if longest < *timeout / HEARD_DIVISOR {
            broken.push(format!(
                "session {session:#x} with a time-out of {timeout:?} expired at {:?}, and its client was heard all the time",
                gone.at
            ));
        }
    }
    broken
}

fn stat(answer: &Answer) -> Option<&Stat> {
    match answer {
        Answer::Created(_, stat)
        | Answer::Stat(stat)
        | Answer::Data(_, stat)
        | Answer::Children(_, stat) => Some(stat),
        Answer::Done | Answer::Multi(_) | Answer::Failed(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::check;
    use crate::history::{Answer, AppliedBatch, Closed, Op};
    use crate::properties::scene::{Scene, session, stat};

    fn closes(left: &[&str]) -> impl Fn(&mut AppliedBatch) {
        let closed = Closed {
            session: session(1),
            expired: true,
            left: left.iter().map(|path| (*path).to_owned()).collect(),
        };
        move |batch| batch.closed = vec![closed.clone()]
    }

    fn exists() -> Op {
        Op::Exists {
            path: "/lock".to_owned(),
            watch: false,
        }
    }

    #[test]
    fn what_outlives_its_session_is_caught() {
        let mut scene = Scene::default();
        scene.passes(Duration::from_secs(60));
        scene.batch(1, 10, closes(&[]));
        assert_eq!(check(&scene.records), [""; 0]);
        let mut lock = stat(5, 5);
        lock.ephemeral_owner = session(1);
        let mut shown = scene.clone();
        shown.exchanged(2, exists(), 11, Answer::Stat(lock));
        assert_eq!(check(&shown.records).len(), 1);
        let mut behind = scene.clone();
        behind.exchanged(2, exists(), 9, Answer::Stat(lock));
        assert_eq!(check(&behind.records), [""; 0], "that member is behind");
        let mut back = scene.clone();
        back.exchanged(1, Op::Sync, 11, Answer::Done);
        assert_eq!(check(&back.records).len(), 1);
        let mut again = scene.clone();
        again.batch(2, 12, closes(&[]));
        assert_eq!(check(&again.records).len(), 1);
        let mut left = Scene::default();
        left.passes(Duration::from_secs(60));
        left.batch(1, 10, closes(&["/lock"]));
        assert_eq!(check(&left.records).len(), 1);
    }

    #[test]
    fn a_session_that_expires_while_its_client_is_heard_is_caught() {
        for (pause_ms, caught) in [(100, 1), (3000, 0)] {
            let mut scene = Scene::default();
            scene.connected(1);
            for _ in 0..100 {
                scene.exchanged(1, Op::Ping, 5, Answer::Done);
                scene.passes(Duration::from_millis(100));
            }
            scene.passes(Duration::from_millis(pause_ms));
            scene.batch(1, 10, closes(&[]));
            assert_eq!(check(&scene.records).len(), caught, "{pause_ms}");
        }
    }
}
