//! Where reads are strict (`treekeeper.strictReads`), each znode is linearizable: a read shows every write of it that was
//! acknowledged, and everything that another read showed of it, before the read was asked.

use std::collections::BTreeMap;

use treekeeper_protocol::{ErrorCode, Stat};

use crate::history::{Answer, Exchange, Op, Record, Told, What, exchanges};

/// What changes as one: the data of a znode, or the list of its children.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Subject<'a> {
    Data(&'a str),
    Children(&'a str),
}

/// What an answer says of it.
#[derive(Clone, Copy)]
enum Shown {
    /// It is as of the zxid `at`, of a znode that was created at `czxid`.
    There { czxid: i64, at: i64 },
    /// There was no such znode at this zxid.
    Absent { at: i64 },
}

/// What somebody was told of it: zxids, 0 if nothing.
#[derive(Clone, Copy, Default)]
struct Known {
    there: i64,
    absent: i64,
}

impl Known {
    fn learn(&mut self, shown: Shown) {
        match shown {
            Shown::There { at, .. } => self.there = self.there.max(at),
            Shown::Absent { at } => self.absent = self.absent.max(at),
        }
    }

    /// Is this as late as what was known, or later?
    fn allows(self, shown: Shown) -> bool {
        match shown {
            Shown::There { czxid, at } => at >= self.there && czxid > self.absent,
            Shown::Absent { at } => at > self.there && at >= self.absent,
        }
    }
}

pub(super) fn check(records: &[Record]) -> Vec<String> {
    let is_strict = |record: &Record| {
        let What::Began { strict_reads, .. } = &record.what else {
            return false;
        };
        *strict_reads
    };
    if !records.iter().any(is_strict) {
        return Vec::new();
    }
    let exchanges = exchanges(records);
    // What begins and ends, by its place in the history.
    let asked = exchanges
        .iter()
        .map(|exchange| (exchange.asked.0, exchange));
    let asked: BTreeMap<usize, &Exchange<'_>> = asked.collect();
    let told = exchanges.iter().filter_map(|exchange| {
        let told = exchange.told?;
        Some((told.at.0, (exchange, told)))
    });
    let told: BTreeMap<usize, (&Exchange<'_>, Told<'_>)> = told.collect();
    let mut known: BTreeMap<Subject<'_>, Known> = BTreeMap::new();
    let mut before: BTreeMap<usize, Known> = BTreeMap::new();
    let mut broken = Vec::new();
    for place in 0..records.len() {
        if let Some(subject) = asked.get(&place).and_then(|exchange| read(exchange.op)) {
            before.insert(place, known.get(&subject).copied().unwrap_or_default());
        }
        let Some((exchange, told)) = told.get(&place) else {
            continue;
        };
        for (subject, shown) in shown(exchange, told) {
            let before = before.get(&exchange.asked.0).copied();
            if before.is_some_and(|before| !before.allows(shown)) {
                broken.push(format!(
                    "{:?} of {:?} was told {:?} as of {:#x}, and somebody was told of a later state before it was asked",
                    exchange.op, exchange.connection, told.answer, told.zxid
                ));
            }
            known.entry(subject).or_default().learn(shown);
        }
    }
    broken
}

/// What it reads, if it is a read.
fn read(op: &Op) -> Option<Subject<'_>> {
    match op {
        Op::Get { path, .. } | Op::Exists { path, .. } => Some(Subject::Data(path)),
        Op::Children { path, .. } => Some(Subject::Children(path)),
        _ => None,
    }
}

