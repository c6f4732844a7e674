//! What watchers hear, in which order, and under whose ACL.

use treekeeper_protocol::perms;

use super::*;

#[test]
fn each_change_is_told_of_the_znode_and_then_of_its_parent() {
    let mut fixture = Fixture::new();
    let mut told = |request: Asked| {
        fixture.done(request);
        fixture.changes()
    };
    assert_eq!(
        told(create("/a").into()),
        ["NodeCreated /a", "NodeChildrenChanged /"]
    );
    assert_eq!(
        told(sequential("/a/s").into()),
        ["NodeCreated /a/s0000000000", "NodeChildrenChanged /a"]
    );
    assert_eq!(told(set_data("/a", "", -1)), ["NodeDataChanged /a"]);
    assert_eq!(told(set_acl("/a", world(perms::ALL), -1)), [""; 0]);
    assert_eq!(
        told(delete("/a/s0000000000", -1)),
        ["NodeDeleted /a/s0000000000", "NodeChildrenChanged /a"]
    );
}

#[test]
fn each_event_carries_the_acl_that_decides_who_hears_it() {
    let mut fixture = Fixture::new();
    let parent = world(perms::ALL & !perms::WRITE);
    fixture.done(with_acl(create("/p"), parent.clone()));
    let told = |fixture: &Fixture| {
        let acl = |change: &Change| change.acl.as_deref().map(<[Acl]>::to_vec);
        fixture.changes.iter().map(acl).collect::<Vec<_>>()
    };
    let first = world(perms::ALL & !perms::READ);
    fixture.done(with_acl(create("/p/a"), first.clone()));
    assert_eq!(told(&fixture), [Some(first.clone()), Some(parent.clone())]);
    fixture.done(set_data("/p/a", "", -1));
    assert_eq!(told(&fixture), [Some(first)]);
    let last = ann_only();
    fixture.done(set_acl("/p/a", last.clone(), -1));
    fixture.done(delete("/p/a", -1));
    assert_eq!(told(&fixture), [Some(last), Some(parent)]);
    fixture.done(create("/open"));
    assert_eq!(told(&fixture), [None, None]);
}

#[test]
fn a_multi_tells_of_its_operations_in_order() {
    let mut fixture = Fixture::with(&["/a"]);
    fixture.results(vec![
        delete("/a", -1),
        create("/a").into(),
        set_data("/a", "x", 0),
    ]);
    let expected = [
        "NodeDeleted /a",
        "NodeChildrenChanged /",
        "NodeCreated /a",
        "NodeChildrenChanged /",
        "NodeDataChanged /a",
    ];
    assert_eq!(fixture.changes(), expected);
}

#[test]
fn the_upkeep_of_a_quota_is_told_to_nobody() {
    let mut fixture = Fixture::with(&["/a"]);
    quota::arm(&mut fixture, "/a", "count=5,bytes=-1");
    fixture.done(create("/a/b"));
    assert_eq!(
        fixture.changes(),
        ["NodeCreated /a/b", "NodeChildrenChanged /a"]
    );
}
