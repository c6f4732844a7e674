//! `multi`: all or nothing.

use treekeeper_protocol::perms;

use super::*;
use crate::tree::Owner;

#[test]
fn each_operation_sees_what_the_earlier_ones_did() {
    let mut fixture = Fixture::new();
    let create2 = CreateRequest {
        kind: CreateKind::Create2,
        ..create("/a/b")
    };
    let results = fixture.results(vec![
        create("/a").into(),
        create2.into(),
        sequential("/a/s").into(),
        set_data("/a", "x", 0),
        check("/a", 1),
        delete("/a/b", 0),
    ]);
    let zxid = fixture.state.meta.zxid;
    let path = |path: &str| path.to_owned();
    assert_eq!(results[0], OpResult::Create { path: path("/a") });
    let OpResult::Create2 { path: second, stat } = &results[1] else {
        panic!("{:?}", results[1])
    };
    assert_eq!((second.as_str(), stat.czxid), ("/a/b", zxid));
    let suffixed = path("/a/s0000000001");
    assert_eq!(results[2], OpResult::Create { path: suffixed });
    assert_eq!(
        results[3],
        OpResult::SetData(Stat {
            pzxid: zxid,
            num_children: 2,
            cversion: 2,
            ..fixture.stat("/a")
        })
    );
    assert_eq!(results[4..], [OpResult::Check, OpResult::Delete]);
    let stat = fixture.stat("/a");
    assert_eq!(
        (stat.czxid, stat.mzxid, stat.pzxid, stat.cversion),
        (zxid, zxid, zxid, 3),
        "one zxid for all"
    );
}

#[test]
fn a_path_may_be_deleted_and_created_again_as_another_kind() {
    let mut fixture = Fixture::new();
    fixture.done(ephemeral("/a"));
    fixture.results(vec![delete("/a", -1), container("/a").into()]);
    assert_eq!(fixture.znode("/a").owner, Owner::Container);
    assert_eq!(fixture.state.ephemeral_count, 0);
    fixture.results(vec![delete("/a", -1), ephemeral("/a").into()]);
    assert_eq!(fixture.state.ephemeral_count, 1);
    assert!(fixture.state.expirables.is_empty());
}

#[test]
fn a_failed_one_says_which_operation_it_was() {
    let mut fixture = Fixture::with(&["/a"]);
    let results = fixture.results(vec![
        set_data("/a", "x", 0),
        create("/b").into(),
        check("/a", 0),
        delete("/a", -1),
        create("/c").into(),
    ]);
    let expected = [
        ErrorCode::Ok,
        ErrorCode::Ok,
        ErrorCode::BadVersion,
        ErrorCode::RuntimeInconsistency,
        ErrorCode::RuntimeInconsistency,
    ];
    assert_eq!(results, expected.map(OpResult::Error));
}

#[test]
fn a_failed_one_leaves_nothing_but_its_zxid() {
    let mut fixture = Fixture::with(&["/a", "/a/b", "/q"]);
    fixture.done(ephemeral("/e"));
    fixture.done(container("/c"));
    fixture.done(ttl("/t", 1000));
    quota::arm(&mut fixture, "/q", "count=-1,bytes=-1");
    let znodes = |fixture: &Fixture| {
        let mut all = vec![("/".to_owned(), fixture.znode("/"))];
        let note = |path: &str, znode: &Znode| all.push((path.to_owned(), znode.clone()));
        fixture.state.tree.for_each_descendant("/", note).unwrap();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all
    };
    let (before, znodes_before) = (fixture.state.meta.clone(), znodes(&fixture));
    let (sessions, expirables, quotas) = (
        fixture.state.sessions.clone(),
        fixture.state.expirables.clone(),
        fixture.state.quotas.clone(),
    );
    let limits = "/zookeeper/quota/q/zookeeper_limits";
    let results = fixture.results(vec![
        sequential("/a/s").into(),
        delete("/a/b", -1),
        ephemeral("/a/b").into(),
        set_data("/a/b", "x", 0),
        delete("/e", -1),
        create("/e").into(),
        create("/e/child").into(),
        delete("/c", -1),
        delete("/t", -1),
        container("/t").into(),
        create("/q/counted").into(),
        delete("/zookeeper/quota/q/zookeeper_stats", -1),
        delete(limits, -1),
        create(limits).into(),
        delete(limits, -1),
        check("/missing", -1),
    ]);
    assert_eq!(results[15], OpResult::Error(ErrorCode::NoNode));
    assert!(fixture.changes.is_empty());
    assert_eq!(znodes(&fixture), znodes_before);
    let expected = Meta {
        zxid: before.zxid + 1,
        ..before
    };
    assert_eq!(fixture.state.meta, expected);
    assert_eq!(fixture.state.sessions, sessions);
    assert_eq!(fixture.state.expirables, expirables);
    assert_eq!(fixture.state.quotas, quotas);
    let children = fixture.state.tree.children("/a").unwrap();
    assert_eq!(children.names().collect::<Vec<_>>(), ["b"]);
    assert_eq!(
        fixture.created(sequential("/a/s")),
        "/a/s0000000001",
        "the suffix was not used up"
    );
}

#[test]
fn check_needs_read_and_the_version() {
    let mut fixture = Fixture::with(&["/a"]);
    fixture.done(with_acl(
        create("/unreadable"),
        world(perms::ALL & !perms::READ),
    ));
    let cases = [
        (check("/a", 0), None),
        (check("/a", -1), None),
        (check("/a", 1), Some(ErrorCode::BadVersion)),
        (check("/a/", -1), Some(ErrorCode::BadArguments)),
        (check("/missing", -1), Some(ErrorCode::NoNode)),
        (check("/unreadable", 7), Some(ErrorCode::NoAuth)),
    ];
    for (op, code) in cases {
        let expected = code.map_or(OpResult::Check, OpResult::Error);
        assert_eq!(fixture.results(vec![op.clone()]), [expected], "{op:?}");
    }
}

#[test]
fn create_with_the_containers_flag_makes_one_here() {
    let mut fixture = Fixture::new();
    let results = fixture.results(vec![create_as(CreateMode::Container, "/c").into()]);
    assert!(
        matches!(results[..], [OpResult::Create2 { .. }]),
        "{results:?}"
    );
    assert_eq!(fixture.znode("/c").owner, Owner::Container);
}

#[test]
fn an_empty_one_does_nothing_and_takes_a_zxid() {
    let mut fixture = Fixture::new();
    let zxid = fixture.state.meta.zxid;
    assert_eq!(fixture.results(Vec::new()), []);
    assert_eq!(fixture.state.meta.zxid, zxid + 1);
}

#[test]
fn each_operation_passes_the_acl_that_the_earlier_ones_left() {
    let mut fixture = Fixture::new();
    let closed = with_acl(create("/mine"), ann_only()).into();
    let results = fixture.results(vec![closed, create("/mine/child").into()]);
    assert_eq!(results[1], OpResult::Error(ErrorCode::NoAuth));
    assert!(!fixture.exists("/mine"));
}