fn shown<'a>(exchange: &Exchange<'a>, told: &Told<'a>) -> Vec<(Subject<'a>, Shown)> {
    let data = |stat: &Stat| Shown::There {
        czxid: stat.czxid,
        at: stat.mzxid,
    };
    let children = |stat: &Stat| Shown::There {
        czxid: stat.czxid,
        at: stat.pzxid,
    };
    let absent = Shown::Absent { at: told.zxid };
    let mut all = Vec::new();
    for (op, answer) in exchange.parts() {
        match (op, answer) {
            (Op::Create { .. }, Some(Answer::Created(path, stat))) => {
                all.push((Subject::Data(path), data(stat)));
                let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
                all.push((Subject::Children(parent), data(stat)));
            }
            (Op::Set { path, .. } | Op::Exists { path, .. }, Some(Answer::Stat(stat)))
            | (Op::Get { path, .. }, Some(Answer::Data(_, stat))) => {
                all.push((Subject::Data(path), data(stat)));
            }
            (Op::Children { path, .. }, Some(Answer::Children(_, stat))) => {
                all.push((Subject::Children(path), children(stat)));
            }
            (Op::Delete { path, .. }, Some(Answer::Done)) => {
                all.push((Subject::Data(path), absent));
            }
            (op, Some(Answer::Failed(ErrorCode::NoNode))) => {
                all.extend(read(op).map(|subject| (subject, absent)));
            }
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::history::{Answer, Op, What};
    use crate::properties::scene::{Scene, stat};
    use treekeeper_protocol::ErrorCode;

    fn get() -> Op {
        Op::Get {
            path: "/a".to_owned(),
            watch: false,
        }
    }

    fn data(czxid: i64, mzxid: i64) -> Answer {
        Answer::Data("1:1".to_owned(), stat(czxid, mzxid))
    }

    const ABSENT: Answer = Answer::Failed(ErrorCode::NoNode);

    fn scene(strict_reads: bool) -> Scene {
        let mut scene = Scene::default();
        scene.note(What::Began {
            members: 3,
            strict_reads,
        });
        scene.created(1, "/a", "1:1", 5);
        scene
    }

    #[test]
    fn a_read_that_misses_a_write_is_caught_if_it_is_strict() {
        for (strict_reads, caught) in [(true, 1), (false, 0)] {
            let mut scene = scene(strict_reads);
            scene.set(1, "/a", "1:2", 6);
            let mut fresh = scene.clone();
            fresh.exchanged(2, get(), 6, data(5, 6));
            assert_eq!(check(&fresh.records), [""; 0]);
            let mut stale = scene.clone();
            stale.exchanged(2, get(), 5, data(5, 5));
            assert_eq!(check(&stale.records).len(), caught);
            let mut missing = scene;
            missing.exchanged(2, get(), 4, ABSENT);
            assert_eq!(check(&missing.records).len(), caught);
        }
    }

    #[test]
    fn a_write_that_was_not_answered_may_be_missed() {
        let mut scene = scene(true);
        let read = scene.asked(2, get());
        scene.set(1, "/a", "1:2", 6);
        scene.told(2, read, 5, data(5, 5));
        assert_eq!(check(&scene.records), [""; 0], "they overlap");
    }

    #[test]
    fn reads_that_go_back_are_caught() {
        let mut scene = scene(true);
        // Nobody was told of the write at 6 before the first read showed it.
        scene.exchanged(2, get(), 6, data(5, 6));
        scene.exchanged(3, get(), 5, data(5, 5));
        assert_eq!(check(&scene.records).len(), 1);
    }

    #[test]
    fn a_znode_that_is_gone_stays_so_until_it_is_created_again() {
        let mut scene = scene(true);
        scene.deleted(1, "/a", 7);
        let mut again = scene.clone();
        again.exchanged(2, get(), 8, data(8, 8));
        assert_eq!(check(&again.records), [""; 0]);
        scene.exchanged(2, get(), 7, ABSENT);
        scene.exchanged(2, get(), 6, data(5, 5));
        assert_eq!(check(&scene.records).len(), 1);
    }

    #[test]
    fn a_list_without_a_child_that_was_created_is_caught() {
        let mut scene = scene(true);
        scene.created(1, "/a/b", "1:2", 6);
        let list = |pzxid| {
            let mut stat = stat(5, 5);
            stat.pzxid = pzxid;
            Answer::Children(Vec::new(), stat)
        };
        let children = Op::Children {
            path: "/a".to_owned(),
            watch: false,
        };
        scene.exchanged(2, children.clone(), 6, list(6));
        assert_eq!(check(&scene.records), [""; 0]);
        scene.exchanged(2, children, 5, list(5));
        assert_eq!(check(&scene.records).len(), 1);
    }
}
