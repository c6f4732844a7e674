//! `create` and its family.

use treekeeper_protocol::{TTL_MS_MAX, perms};

use super::*;
use crate::tree::Owner;

#[test]
fn a_new_znode_shows_its_transaction() {
    let mut fixture = Fixture::new();
    fixture.time_ms += 5;
    fixture.done(with_data(create("/a"), "four"));
    let zxid = fixture.state.meta.zxid;
    let expected = Stat {
        czxid: zxid,
        mzxid: zxid,
        pzxid: zxid,
        ctime: fixture.time_ms,
        mtime: fixture.time_ms,
        data_length: 4,
        ..Stat::default()
    };
    assert_eq!(fixture.stat("/a"), expected);
}

#[test]
fn create_answers_with_the_path_and_the_others_with_the_stat_too() {
    let mut fixture = Fixture::new();
    let path = "/a".to_owned();
    assert_eq!(fixture.done(create("/a")), Reply::Created { path });
    let create2 = CreateRequest {
        kind: CreateKind::Create2,
        ..create("/b")
    };
    for request in [create2, container("/c"), ttl("/d", 1)] {
        let path = request.path.clone();
        let reply = fixture.done(request);
        let stat = fixture.stat(&path);
        assert_eq!(reply, Reply::CreatedWithStat { path, stat });
    }
}

#[test]
fn the_parent_counts_children_that_come_and_go_and_nothing_else_of_it_changes() {
    let mut fixture = Fixture::with(&["/a"]);
    let before = fixture.stat("/a");
    fixture.time_ms += 5;
    fixture.done(create("/a/b"));
    let expected = Stat {
        cversion: 1,
        num_children: 1,
        pzxid: fixture.state.meta.zxid,
        ..before
    };
    assert_eq!(fixture.stat("/a"), expected);
    fixture.done(delete("/a/b", -1));
    let expected = Stat {
        cversion: 2,
        num_children: 0,
        pzxid: fixture.state.meta.zxid,
        ..expected
    };
    assert_eq!(fixture.stat("/a"), expected);
}

#[test]
fn null_and_empty_data_differ() {
    let mut fixture = Fixture::with(&["/empty"]);
    fixture.done(CreateRequest {
        data: None,
        ..create("/null")
    });
    assert_eq!(fixture.znode("/empty").data, Some(Bytes::new()));
    assert_eq!(fixture.znode("/null").data, None);
    assert_eq!(fixture.stat("/null").data_length, 0);
}

#[test]
fn the_first_check_that_fails_decides() {
    let mut fixture = Fixture::with(&["/open"]);
    fixture.done(with_acl(create("/closed"), world(perms::READ)));
    fixture.done(ephemeral("/ephemeral"));
    let no_acl = |request| with_acl(request, Vec::new()).into();
    let flags = |flags, path| CreateRequest {
        flags,
        ..create(path)
    };
    fixture.refuses(vec![
        (
            "flags before the ACL",
            no_acl(flags(7, "/missing/x")),
            ErrorCode::BadArguments,
        ),
        (
            "flags below zero",
            flags(-1, "/x").into(),
            ErrorCode::BadArguments,
        ),
        (
            "a path without / before the ACL",
            no_acl(create("x")),
            ErrorCode::BadArguments,
        ),
        (
            "the empty path",
            no_acl(create("")),
            ErrorCode::BadArguments,
        ),
        (
            "NUL before the ACL",
            no_acl(create("/a\0b")),
            ErrorCode::BadArguments,
        ),
        (
            "the ACL before the parent",
            no_acl(create("/missing/x")),
            ErrorCode::InvalidAcl,
        ),
        (
            "the parent before the final path",
            create("/missing/..").into(),
            ErrorCode::NoNode,
        ),
        (
            "the parent of a trailing /",
            create("/missing/").into(),
            ErrorCode::NoNode,
        ),
        (
            "permission before the final path",
            create("/closed/..").into(),
            ErrorCode::NoAuth,
        ),
        (
            "a relative component",
            create("/open/..").into(),
            ErrorCode::BadArguments,
        ),
        (
            "a trailing /",
            create("/open/").into(),
            ErrorCode::BadArguments,
        ),
        (
            "an empty component",
            create("//abc").into(),
            ErrorCode::BadArguments,
        ),
        (
            "a control character",
            create("/a\u{1}").into(),
            ErrorCode::BadArguments,
        ),
        ("the root", create("/").into(), ErrorCode::NodeExists),
        ("what exists", create("/open").into(), ErrorCode::NodeExists),
        (
            "an ephemeral parent",
            create("/ephemeral/x").into(),
            ErrorCode::NoChildrenForEphemerals,
        ),
        (
            "an ephemeral parent of a sequential child",
            sequential("/ephemeral/x").into(),
            ErrorCode::NoChildrenForEphemerals,
        ),
        (
            "an ephemeral parent of a container",
            container("/ephemeral/x").into(),
            ErrorCode::NoChildrenForEphemerals,
        ),
        (
            "an ephemeral parent of an ephemeral",
            ephemeral("/ephemeral/x").into(),
            ErrorCode::NoChildrenForEphemerals,
        ),
    ]);
}

