//! Acknowledged means durable: what a client was told is there at the end, on every member, whatever was lost meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::history::{Answer, Exchange, FinalZnode, Op, Record, What, exchanges, log};

/// A znode that some write made as it is.
struct Written<'a> {
    path: &'a str,
    token: &'a str,
    mzxid: i64,
    owner: i64,
    asked: Duration,
}

pub(super) fn check(records: &[Record]) -> Vec<String> {
    let exchanges = exchanges(records);
    let gone_sessions: BTreeSet<i64> = log(records)
        .values()
        .filter_map(|(_, applied)| applied.batch.as_ref())
        .flat_map(|batch| &batch.closed)
        .map(|closed| closed.session)
        .collect();
    let deletes = deletes(&exchanges);
    let written: Vec<Written<'_>> = exchanges.iter().flat_map(written).collect();
    let mut broken = Vec::new();
    for record in records {
        let What::Final { member, znodes, .. } = &record.what else {
            continue;
        };
        let znodes: BTreeMap<&str, &FinalZnode> = znodes
            .iter()
            .map(|znode| (znode.path.as_str(), znode))
            .collect();
        for write in &written {
            let (path, mzxid) = (write.path, write.mzxid);
            match znodes.get(path) {
                Some(znode) if znode.stat.mzxid > mzxid => {}
                Some(znode) if znode.stat.mzxid == mzxid && znode.data == write.token => {}
                Some(znode) => broken.push(format!(
                    "member {member} has {path} as of {:#x} with {:?}, and {mzxid:#x} with {:?} was acknowledged",
                    znode.stat.mzxid, znode.data, write.token
                )),
                None => {
                    // None of a delete's time is none: its outcome is unknown, so it may come at any time.
                    let deleted = deletes.get(path).into_iter().flatten();
                    let explained = deleted.into_iter().any(|told| told.is_none_or(|told| told >= write.asked))
                        || write.owner != 0 && gone_sessions.contains(&write.owner);
                    if !explained {
                        broken.push(format!(
                            "member {member} lacks {path}, whose write {:?} at {mzxid:#x} was acknowledged",
                            write.token
                        ));
                    }
                }
            }
        }
    }
    broken
}

/// When each delete of a path was told to be done, by path.
fn deletes<'a>(exchanges: &[Exchange<'a>]) -> BTreeMap<&'a str, Vec<Option<Duration>>> {
    let mut deletes: BTreeMap<&str, Vec<Option<Duration>>> = BTreeMap::new();
    for exchange in exchanges {
        if let Op::Delete { path, .. } = exchange.op
            && !matches!(
                exchange.told.map(|told| told.answer),
                Some(Answer::Failed(_))
            )
        {
            let told = exchange.told.map(|told| told.at.1);
            deletes.entry(path).or_default().push(told);
        }
    }
    deletes
}

fn written<'a>(exchange: &Exchange<'a>) -> Vec<Written<'a>> {
    let asked = exchange.asked.1;
    let of_part = |(op, answer): (&'a Op, Option<&'a Answer>)| match (op, answer?) {
        (Op::Create { token, .. }, Answer::Created(path, stat)) => Some(Written {
            path,
            token,
            mzxid: stat.czxid,
            owner: stat.ephemeral_owner,
            asked,
        }),
        (Op::Set { path, token, .. }, Answer::Stat(stat)) => Some(Written {
            path,
            token,
            mzxid: stat.mzxid,
            owner: stat.ephemeral_owner,
            asked,
        }),
        _ => None,
    };
    exchange.parts().into_iter().filter_map(of_part).collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::properties::scene::{Scene, znode};

    #[test]
    fn a_write_that_is_gone_or_outdated_at_the_end_is_caught() {
        let mut scene = Scene::default();
        scene.created(1, "/a", "1:1", 5);
        scene.set(1, "/a", "1:2", 7);
        let kept = scene.clone().ends(1, vec![znode("/a", "1:2", 5, 7)]);
        assert_eq!(check(&kept), [""; 0]);
        let later = scene.clone().ends(1, vec![znode("/a", "2:9", 5, 8)]);
        assert_eq!(check(&later), [""; 0]);
        let outdated = scene.clone().ends(1, vec![znode("/a", "1:1", 5, 5)]);
        assert_eq!(check(&outdated).len(), 1);
        let other = scene.clone().ends(1, vec![znode("/a", "2:9", 5, 7)]);
        assert_eq!(check(&other).len(), 1);
        assert_eq!(check(&scene.clone().ends(1, Vec::new())).len(), 2);
        scene.deleted(2, "/a", 9);
        assert_eq!(check(&scene.ends(1, Vec::new())), [""; 0]);
    }
}
