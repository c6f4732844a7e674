//! In the end clients read in `/zookeeper/config` who the members are, and the version of that is the zxid of the change.

use crate::history::{Record, What};

const CONFIG: &str = "/zookeeper/config";

pub(super) fn check(records: &[Record]) -> Vec<String> {
    let mut broken = Vec::new();
    for record in records {
        let What::Final {
            member,
            members,
            znodes,
        } = &record.what
        else {
            continue;
        };
        let shown = znodes.iter().find(|znode| znode.path == CONFIG);
        let expected = |mzxid: i64| format!("{}\nversion={mzxid:x}", members.join("\n"));
        if shown.is_none_or(|shown| shown.data != expected(shown.stat.mzxid)) {
            broken.push(format!(
                "member {member} has the members {members:?}, and shows {shown:?}"
            ));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::{CONFIG, check};
    use crate::history::What;
    use crate::properties::scene::{Scene, znode};

    #[test]
    fn members_that_are_not_shown_are_caught() {
        for (data, mzxid, caught) in [
            ("server.1=a\nserver.2=b\nversion=1f", 0x1f, 0),
            ("server.1=a\nversion=1f", 0x1f, 1),
            ("server.1=a\nserver.2=b\nversion=1f", 0x20, 1),
        ] {
            let mut scene = Scene::default();
            scene.note(What::Final {
                member: 1,
                members: vec!["server.1=a".to_owned(), "server.2=b".to_owned()],
                znodes: vec![znode(CONFIG, data, 0, mzxid)],
            });
            assert_eq!(check(&scene.records).len(), caught, "{data} {mzxid}");
        }
    }
}