#[test]
fn odd_operations_and_flags_do_what_a_stock_server_does() {
    let mut fixture = Fixture::new();
    let flagged = |kind, flags, ttl, path: &str| CreateRequest {
        kind,
        flags,
        ttl,
        ..create(path)
    };
    // A container only if the operation says so; then whatever the flags say.
    fixture.done(flagged(CreateKind::Create, 4, 0, "/plain"));
    fixture.done(flagged(CreateKind::Create2, 4, 0, "/plain2"));
    assert_eq!(fixture.znode("/plain").owner, Owner::Persistent);
    assert_eq!(fixture.znode("/plain2").owner, Owner::Persistent);
    for flags in [0, 1, 4] {
        let path = fixture.created(flagged(
            CreateKind::Container,
            flags,
            0,
            &format!("/c{flags}"),
        ));
        assert_eq!(fixture.znode(&path).owner, Owner::Container, "{flags}");
    }
    assert_eq!(
        fixture.created(flagged(CreateKind::Container, 2, 0, "/s")),
        "/s0000000005"
    );
    fixture.done(flagged(CreateKind::Ttl, 5, TTL_MS_MAX, "/longest"));
    assert_eq!(fixture.znode("/longest").owner, Owner::Ttl(TTL_MS_MAX));

    let mut bad = vec![
        (CreateKind::Create, 5, 0),
        (CreateKind::Create2, 6, 0),
        (CreateKind::Container, 5, 0),
        (CreateKind::Ttl, 5, 0),
        (CreateKind::Ttl, 5, -1),
        (CreateKind::Ttl, 6, TTL_MS_MAX + 1),
        (CreateKind::Ttl, 5, i64::MIN),
    ];
    for flags in 0..=4 {
        bad.extend([(CreateKind::Ttl, flags, 1000), (CreateKind::Ttl, flags, -1)]);
    }
    for (kind, flags, ttl) in bad {
        let code = fixture.refused(flagged(kind, flags, ttl, "/bad"));
        assert_eq!(code, ErrorCode::BadArguments, "{kind:?} {flags} {ttl}");
    }
}

#[test]
fn without_extended_types_there_is_no_time_to_live() {
    let mut fixture = Fixture::new();
    fixture.settings(|settings| settings.extended_types = false);
    assert_eq!(fixture.refused(ttl("/a", 1000)), ErrorCode::Unimplemented);
    fixture.done(container("/c"));
}

#[test]
fn only_an_ephemeral_shows_its_owner() {
    let mut fixture = Fixture::with(&["/persistent"]);
    fixture.done(ephemeral("/ephemeral"));
    fixture.done(container("/container"));
    fixture.done(ttl("/ttl", 1000));
    let owner = |path| fixture.stat(path).ephemeral_owner;
    assert_eq!(owner("/ephemeral"), fixture.session);
    assert_eq!(["/persistent", "/container", "/ttl"].map(owner), [0; 3]);
    let expirables: Vec<&str> = fixture.state.expirables.iter().map(AsRef::as_ref).collect();
    assert_eq!(expirables, ["/container", "/ttl"]);
}

