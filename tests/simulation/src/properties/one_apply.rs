//! A batch is applied once, however often it was sent, and those of one process in their order without a gap; so nothing
//! that a client wrote is there twice.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{AppliedBatch, Record, What, log};

pub(super) fn check(records: &[Record]) -> Vec<String> {
    let mut broken = Vec::new();
    // By member: the incarnation and number of its last batch.
    let mut last: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    let mut written: BTreeMap<&str, u64> = BTreeMap::new();
    let mut order: BTreeMap<(u64, u64, u32), u32> = BTreeMap::new();
    for (index, (_, applied)) in log(records) {
        let Some(batch) = applied.batch.as_ref().filter(|batch| batch.accepted) else {
            continue;
        };
        let before = last.insert(batch.member, (batch.incarnation, batch.number));
        if !follows(before, batch) {
            broken.push(format!(
                "entry {index} is batch {} of start {} of member {}, after {before:?}",
                batch.number, batch.incarnation, batch.member
            ));
        }
        for token in &batch.tokens {
            if let Some(other) = written.insert(token, index) {
                broken.push(format!("{token:?} stands in entries {other} and {index}"));
            }
            let Some((client, number)) = parse(token) else {
                continue;
            };
            let place = (batch.member, batch.incarnation, client);
            let before = order.insert(place, number);
            if before.is_some_and(|before| before >= number) {
                broken.push(format!(
                    "{token:?} stands behind write {before:?} in the log"
                ));
            }
        }
    }
    broken.extend(doubled(records));
    broken
}

/// Number 0 registers a start of a process; then they are counted.
fn follows(before: Option<(u64, u64)>, batch: &AppliedBatch) -> bool {
    match before {
        Some((incarnation, number)) if incarnation == batch.incarnation => {
            batch.number == number + 1
        }
        Some((incarnation, _)) => batch.incarnation > incarnation && batch.number == 0,
        None => batch.number == 0,
    }
}

/// `client:number`.
fn parse(token: &str) -> Option<(u32, u32)> {
    let (client, number) = token.split_once(':')?;
    Some((client.parse().ok()?, number.parse().ok()?))
}

/// No two znodes hold the same write.
fn doubled(records: &[Record]) -> Vec<String> {
    let mut broken = Vec::new();
    for record in records {
        let What::Final { member, znodes, .. } = &record.what else {
            continue;
        };
        let mut seen = BTreeSet::new();
        for znode in znodes.iter().filter(|znode| !znode.data.is_empty()) {
            if !seen.insert(znode.data.as_str()) {
                broken.push(format!(
                    "member {member} ends with {:?} twice, the second time in {}",
                    znode.data, znode.path
                ));
            }
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::properties::scene::{Scene, znode};

    #[test]
    fn a_batch_that_is_applied_twice_or_after_a_gap_is_caught() {
        let numbered = |numbers: &[(u64, u64)]| {
            let mut scene = Scene::default();
            for (at, (incarnation, number)) in (1..).zip(numbers) {
                scene.batch(at, 5, |batch| {
                    (batch.incarnation, batch.number) = (*incarnation, *number);
                });
            }
            check(&scene.records).len()
        };
        assert_eq!(numbered(&[(1, 0), (1, 1), (2, 0), (2, 1)]), 0);
        assert_eq!(numbered(&[(1, 0), (1, 1), (1, 1)]), 1);
        assert_eq!(numbered(&[(1, 0), (1, 2)]), 1);
        assert_eq!(numbered(&[(2, 0), (1, 0)]), 1);
        assert_eq!(numbered(&[(1, 0), (2, 1)]), 1);
    }

    #[test]
    fn a_write_that_is_there_twice_or_out_of_order_is_caught() {
        let written = |tokens: &[&str]| {
            let mut scene = Scene::default();
            scene.batch(1, 5, |batch| {
                batch.tokens = tokens.iter().map(|token| (*token).to_owned()).collect();
            });
            check(&scene.records).len()
        };
        assert_eq!(written(&["1:1", "2:1", "1:2"]), 0);
        assert_eq!(written(&["1:2", "1:1"]), 1);
        assert_eq!(written(&["1:1", "1:1"]), 2);
        let twice = vec![znode("/n-1", "1:1", 5, 5), znode("/n-2", "1:1", 6, 6)];
        assert_eq!(check(&Scene::default().ends(1, twice)).len(), 1);
    }
}
