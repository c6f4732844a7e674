//! All members that have applied the same entry have the same tree: by its digest after every entry, and znode by znode
//! at the end.

use std::collections::BTreeMap;

use crate::history::{Applied, FinalZnode, Record, What};

pub(super) fn check(records: &[Record]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut first: BTreeMap<u64, &Applied> = BTreeMap::new();
    let mut last_index: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    let mut last_tree: Option<(u64, &[FinalZnode])> = None;
    for record in records {
        match &record.what {
            What::Applied(applied) => {
                let process = (applied.member, applied.incarnation);
                let before = last_index.insert(process, applied.index);
                if before.is_some_and(|before| applied.index != before + 1) {
                    broken.push(format!(
                        "member {} applied entry {} after {before:?}",
                        applied.member, applied.index
                    ));
                }
                let known = *first.entry(applied.index).or_insert(applied);
                if seen(known) != seen(applied) {
                    broken.push(format!(
                        "after entry {} member {} has {:?}, and member {} has {:?}",
                        applied.index,
                        known.member,
                        seen(known),
                        applied.member,
                        seen(applied)
                    ));
                }
            }
            What::Final { member, znodes, .. } => {
                if let Some((other, tree)) = last_tree
                    && tree != znodes.as_slice()
                {
                    broken.push(format!(
                        "members {other} and {member} end with different znodes"
                    ));
                }
                last_tree = Some((*member, znodes));
            }
            _ => {}
        }
    }
    broken
}

/// What must be the same everywhere: term, zxid and digest.
fn seen(applied: &Applied) -> (u64, i64, u64) {
    (applied.term, applied.zxid, applied.digest)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::properties::scene::{Scene, znode};

    #[test]
    fn different_digests_terms_and_trees_and_gaps_are_caught() {
        let mut scene = Scene::default();
        scene.applied(1, 1, |_| {});
        scene.applied(2, 1, |_| {});
        scene.applied(1, 2, |_| {});
        assert_eq!(check(&scene.records), [""; 0]);
        let mut other_digest = scene.clone();
        other_digest.applied(2, 2, |applied| applied.digest += 1);
        assert_eq!(check(&other_digest.records).len(), 1);
        let mut other_term = scene.clone();
        other_term.applied(2, 2, |applied| applied.term += 1);
        assert_eq!(check(&other_term.records).len(), 1);
        let mut gap = scene.clone();
        gap.applied(1, 4, |_| {});
        assert_eq!(check(&gap.records).len(), 1);
        scene.records = scene.clone().ends(1, vec![znode("/a", "1:1", 5, 5)]);
        assert_eq!(check(&scene.ends(2, Vec::new())).len(), 1);
    }
}
