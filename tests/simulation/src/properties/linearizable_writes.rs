//! Writes take effect between request and reply, in the order of their zxids: a write that was answered comes before
//! every write asked later, by anybody; a sync sees it; versions count the writes of a znode; and everybody reads the same
//! data at the same point.

use std::collections::BTreeMap;

use treekeeper_protocol::Stat;

use crate::history::{Answer, Op, Record, exchanges};

pub(super) fn check(records: &[Record]) -> Vec<String> {
    let mut broken = in_real_time(records);
    broken.extend(by_version(records));
    broken.extend(by_data(records));
    broken
}

fn in_real_time(records: &[Record]) -> Vec<String> {
    let exchanges = exchanges(records);
    // When writes were answered, with the highest zxid so far.
    let mut answered: BTreeMap<usize, i64> = BTreeMap::new();
    for exchange in exchanges.iter().filter(|exchange| exchange.op.is_write()) {
        if let Some(told) = exchange.told {
            answered.insert(told.at.0, told.zxid);
        }
    }
    let mut highest = i64::MIN;
    for zxid in answered.values_mut() {
        highest = highest.max(*zxid);
        *zxid = highest;
    }
    let mut broken = Vec::new();
    for exchange in &exchanges {
        let Some(told) = exchange.told else { continue };
        let before = answered.range(..exchange.asked.0).next_back();
        let (Some((_, before)), true) =
            (before, exchange.op.is_write() || *exchange.op == Op::Sync)
        else {
            continue;
        };
        let in_order = match exchange.op {
            Op::Sync => told.zxid >= *before,
            _ => told.zxid > *before,
        };
        if !in_order {
            broken.push(format!(
                "{:?} of {:?} is zxid {:#x}, and {before:#x} was acknowledged before it was asked",
                exchange.op, exchange.connection, told.zxid
            ));
        }
    }
    broken
}

/// Of each znode, from its creation to its end: zxids and versions rise together, and a conditional write raises the
/// version that it named.
fn by_version(records: &[Record]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut writes: BTreeMap<(&str, i64), BTreeMap<i64, i32>> = BTreeMap::new();
    for exchange in exchanges(records) {
        for (op, answer) in exchange.parts() {
            let (path, stat) = match (op, answer) {
                (Op::Create { .. }, Some(Answer::Created(path, stat))) => (path, stat),
                (Op::Set { path, version, .. }, Some(Answer::Stat(stat))) => {
                    if *version >= 0 && stat.version != version + 1 {
                        broken.push(format!(
                            "{path} went from version {version} to {}",
                            stat.version
                        ));
                    }
                    (path, stat)
                }
                _ => continue,
            };
            let versions = writes.entry((path, stat.czxid)).or_default();
            versions.insert(stat.mzxid, stat.version);
        }
    }
    for ((path, czxid), versions) in writes {
        let mut last = None;
        for (mzxid, version) in versions {
            if last.is_some_and(|last| version <= last) {
                broken.push(format!(
                    "{path} of {czxid:#x} has version {version} at {mzxid:#x}, and had {last:?} before"
                ));
            }
            last = Some(version);
        }
    }
    broken
}

/// A znode as of one zxid holds one thing.
fn by_data(records: &[Record]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut held: BTreeMap<(&str, i64), (&str, i32)> = BTreeMap::new();
    for exchange in exchanges(records) {
        for (op, answer) in exchange.parts() {
            let (path, token, stat): (&str, &str, &Stat) = match (op, answer) {
                (Op::Create { token, .. }, Some(Answer::Created(path, stat))) => {
                    (path, token, stat)
                }
                (Op::Set { path, token, .. }, Some(Answer::Stat(stat))) => (path, token, stat),
                (Op::Get { path, .. }, Some(Answer::Data(token, stat))) => (path, token, stat),
                _ => continue,
            };
            let is = (token, stat.version);
            let was = *held.entry((path, stat.mzxid)).or_insert(is);
            if was != is {
                broken.push(format!(
                    "{path} as of {:#x} is {was:?} and {is:?}",
                    stat.mzxid
                ));
            }
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::history::{Answer, Op};
    use crate::properties::scene::{Scene, stat};

    #[test]
    fn a_write_behind_one_that_was_asked_later_is_caught() {
        let mut scene = Scene::default();
        scene.created(1, "/a", "1:1", 5);
        let mut in_order = scene.clone();
        in_order.created(2, "/b", "2:1", 6);
        in_order.exchanged(2, Op::Sync, 6, Answer::Done);
        assert_eq!(check(&in_order.records), [""; 0]);
        let mut swapped = scene.clone();
        swapped.created(2, "/b", "2:1", 4);
        assert_eq!(check(&swapped.records).len(), 1);
        let mut stale = scene.clone();
        stale.exchanged(2, Op::Sync, 4, Answer::Done);
        assert_eq!(check(&stale.records).len(), 1);
        let mut together = Scene::default();
        let first = together.asked(1, Op::Sync);
        together.created(2, "/b", "2:1", 6);
        together.told(1, first, 5, Answer::Done);
        assert_eq!(check(&together.records), [""; 0], "they overlap");
    }

    #[test]
    fn a_lost_update_and_two_truths_are_caught() {
        let set = |version, token: &str| Op::Set {
            path: "/a".to_owned(),
            version,
            token: token.to_owned(),
        };
        let at = |mzxid, version| {
            let mut stat = stat(5, mzxid);
            stat.version = version;
            Answer::Stat(stat)
        };
        let mut scene = Scene::default();
        scene.created(1, "/a", "1:1", 5);
        scene.exchanged(1, set(0, "1:2"), 6, at(6, 1));
        assert_eq!(check(&scene.records), [""; 0]);
        let mut same_version = scene.clone();
        same_version.exchanged(2, set(0, "2:1"), 7, at(7, 1));
        assert_eq!(check(&same_version.records).len(), 1);
        let mut skipped = scene.clone();
        skipped.exchanged(2, set(0, "2:1"), 7, at(7, 2));
        assert_eq!(check(&skipped.records).len(), 1);
        let read = Op::Get {
            path: "/a".to_owned(),
            watch: false,
        };
        let mut shown = stat(5, 6);
        shown.version = 1;
        scene.exchanged(2, read, 7, Answer::Data("1:1".to_owned(), shown));
        assert_eq!(check(&scene.records).len(), 1);
    }
}
