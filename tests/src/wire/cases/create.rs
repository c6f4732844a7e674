//! create, create2, createContainer, createTTL: modes, order of refusals, effects on znode and parent.

use crate::wire::bytes::Body;
use crate::wire::outcome::{Outcome, Stop, ensure, expect};
use crate::wire::reply::{Acl, Stat};
use crate::wire::request::{
    Request, create, create_as, create_container, create_ttl, create_with_acl, create2, exists,
    get_data, open_acl, set_acl,
};
use crate::wire::suite::Suite;
use crate::wire::target::{Case, Server};

/// The longest time to live that a znode can have.
const TTL_MAX: i64 = 0xFF_FFFF_FFFF;

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    for op in [1, 15] {
        for (flags, err) in [
            (0, 0),
            (1, 0),
            (2, 0),
            (3, 0),
            (4, 0),
            (5, -8),
            (6, -8),
            (7, -8),
            (8, -8),
            (-1, -8),
            (99, -8),
            (i32::MIN, -8),
            (i32::MAX, -8),
        ] {
            suite.case(
                format!("create/op-{op}-flags-{flags}-gives-{err}"),
                move |case| mode(case, op, flags, err),
            );
        }
    }
    for (flags, err) in [
        (0, 0),
        (1, 0),
        (2, 0),
        (3, 0),
        (4, 0),
        (5, -8),
        (6, -8),
        (7, -8),
        (-1, -8),
    ] {
        suite.case(
            format!("create/op-19-flags-{flags}-gives-{err}"),
            move |case| mode(case, 19, flags, err),
        );
    }
    for (flags, ttl, err) in [
        (5, 1, 0),
        (5, 60_000, 0),
        (5, TTL_MAX, 0),
        (6, 60_000, 0),
        (6, TTL_MAX, 0),
        (5, TTL_MAX + 1, -8),
        (6, TTL_MAX + 1, -8),
        (5, i64::MAX, -8),
        (5, 0, -8),
        (6, 0, -8),
        (5, -1, -8),
        (5, i64::MIN, -8),
        (0, 1, -8),
        (1, 1, -8),
        (2, 1, -8),
        (3, 1, -8),
        (4, 1, -8),
        (0, 0, -8),
        (7, 1, -8),
        (-1, 1, -8),
    ] {
        suite.case(
            format!("create/createTTL-flags-{flags}-ttl-{ttl}-gives-{err}"),
            move |case| {
                let reply = case
                    .client()?
                    .call(&create_ttl(&case.at("n"), flags, ttl))?;
                if err != 0 {
                    return reply.refused(err);
                }
                let (path, stat) = reply.path_and_stat()?;
                expect(
                    "path",
                    path,
                    if flags == 6 {
                        case.at("n0000000000")
                    } else {
                        case.at("n")
                    },
                )?;
                expect("ephemeralOwner", stat.ephemeral_owner, 0)
            },
        );
    }
    for flags in 0..=4 {
        suite.case(
            format!("create/createTTL-flags-{flags}-without-a-ttl-is-refused"),
            move |case| {
                if case.target.server == Server::ZooKeeper {
                    return Err(Stop::Skipped(
                        "Apache ZooKeeper 3.9.5 stops when it applies this one".to_owned(),
                    ));
                }
                case.client()?
                    .call(&create_ttl(&case.at("n"), flags, -1))?
                    .refused(-8)
            },
        );
    }
    suite.case("create/effects-on-the-znode", effects_on_node);
    suite.case("create/effects-on-the-parent", effects_on_parent);
    suite.case("create/ephemeral-is-owned-by-its-session", |case| {
        let mut client = case.client()?;
        let (_, stat) = client
            .call(&create2(&case.at("e"), b"", 1))?
            .path_and_stat()?;
        expect("ephemeralOwner", stat.ephemeral_owner, client.session())
    });
    for (name, data, length) in [
        ("null", None, 0),
        ("empty", Some(&b""[..]), 0),
        ("five-bytes", Some(&b"a\0b\xffc"[..]), 5),
    ] {
        suite.case(
            format!("create/{name}-data-is-given-back-as-it-was"),
            move |case| {
                let mut client = case.client()?;
                client
                    .call(&create_as(1, &case.at("n"), data, &open_acl(), 0))?
                    .path()?;
                let (back, stat) = client
                    .call(&get_data(&case.at("n"), false))?
                    .data_and_stat()?;
                expect("data", back, data.map(<[u8]>::to_vec))?;
                expect("dataLength", stat.data_length, length)
            },
        );
    }
    suite.case("create/pipelined-twice-sees-the-first", |case| {
        let mut client = case.client()?;
        client.send(&create(&case.at("n"), b"", 0))?;
        client.send(&create(&case.at("n/child"), b"", 0))?;
        client.send(&create(&case.at("n"), b"", 0))?;
        client.reply()?.path()?;
        client.reply()?.path()?;
        client.reply()?.refused(-110)
    });
    suite.case("create/null-acl-is-refused-with--114", |case| {
        let body = Body::new().str(&case.at("n")).buf(None).null().i32(0);
        case.client()?.call(&Request::new(1, body))?.refused(-114)
    });
    suite.case(
        "create/vector-with-a-negative-count-counts-as-empty",
        |case| {
            let body = Body::new().str(&case.at("n")).buf(None).i32(-7).i32(0);
            case.client()?.call(&Request::new(1, body))?.refused(-114)
        },
    );
    register_precedence(suite);
    for (path, err) in [
        ("", -8),
        ("/", -110),
        ("noslash", -8),
        ("//abc", -8),
        ("/.", -8),
        ("/..", -8),
        ("/missing-parent/", -101),
    ] {
        suite.case(format!("create/of-{path:?}-gives-{err}"), move |case| {
            case.client()?.call(&create(path, b"", 0))?.refused(err)
        });
    }
    suite.case("create/under-zookeeper-is-allowed", |case| {
        let path = format!("/zookeeper{}", case.root);
        let mut client = case.client()?;
        expect("path", client.make(&path, b"", 0)?, path.clone())?;
        client
            .call(&crate::wire::request::delete(&path, -1))?
            .bare()
    });
}

