//! The zxid never goes back: not along the log, not from one write to the next, not in what a client is shown, on
//! whichever member it is. The first change of a term begins an epoch, and no other does.

use std::collections::BTreeMap;

use crate::history::{Record, exchanges, log};

pub(super) fn check(records: &[Record]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut last = (0, 0);
    // The term of the last change, and its epoch.
    let mut reign = (0, 0);
    for (index, (_, applied)) in log(records) {
        if applied.zxid != last.1 {
            let epoch = applied.zxid >> 32;
            // The first members, of term 0, begin the epoch of the first leader.
            let term = applied.term.max(1);
            if (term > reign.0) != (epoch > reign.1) {
                broken.push(format!(
                    "entry {index} of term {term} is in epoch {epoch}, behind {reign:?}"
                ));
            }
            reign = (term, epoch);
        }
        if applied.zxid < last.1 {
            broken.push(format!(
                "entry {index} ends at zxid {:#x}, and entry {} at {:#x}",
                applied.zxid, last.0, last.1
            ));
        }
        last = (index, applied.zxid);
    }
    let mut writes = BTreeMap::new();
    let mut shown: BTreeMap<u32, i64> = BTreeMap::new();
    for exchange in exchanges(records) {
        let Some(told) = exchange.told else { continue };
        let who = (exchange.connection, exchange.xid);
        if exchange.op.is_write()
            && let Some(other) = writes.insert(told.zxid, who)
        {
            broken.push(format!(
                "{who:?} and {other:?} are both zxid {:#x}",
                told.zxid
            ));
        }
        let seen = shown.entry(exchange.connection.client).or_insert(i64::MIN);
        if told.zxid < *seen {
            broken.push(format!(
                "{who:?} was shown zxid {:#x} after {seen:#x}",
                told.zxid
            ));
        }
        *seen = (*seen).max(told.zxid);
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::properties::scene::Scene;

    #[test]
    fn a_zxid_that_goes_back_or_comes_twice_is_caught() {
        let mut scene = Scene::default();
        scene.applied(1, 1, |applied| applied.zxid = (1 << 32) + 5);
        scene.applied(1, 2, |applied| applied.zxid = (1 << 32) + 5);
        scene.created(1, "/a", "1:1", 6);
        scene.created(2, "/b", "2:1", 7);
        assert_eq!(check(&scene.records), [""; 0]);
        for (term, epoch) in [(1, 2), (2, 1)] {
            let mut misplaced = scene.clone();
            misplaced.applied(1, 3, |applied| {
                (applied.term, applied.zxid) = (term, epoch << 32 | 9);
            });
            assert_eq!(check(&misplaced.records).len(), 1, "{term} {epoch}");
        }
        let mut back = scene.clone();
        back.applied(1, 3, |applied| applied.zxid = (1 << 32) + 4);
        assert_eq!(check(&back.records).len(), 1);
        let mut twice = scene.clone();
        twice.created(3, "/c", "3:1", 7);
        assert_eq!(check(&twice.records).len(), 1);
        scene.created(2, "/c", "2:2", 3);
        assert_eq!(check(&scene.records).len(), 1);
    }
}
