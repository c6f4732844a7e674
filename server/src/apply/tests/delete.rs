//! `delete`.

use treekeeper_protocol::perms;

use super::*;

#[test]
fn the_first_check_that_fails_decides() {
    let mut fixture = Fixture::with(&["/a", "/a/b", "/a/b/c"]);
    let closed = world(perms::ALL & !perms::DELETE);
    fixture.done(with_acl(create("/closed"), closed));
    fixture.done(create("/closed/child"));
    let mut cases = vec![
        ("no /", delete("a", -1), ErrorCode::BadArguments),
        ("nothing", delete("", -1), ErrorCode::BadArguments),
        ("NUL", delete("/missing/\0", -1), ErrorCode::BadArguments),
        (
            "a missing parent",
            delete("/missing/x", -1),
            ErrorCode::NoNode,
        ),
        (
            "permission before existence",
            delete("/closed/missing", -1),
            ErrorCode::NoAuth,
        ),
        (
            "permission before the version",
            delete("/closed/child", 7),
            ErrorCode::NoAuth,
        ),
        (
            "existence before the version",
            delete("/a/missing", 7),
            ErrorCode::NoNode,
        ),
        (
            "a malformed path is not there",
            delete("/a/", -1),
            ErrorCode::NoNode,
        ),
        (
            "the version before the children",
            delete("/a/b", 7),
            ErrorCode::BadVersion,
        ),
        ("children", delete("/a/b", 0), ErrorCode::NotEmpty),
    ];
    for path in ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"] {
        cases.push((path, delete(path, -1), ErrorCode::BadArguments));
    }
    fixture.refuses(cases);
}

#[test]
fn a_deletion_dates_the_parent_and_leaves_its_creations() {
    let mut fixture = Fixture::with(&["/a", "/a/b"]);
    let before = fixture.znode("/a");
    fixture.time_ms += 5;
    assert_eq!(fixture.done(delete("/a/b", 0)), Reply::Empty);
    let expected = Znode {
        num_children: 0,
        pzxid: fixture.state.meta.zxid,
        ..before
    };
    assert_eq!(fixture.znode("/a"), expected);
    assert!(!fixture.exists("/a/b"));
}

#[test]
fn the_acl_of_the_znode_itself_does_not_count() {
    let mut fixture = Fixture::new();
    fixture.done(with_acl(create("/theirs"), ann_only()));
    fixture.done(delete("/theirs", -1));
}

#[test]
fn a_deleted_ephemeral_is_forgotten_by_its_session() {
    let mut fixture = Fixture::new();
    fixture.done(ephemeral("/e"));
    fixture.done(delete("/e", -1));
    assert_eq!(fixture.state.ephemeral_count, 0);
    assert!(
        fixture.state.sessions[&fixture.session]
            .ephemerals
            .is_empty()
    );
}

#[test]
fn deleting_a_container_or_ttl_znode_ends_its_watch_over_time() {
    let mut fixture = Fixture::new();
    fixture.done(container("/c"));
    fixture.done(ttl("/t", 1000));
    fixture.done(delete("/c", -1));
    fixture.done(delete("/t", -1));
    assert!(fixture.state.expirables.is_empty());
}