/// One create of a kind: the shape of its reply and what became of it.
fn mode(case: &Case, op: i32, flags: i32, err: i32) -> Outcome {
    let mut client = case.client()?;
    let reply = client.call(&create_as(
        op,
        &case.at("n"),
        Some(b"x"),
        &open_acl(),
        flags,
    ))?;
    if err != 0 {
        reply.refused(err)?;
        return client.call(&exists(&case.at("n"), false))?.refused(-101);
    }
    let path = match op {
        1 => reply.path()?,
        _ => reply.path_and_stat()?.0,
    };
    let expected = if matches!(flags, 2 | 3) {
        case.at("n0000000000")
    } else {
        case.at("n")
    };
    expect("path", path.clone(), expected)?;
    let stat = client.call(&exists(&path, false))?.stat()?;
    let is_ephemeral = op != 19 && matches!(flags, 1 | 3);
    expect(
        "ephemeralOwner",
        stat.ephemeral_owner,
        if is_ephemeral { client.session() } else { 0 },
    )
}

fn effects_on_node(case: &Case) -> Outcome {
    let mut client = case.client()?;
    let reply = client.call(&create2(&case.at("n"), b"four", 0))?;
    let (path, stat) = reply.path_and_stat()?;
    expect("path", path, case.at("n"))?;
    let time = stat.ctime;
    let now = std::time::UNIX_EPOCH
        .elapsed()
        .map_or(0, |elapsed| i64::try_from(elapsed.as_millis()).unwrap_or(0));
    ensure(
        (now - time).abs() < 60_000,
        format!("ctime near {now}, got {time}"),
    )?;
    let expected = Stat {
        czxid: reply.zxid,
        mzxid: reply.zxid,
        ctime: time,
        mtime: time,
        version: 0,
        cversion: 0,
        aversion: 0,
        ephemeral_owner: 0,
        data_length: 4,
        num_children: 0,
        pzxid: reply.zxid,
    };
    expect("Stat of create2", stat, expected)?;
    expect(
        "Stat of exists",
        client.call(&exists(&case.at("n"), false))?.stat()?,
        expected,
    )
}

fn effects_on_parent(case: &Case) -> Outcome {
    let mut client = case.client()?;
    let before = client.call(&exists(&case.root, false))?.stat()?;
    for index in 1..=3 {
        let reply = client.call(&create(&case.at(&format!("n{index}")), b"", 0))?;
        let after = client.call(&exists(&case.root, false))?.stat()?;
        let expected = Stat {
            cversion: before.cversion + index,
            num_children: index,
            pzxid: reply.zxid,
            ..before
        };
        expect("Stat of the parent", after, expected)?;
    }
    Ok(())
}

