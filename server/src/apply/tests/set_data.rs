//! `setData`.

use treekeeper_protocol::perms;

use super::*;

#[test]
fn the_first_check_that_fails_decides() {
    let mut fixture = Fixture::with(&["/a"]);
    fixture.done(with_acl(create("/closed"), world(perms::READ)));
    fixture.refuses(vec![
        ("nothing", set_data("", "", -1), ErrorCode::BadArguments),
        (
            "an invalid path, though it would not exist",
            set_data("/a/", "", -1),
            ErrorCode::BadArguments,
        ),
        ("a missing znode", set_data("/b", "", 7), ErrorCode::NoNode),
        (
            "permission before the version",
            set_data("/closed", "", 7),
            ErrorCode::NoAuth,
        ),
        (
            "another version",
            set_data("/a", "", 1),
            ErrorCode::BadVersion,
        ),
        (
            "a version below any",
            set_data("/a", "", -2),
            ErrorCode::BadVersion,
        ),
    ]);
}

#[test]
fn data_version_and_dates_change_and_nothing_else() {
    let mut fixture = Fixture::with(&["/a", "/a/b"]);
    let (before, parent) = (fixture.stat("/a/b"), fixture.znode("/a"));
    fixture.time_ms += 5;
    let reply = fixture.done(set_data("/a/b", "four", 0));
    let expected = Stat {
        mzxid: fixture.state.meta.zxid,
        mtime: fixture.time_ms,
        version: 1,
        data_length: 4,
        ..before
    };
    assert_eq!(reply, Reply::Stat(expected));
    assert_eq!(fixture.stat("/a/b"), expected);
    assert_eq!(fixture.data("/a/b"), "four");
    assert_eq!(fixture.znode("/a"), parent);
    fixture.done(set_data("/", "root", -1));
    assert_eq!(fixture.data("/"), "root");
}

#[test]
fn the_version_skips_minus_one_and_wraps() {
    let mut fixture = Fixture::with(&["/a"]);
    for (version, next) in [(-2, 0), (i32::MAX, i32::MIN), (5, 6)] {
        let znode = Znode {
            version,
            ..fixture.znode("/a")
        };
        fixture.state.put("/a", &znode).unwrap();
        fixture.done(set_data("/a", "", version));
        assert_eq!(fixture.stat("/a").version, next);
    }
}

#[test]
fn an_ephemeral_keeps_its_owner() {
    let mut fixture = Fixture::new();
    fixture.done(ephemeral("/e"));
    let other = fixture.open_session();
    fixture.ask_as(other, &[], set_data("/e", "x", -1)).unwrap();
    assert_eq!(fixture.stat("/e").ephemeral_owner, fixture.session);
}
