//! `setACL`, and what the ACL then lets through.

use treekeeper_protocol::perms;

use super::*;

#[test]
fn the_first_check_that_fails_decides() {
    let mut fixture = Fixture::with(&["/a"]);
    fixture.done(with_acl(
        create("/closed"),
        world(perms::ALL & !perms::ADMIN),
    ));
    let open = Acl::world_anyone_all;
    fixture.refuses(vec![
        (
            "the path before the ACL",
            set_acl("/a/", Vec::new(), -1),
            ErrorCode::BadArguments,
        ),
        (
            "the ACL before existence",
            set_acl("/missing", Vec::new(), -1),
            ErrorCode::InvalidAcl,
        ),
        (
            "existence",
            set_acl("/missing", open(), 7),
            ErrorCode::NoNode,
        ),
        (
            "permission before the version",
            set_acl("/closed", open(), 7),
            ErrorCode::NoAuth,
        ),
        (
            "another version",
            set_acl("/a", open(), 1),
            ErrorCode::BadVersion,
        ),
    ]);
}

#[test]
fn only_the_acl_and_its_version_change_and_nobody_hears_of_it() {
    let mut fixture = Fixture::with(&["/a"]);
    fixture.done(set_data("/a", "x", -1));
    let before = fixture.stat("/a");
    fixture.time_ms += 5;
    let reply = fixture.done(set_acl("/a", world(perms::READ | perms::ADMIN), 0));
    let expected = Stat {
        aversion: 1,
        ..before
    };
    assert_eq!(reply, Reply::Stat(expected));
    assert_eq!(fixture.stat("/a"), expected);
    assert!(fixture.changes.is_empty());
    fixture.done(set_acl("/", Acl::world_anyone_all(), -1));
}

#[test]
fn the_new_acl_counts_from_the_next_command_on() {
    let mut fixture = Fixture::with(&["/a", "/a/b"]);
    fixture.done(set_acl("/a", ann_only(), -1));
    fixture.refuses(vec![
        ("set", set_data("/a", "", -1), ErrorCode::NoAuth),
        ("create", create("/a/c").into(), ErrorCode::NoAuth),
        ("delete", delete("/a/b", -1), ErrorCode::NoAuth),
        ("setACL", set_acl("/a", ann_only(), -1), ErrorCode::NoAuth),
    ]);
    fixture.done(set_data("/a/b", "nothing is inherited", -1));
    let session = fixture.session;
    for request in [
        set_data("/a", "", -1),
        delete("/a/b", -1),
        set_acl("/a", Acl::world_anyone_all(), 1),
    ] {
        fixture.ask_as(session, &[ann()], request).unwrap();
    }
    assert_eq!(
        fixture.znode("/a").acl,
        None,
        "the open ACL is stored as none"
    );
}

#[test]
fn the_version_skips_minus_one() {
    let mut fixture = Fixture::with(&["/a"]);
    let znode = Znode {
        aversion: -2,
        ..fixture.znode("/a")
    };
    fixture.state.put("/a", &znode).unwrap();
    fixture.done(set_acl("/a", Acl::world_anyone_all(), -2));
    assert_eq!(fixture.stat("/a").aversion, 0);
}