/// Each pair of neighbours in the order of refusals: the request is wrong in both ways, the first one is answered.
fn register_precedence(suite: &mut Suite) {
    let mut pair = |name: &str, err: i32, request: fn(&Case) -> Request| {
        suite.case(format!("create/precedence-{name}"), move |case| {
            let mut client = case.client()?;
            client.make(&case.at("there"), b"", 0)?;
            client.make(&case.at("ephemeral"), b"", 1)?;
            for (name, flags) in [("locked", 0), ("locked-ephemeral", 1)] {
                client.make(&case.at(name), b"", flags)?;
            }
            client.make(&case.at("locked/there"), b"", 0)?;
            for name in ["locked", "locked-ephemeral"] {
                client
                    .call(&set_acl(&case.at(name), &[Acl::world(1 | 2 | 8 | 16)], -1))?
                    .stat()?;
            }
            client.call(&request(case))?.refused(err)
        });
    };
    pair("undecodable-before-flags", -5, |case| {
        Request::new(
            1,
            Body::new()
                .str(&case.at("n"))
                .buf(None)
                .i32(1)
                .i32(31)
                .str("world")
                .i32(-2)
                .i32(99),
        )
    });
    pair("flags-before-path", -8, |_| create("noslash", b"", 99));
    pair("flags-before-acl", -8, |case| {
        create_as(1, &case.at("n"), None, &[], 99)
    });
    pair("flags-before-parent", -8, |case| {
        create(&case.at("missing/n"), b"", 99)
    });
    pair("ttl-before-acl", -8, |case| {
        Request::new(
            21,
            Body::new()
                .str(&case.at("n"))
                .buf(None)
                .acls(&[])
                .i32(5)
                .i64(0),
        )
    });
    pair("ttl-before-parent", -8, |case| {
        create_ttl(&case.at("missing/n"), 5, 0)
    });
    pair("path-without-slash-before-acl", -8, |_| {
        create_as(1, "noslash", None, &[], 0)
    });
    pair("path-with-nul-before-acl", -8, |case| {
        create_as(1, &case.at("a\0b"), None, &[], 0)
    });
    pair("path-with-nul-before-parent", -8, |case| {
        create(&case.at("missing/a\0b"), b"", 0)
    });
    pair("acl-before-parent", -114, |case| {
        create_with_acl(&case.at("missing/n"), &[])
    });
    pair("acl-before-permission", -114, |case| {
        create_with_acl(&case.at("locked/n"), &[])
    });
    pair("acl-before-final-path", -114, |case| {
        create_with_acl(&case.at("a/../b"), &[])
    });
    pair("acl-before-exists", -114, |case| {
        create_with_acl(&case.at("there"), &[Acl::new(31, "nosuch", "x")])
    });
    pair("acl-before-ephemeral-parent", -114, |case| {
        create_with_acl(&case.at("ephemeral/n"), &[])
    });
    pair("parent-before-final-path", -101, |case| {
        create(&case.at("missing/.."), b"", 0)
    });
    pair("parent-before-exists-is-moot-and--101", -101, |case| {
        create(&case.at("missing/n"), b"", 0)
    });
    pair("permission-before-final-path", -102, |case| {
        create(&case.at("locked/.."), b"", 0)
    });
    pair("permission-before-exists", -102, |case| {
        create(&case.at("locked/there"), b"", 0)
    });
    pair("permission-before-ephemeral-parent", -102, |case| {
        create(&case.at("locked-ephemeral/n"), b"", 0)
    });
    pair("final-path-before-exists", -8, |case| {
        create(&case.at("there/"), b"", 0)
    });
    pair("final-path-before-ephemeral-parent", -8, |case| {
        create(&case.at("ephemeral/.."), b"", 0)
    });
    pair("exists-of-an-ephemeral", -110, |case| {
        create(&case.at("ephemeral"), b"", 1)
    });
    for (index, name) in [
        "persistent",
        "ephemeral",
        "sequential",
        "ephemeral-sequential",
    ]
    .into_iter()
    .enumerate()
    {
        suite.case(
            format!("create/{name}-child-of-an-ephemeral-is-refused-with--108"),
            move |case| {
                let mut client = case.client()?;
                client.make(&case.at("e"), b"", 1)?;
                client
                    .call(&create(
                        &case.at("e/n"),
                        b"",
                        i32::try_from(index).unwrap_or(0),
                    ))?
                    .refused(-108)
            },
        );
    }
    suite.case(
        "create/container-child-of-an-ephemeral-is-refused-with--108",
        |case| {
            let mut client = case.client()?;
            client.make(&case.at("e"), b"", 1)?;
            client
                .call(&create_container(&case.at("e/n")))?
                .refused(-108)
        },
    );
    suite.case(
        "create/ttl-child-of-an-ephemeral-is-refused-with--108",
        |case| {
            let mut client = case.client()?;
            client.make(&case.at("e"), b"", 1)?;
            client
                .call(&create_ttl(&case.at("e/n"), 5, 60_000))?
                .refused(-108)
        },
    );
    suite.case(
        "create/children-of-containers-and-ttl-znodes-are-allowed",
        |case| {
            let mut client = case.client()?;
            client
                .call(&create_container(&case.at("c")))?
                .path_and_stat()?;
            client
                .call(&create_ttl(&case.at("t"), 5, 60_000))?
                .path_and_stat()?;
            for name in ["c/n", "t/n"] {
                client.make(&case.at(name), b"", 0)?;
                client.make(&case.at(&format!("{name}e")), b"", 1)?;
            }
            Ok(())
        },
    );
}