#[test]
fn the_suffix_counts_creations_of_any_kind_and_no_deletions() {
    let mut fixture = Fixture::with(&["/a"]);
    assert_eq!(fixture.created(sequential("/a/s-")), "/a/s-0000000000");
    fixture.done(create("/a/plain"));
    fixture.done(delete("/a/plain", -1));
    let seq_ephemeral = create_as(CreateMode::EphemeralSequential, "/a/e-");
    assert_eq!(fixture.created(seq_ephemeral), "/a/e-0000000002");
    assert_eq!(
        fixture.refused(create("/a/s-0000000000")),
        ErrorCode::NodeExists
    );
    assert_eq!(fixture.created(sequential("/a/")), "/a/0000000003");
    let seq_ttl = CreateRequest {
        flags: CreateMode::PersistentSequentialTtl.flags(),
        ..ttl("/a/t", 9)
    };
    assert_eq!(fixture.created(seq_ttl), "/a/t0000000004");

    fixture.done(create("/b"));
    assert_eq!(fixture.created(sequential("/b/")), "/b/0000000000");
    fixture.done(delete("/b/0000000000", -1));
    fixture.done(delete("/b", -1));
    fixture.done(create("/b"));
    assert_eq!(
        fixture.created(sequential("/b/")),
        "/b/0000000000",
        "a parent created anew begins anew"
    );
}

#[test]
fn the_suffix_wraps_and_counts_on() {
    let mut fixture = Fixture::with(&["/a"]);
    let parent = Znode {
        child_creations: i32::MAX,
        ..fixture.znode("/a")
    };
    fixture.state.put("/a", &parent).unwrap();
    assert_eq!(fixture.created(sequential("/a/s")), "/a/s2147483647");
    assert_eq!(fixture.created(sequential("/a/s")), "/a/s-2147483648");
    assert_eq!(fixture.created(sequential("/a/s")), "/a/s-2147483647");
    let zxid = fixture.state.meta.zxid;
    assert_eq!(fixture.stat("/a").pzxid, zxid);
    assert_eq!(fixture.stat("/a").cversion, 1);
}

#[test]
fn a_fresh_tree_is_a_stock_servers() {
    let fixture = Fixture::new();
    let root = fixture.stat("/");
    assert_eq!((root.num_children, root.cversion, root.czxid), (1, -1, 0));
    assert_eq!(fixture.stat("/zookeeper").cversion, -2);
    assert_eq!(fixture.stat("/zookeeper/quota").num_children, 0);
    let config = fixture.znode("/zookeeper/config");
    assert_eq!(config.aversion, -1);
    assert_eq!(config.acl.as_deref(), Some(&world(perms::READ)[..]));
    assert_eq!(fixture.state.meta.znode_count, 4);
}

#[test]
fn a_creators_acl_is_stored_as_its_identities() {
    let mut fixture = Fixture::new();
    let mine = with_acl(create("/mine"), Acl::creator_all());
    assert_eq!(fixture.refused(mine.clone()), ErrorCode::InvalidAcl);
    let session = fixture.session;
    fixture.ask_as(session, &[ann()], mine).unwrap();
    assert_eq!(fixture.znode("/mine").acl.as_deref(), Some(&ann_only()[..]));

    fixture.settings(|settings| settings.digest_scheme = false);
    let foreign = with_acl(create("/theirs"), ann_only());
    assert_eq!(fixture.refused(foreign), ErrorCode::InvalidAcl);
}

#[test]
fn the_superuser_and_skip_acl_pass_every_acl_and_no_other_check() {
    let mut fixture = Fixture::new();
    fixture.done(with_acl(create("/none"), world(0)));
    assert_eq!(fixture.refused(create("/none/a")), ErrorCode::NoAuth);
    let (session, superuser) = (fixture.session, [Identity::superuser()]);
    fixture
        .ask_as(session, &superuser, create("/none/a"))
        .unwrap();
    let special = fixture.ask_as(session, &superuser, delete("/zookeeper/config", -1));
    assert_eq!(special, Err(ErrorCode::BadArguments));
    fixture
        .ask_as(session, &superuser, set_data("/zookeeper/config", "x", -1))
        .unwrap();

    assert_eq!(fixture.refused(create("/none/b")), ErrorCode::NoAuth);
    fixture.settings(|settings| settings.skip_acl = true);
    fixture.done(create("/none/b"));
}
