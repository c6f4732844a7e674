//! A client hears of a change before it is shown it: as long as a watch has not fired, nothing in a reply is newer than
//! what was there when the watch was left. And a watch fires once.

use std::collections::{BTreeMap, VecDeque};

use treekeeper_protocol::{ErrorCode, EventType, Stat};

use crate::history::{Answer, Connection, Op, Record, What};

/// The watches of one connection, by path, with what was there when they were left: the mzxid of the znode, none if it
/// was not there; and the pzxid of a parent.
#[derive(Default)]
struct Watches<'a> {
    data: BTreeMap<&'a str, Option<i64>>,
    children: BTreeMap<&'a str, i64>,
    open: VecDeque<&'a Op>,
}

pub(super) fn check(records: &[Record]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut connections: BTreeMap<Connection, Watches<'_>> = BTreeMap::new();
    for record in records {
        match &record.what {
            What::Asked { connection, op, .. } => {
                connections
                    .entry(*connection)
                    .or_default()
                    .open
                    .push_back(op);
            }
            What::Told {
                connection, answer, ..
            } => {
                let watches = connections.entry(*connection).or_default();
                let Some(op) = watches.open.pop_front() else {
                    continue;
                };
                let mut complaints = Vec::new();
                watches.told(op, answer, &mut complaints);
                broken.extend(
                    complaints
                        .into_iter()
                        .map(|why| format!("{connection:?}: {why}")),
                );
            }
            What::Event {
                connection,
                kind,
                path,
                ..
            } => {
                let watches = connections.entry(*connection).or_default();
                if !watches.fired(*kind, path) {
                    broken.push(format!(
                        "{connection:?} got {kind:?} of {path} without a watch"
                    ));
                }
            }
            _ => {}
        }
    }
    broken
}

impl<'a> Watches<'a> {
    fn told(&mut self, op: &'a Op, answer: &'a Answer, broken: &mut Vec<String>) {
        match (op, answer) {
            (Op::Multi(parts), Answer::Multi(answers)) => {
                // Of one that failed no part has an answer that shows anything.
                for (part, answer) in parts.iter().zip(answers) {
                    if !matches!(answer, Answer::Failed(_)) {
                        self.told(part, answer, broken);
                    }
                }
            }
            (Op::Create { .. }, Answer::Created(path, stat)) => {
                self.shown(path, Some(stat), broken);
            }
            (Op::Set { path, .. }, Answer::Stat(stat)) => self.shown(path, Some(stat), broken),
            (Op::Get { path, watch }, Answer::Data(_, stat)) => {
                self.shown(path, Some(stat), broken);
                self.left(path, Some(stat), *watch);
            }
            (Op::Exists { path, watch }, Answer::Stat(stat)) => {
                self.shown(path, Some(stat), broken);
                self.left(path, Some(stat), *watch);
            }
            (Op::Exists { path, watch }, Answer::Failed(ErrorCode::NoNode)) => {
                self.shown(path, None, broken);
                self.left(path, None, *watch);
            }
            (
                Op::Get { path, .. } | Op::Children { path, .. } | Op::Set { path, .. },
                Answer::Failed(ErrorCode::NoNode),
            ) => self.shown(path, None, broken),
            (Op::Children { path, watch }, Answer::Children(_, stat)) => {
                self.shown(path, Some(stat), broken);
                if let Some(known) = self.children.get(path.as_str())
                    && stat.pzxid != *known
                {
                    broken.push(format!(
                        "the children of {path} are those of {:#x}, and the watch left at {known:#x} has not fired",
                        stat.pzxid
                    ));
                }
                if *watch {
                    self.children.entry(path).or_insert(stat.pzxid);
                }
            }
            _ => {}
        }
    }

    /// What a reply shows of a znode: its stat, or that it is not there.
    fn shown(&self, path: &str, stat: Option<&Stat>, broken: &mut Vec<String>) {
        let is = stat.map(|stat| stat.mzxid);
        if let Some(was) = self.data.get(path)
            && *was != is
        {
            broken.push(format!(
                "{path} is shown as of {is:x?}, and the watch left at {was:x?} has not fired"
            ));
        }
        if is.is_none() && self.children.contains_key(path) {
            broken.push(format!(
                "{path} is not there, and the watch of its children has not fired"
            ));
        }
    }

    fn left(&mut self, path: &'a str, stat: Option<&Stat>, watch: bool) {
        if watch {
            self.data.entry(path).or_insert(stat.map(|stat| stat.mzxid));
        }
    }

    /// An event takes its watches away. False if there is none.
    fn fired(&mut self, kind: EventType, path: &str) -> bool {
        match kind {
            EventType::NodeChildrenChanged => self.children.remove(path).is_some(),
            EventType::NodeDeleted => {
                let data = self.data.remove(path).is_some();
                let children = self.children.remove(path).is_some();
                data || children
            }
            _ => self.data.remove(path).is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use treekeeper_protocol::{ErrorCode, EventType};

    use super::check;
    use crate::history::{Answer, Op};
    use crate::properties::scene::{Scene, stat};

    fn get(watch: bool) -> Op {
        Op::Get {
            path: "/a".to_owned(),
            watch,
        }
    }

    fn data(mzxid: i64) -> Answer {
        Answer::Data("1:1".to_owned(), stat(5, mzxid))
    }

    #[test]
    fn new_data_before_its_event_is_caught() {
        let mut scene = Scene::default();
        scene.exchanged(1, get(true), 5, data(5));
        scene.exchanged(1, get(false), 5, data(5));
        let mut told = scene.clone();
        told.event(1, EventType::NodeDataChanged, "/a");
        told.exchanged(1, get(false), 6, data(6));
        assert_eq!(check(&told.records), [""; 0]);
        told.event(1, EventType::NodeDataChanged, "/a");
        assert_eq!(check(&told.records).len(), 1, "it fires once");
        let mut elsewhere = scene.clone();
        elsewhere.exchanged(2, get(false), 6, data(6));
        assert_eq!(
            check(&elsewhere.records),
            [""; 0],
            "a watch is its connection's"
        );
        scene.exchanged(1, get(false), 6, data(6));
        assert_eq!(check(&scene.records).len(), 1);
        scene.exchanged(1, get(false), 7, Answer::Failed(ErrorCode::NoNode));
        assert_eq!(check(&scene.records).len(), 2);
    }

    #[test]
    fn new_children_before_their_event_are_caught() {
        let list = |watch| Op::Children {
            path: "/a".to_owned(),
            watch,
        };
        let names = |pzxid| {
            let mut shown = stat(5, 5);
            shown.pzxid = pzxid;
            Answer::Children(Vec::new(), shown)
        };
        let mut scene = Scene::default();
        scene.exchanged(1, list(true), 5, names(5));
        let mut told = scene.clone();
        told.event(1, EventType::NodeChildrenChanged, "/a");
        told.exchanged(1, list(false), 6, names(6));
        assert_eq!(check(&told.records), [""; 0]);
        scene.exchanged(1, list(false), 6, names(6));
        assert_eq!(check(&scene.records).len(), 1);
    }
}
