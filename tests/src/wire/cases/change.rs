//! delete, setData, setACL: effects, order of refusals, the root and the reserved znodes.

use crate::wire::bytes::Body;
use crate::wire::outcome::{Outcome, ensure, expect};
use crate::wire::raw_client::RawClient;
use crate::wire::reply::{Acl, Stat};
use crate::wire::request::{
    Request, auth, create, create_as, create2, delete, exists, get_acl, get_data, open_acl,
    set_acl, set_data,
};
use crate::wire::suite::Suite;
use crate::wire::target::Case;

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    suite.case("delete/effects-on-the-parent", delete_effects);
    suite.case(
        "delete/visible-cversion-counts-creates-and-deletes",
        |case| {
            let mut client = case.client()?;
            let changes = [
                create(&case.at("a"), b"", 0),
                create(&case.at("b"), b"", 0),
                delete(&case.at("a"), -1),
                create(&case.at("a"), b"", 0),
                delete(&case.at("b"), -1),
                delete(&case.at("a"), -1),
            ];
            for (request, cversion) in changes.iter().zip(1..) {
                client.call(request)?.ok()?;
                let stat = client.call(&exists(&case.root, false))?.stat()?;
                expect("cversion", stat.cversion, cversion)?;
            }
            Ok(())
        },
    );
    suite.case("delete/removes-and-a-second-one-is--101", |case| {
        let mut client = case.client()?;
        client.make(&case.at("n"), b"", 0)?;
        client.call(&delete(&case.at("n"), 0))?.bare()?;
        client.call(&exists(&case.at("n"), false))?.refused(-101)?;
        client.call(&delete(&case.at("n"), 0))?.refused(-101)
    });
    suite.case("delete/ephemeral-of-another-session-is-allowed", |case| {
        let mut owner = case.client()?;
        owner.make(&case.at("e"), b"", 1)?;
        case.client()?.call(&delete(&case.at("e"), -1))?.bare()?;
        owner.call(&exists(&case.at("e"), false))?.refused(-101)
    });
    suite.case("delete/and-create-again-starts-a-new-znode", |case| {
        let mut client = case.client()?;
        client.make(&case.at("n"), b"x", 0)?;
        client.call(&set_data(&case.at("n"), b"y", -1))?.stat()?;
        client.call(&delete(&case.at("n"), -1))?.bare()?;
        let reply = client.call(&create2(&case.at("n"), b"z", 0))?;
        let (_, stat) = reply.path_and_stat()?;
        expect(
            "version, czxid",
            (stat.version, stat.czxid),
            (0, reply.zxid),
        )
    });
    for version in [0, 1, 7, -2, i32::MAX, i32::MIN] {
        suite.case(
            format!("versions/of-delete-setData-setACL-{version}-against-1"),
            move |case| versions(case, version),
        );
    }
    suite.case("versions/minus-1-matches-any", |case| versions(case, -1));
    suite.case("setData/effects", set_data_effects);
    suite.case("setData/null-is-kept-as-null", |case| {
        let mut client = case.client()?;
        client.make(&case.at("n"), b"x", 0)?;
        let stat = client
            .call(&Request::new(
                5,
                Body::new().str(&case.at("n")).buf(None).i32(-1),
            ))?
            .stat()?;
        expect("dataLength", stat.data_length, 0)?;
        expect(
            "data",
            client
                .call(&get_data(&case.at("n"), false))?
                .data_and_stat()?
                .0,
            None,
        )
    });
    suite.case("setData/identical-bytes-still-make-a-version", |case| {
        let mut client = case.client()?;
        client.make(&case.at("n"), b"x", 0)?;
        for version in 1..4 {
            let reply = client.call(&set_data(&case.at("n"), b"x", -1))?;
            let stat = reply.stat()?;
            expect(
                "version, mzxid",
                (stat.version, stat.mzxid),
                (version, reply.zxid),
            )?;
        }
        Ok(())
    });
    suite.case("setData/pipelined-on-versions-sees-each-other", |case| {
        let mut client = case.client()?;
        client.make(&case.at("n"), b"", 0)?;
        for version in [0, 1, 1, 2] {
            client.send(&set_data(&case.at("n"), b"x", version))?;
        }
        let mut errs = Vec::new();
        for _ in 0..4 {
            errs.push(client.reply()?.err);
        }
        expect("errs", errs, vec![0, 0, -103, 0])
    });
    suite.case("setACL/effects", set_acl_effects);
    suite.alone("change/of-the-root", change_root);
    for path in [
        "/",
        "/zookeeper",
        "/zookeeper/quota",
        "/zookeeper/config",
        "noslash",
        "",
        "/a\0b",
    ] {
        suite.case(
            format!("delete/of-{path:?}-is-refused-with--8"),
            move |case| {
                case.client()?.call(&delete(path, -1))?.refused(-8)?;
                // The special path is looked at before anything else, also for a super user.
                let mut client = case.client()?;
                client.call(&auth("digest", b"super:secret"))?.bare()?;
                client.call(&delete(path, 77))?.refused(-8)
            },
        );
    }
    suite.case("change/of-the-config-needs-super", |case| {
        let mut client = case.client()?;
        client
            .call(&set_data("/zookeeper/config", b"x", -1))?
            .refused(-102)?;
        client
            .call(&set_acl("/zookeeper/config", &open_acl(), -1))?
            .refused(-102)?;
        client
            .call(&create("/zookeeper/config/child", b"", 0))?
            .refused(-102)
    });
    register_precedence(suite);
}

fn delete_effects(case: &Case) -> Outcome {
    let mut client = case.client()?;
    client.make(&case.at("n"), b"", 0)?;
    let before = client.call(&exists(&case.root, false))?.stat()?;
    let reply = client.call(&delete(&case.at("n"), -1))?;
    reply.bare()?;
    let after = client.call(&exists(&case.root, false))?.stat()?;
    let expected = Stat {
        cversion: before.cversion + 1,
        num_children: 0,
        pzxid: reply.zxid,
        ..before
    };
    expect("Stat of the parent", after, expected)
}

/// A znode whose version and aversion are 1, changed on condition of `version`.
fn versions(case: &Case, version: i32) -> Outcome {
    let mut client = case.client()?;
    let path = case.at("n");
    client.make(&path, b"", 0)?;
    client.call(&set_data(&path, b"", 0))?.stat()?;
    client.call(&set_acl(&path, &open_acl(), 0))?.stat()?;
    if version == 1 || version == -1 {
        expect(
            "aversion",
            client
                .call(&set_acl(&path, &open_acl(), version))?
                .stat()?
                .aversion,
            2,
        )?;
        expect(
            "version",
            client.call(&set_data(&path, b"", version))?.stat()?.version,
            2,
        )?;
        return client
            .call(&delete(&path, if version == 1 { 2 } else { -1 }))?
            .bare();
    }
    client
        .call(&set_acl(&path, &open_acl(), version))?
        .refused(-103)?;
    client.call(&set_data(&path, b"", version))?.refused(-103)?;
    client.call(&delete(&path, version))?.refused(-103)
}

fn set_data_effects(case: &Case) -> Outcome {
    let mut client = case.client()?;
    let path = case.at("n");
    let (_, before) = client.call(&create2(&path, b"x", 0))?.path_and_stat()?;
    let parent = client.call(&exists(&case.root, false))?.stat()?;
    let reply = client.call(&set_data(&path, b"three", 0))?;
    let after = reply.stat()?;
    ensure(
        after.mtime >= before.mtime,
        format!("mtime from {} on, got {}", before.mtime, after.mtime),
    )?;
    let expected = Stat {
        mzxid: reply.zxid,
        mtime: after.mtime,
        version: 1,
        data_length: 5,
        ..before
    };
    expect("Stat of setData", after, expected)?;
    expect(
        "getData",
        client.call(&get_data(&path, false))?.data_and_stat()?,
        (Some(b"three".to_vec()), expected),
    )?;
    expect(
        "Stat of the parent",
        client.call(&exists(&case.root, false))?.stat()?,
        parent,
    )
}

fn set_acl_effects(case: &Case) -> Outcome {
    let mut client = case.client()?;
    let path = case.at("n");
    let (_, before) = client.call(&create2(&path, b"x", 0))?.path_and_stat()?;
    let parent = client.call(&exists(&case.root, false))?.stat()?;
    let acl = vec![Acl::world(31), Acl::new(1, "ip", "10.0.0.0/8")];
    let expected = Stat {
        aversion: 1,
        ..before
    };
    expect(
        "Stat of setACL",
        client.call(&set_acl(&path, &acl, 0))?.stat()?,
        expected,
    )?;
    expect(
        "getACL",
        client.call(&get_acl(&path))?.acl_and_stat()?,
        (acl, expected),
    )?;
    expect(
        "Stat of the parent",
        client.call(&exists(&case.root, false))?.stat()?,
        parent,
    )
}

fn change_root(case: &Case) -> Outcome {
    let mut client = case.client()?;
    let before = client.call(&exists("/", false))?.stat()?;
    let after = client
        .call(&set_data("/", b"root", before.version))?
        .stat()?;
    expect("version", after.version, before.version + 1)?;
    let (data, _) = client.call(&get_data("/", false))?.data_and_stat()?;
    expect("data", data, Some(b"root".to_vec()))?;
    client.call(&set_data("/", b"", -1))?.stat()?;
    let acl = client
        .call(&set_acl("/", &open_acl(), before.aversion))?
        .stat()?;
    expect("aversion", acl.aversion, before.aversion + 1)
}

/// A znode tree with something wrong everywhere.
fn crooked(case: &Case) -> Outcome<RawClient> {
    let mut client = case.client()?;
    client.make(&case.at("locked"), b"", 0)?;
    client.make(&case.at("locked/child"), b"", 0)?;
    client.make(&case.at("full"), b"", 0)?;
    client.make(&case.at("full/child"), b"", 0)?;
    client
        .call(&create_as(
            1,
            &case.at("nothing"),
            None,
            &[Acl::world(1)],
            0,
        ))?
        .path()?;
    client
        .call(&set_acl(
            &case.at("locked"),
            &[Acl::world(1 | 2 | 4 | 16)],
            -1,
        ))?
        .stat()?;
    Ok(client)
}

fn register_precedence(suite: &mut Suite) {
    let mut pair = |name: &str, err: i32, request: fn(&Case) -> Request| {
        suite.case(name, move |case| {
            crooked(case)?.call(&request(case))?.refused(err)
        });
    };
    pair("delete/precedence-special-path-before-version", -8, |_| {
        delete("/zookeeper", 9)
    });
    pair("delete/precedence-nul-before-parent", -8, |case| {
        delete(&case.at("missing/a\0b"), -1)
    });
    pair("delete/precedence-parent-missing", -101, |case| {
        delete(&case.at("missing/n"), 9)
    });
    pair(
        "delete/precedence-permission-before-missing",
        -102,
        |case| delete(&case.at("locked/missing"), -1),
    );
    pair(
        "delete/precedence-permission-before-version",
        -102,
        |case| delete(&case.at("locked/child"), 9),
    );
    pair("delete/precedence-missing-before-version", -101, |case| {
        delete(&case.at("missing"), 9)
    });
    pair("delete/precedence-version-before-children", -103, |case| {
        delete(&case.at("full"), 9)
    });
    pair("delete/with-children-is--111", -111, |case| {
        delete(&case.at("full"), 0)
    });
    pair("setData/precedence-path-before-missing", -8, |case| {
        set_data(&case.at("missing/"), b"", -1)
    });
    pair("setData/precedence-missing-before-version", -101, |case| {
        set_data(&case.at("missing"), b"", 9)
    });
    pair(
        "setData/precedence-permission-before-version",
        -102,
        |case| set_data(&case.at("nothing"), b"", 9),
    );
    pair("setACL/precedence-path-before-acl", -8, |case| {
        set_acl(&case.at("x/"), &[], -1)
    });
    pair("setACL/precedence-acl-before-missing", -114, |case| {
        set_acl(&case.at("missing"), &[], -1)
    });
    pair("setACL/precedence-acl-before-permission", -114, |case| {
        set_acl(&case.at("nothing"), &[], -1)
    });
    pair("setACL/precedence-missing-before-version", -101, |case| {
        set_acl(&case.at("missing"), &open_acl(), 9)
    });
    pair(
        "setACL/precedence-permission-before-version",
        -102,
        |case| set_acl(&case.at("nothing"), &open_acl(), 9),
    );
    suite.case("delete/own-acl-of-the-child-is-irrelevant", |case| {
        let mut client = crooked(case)?;
        client
            .call(&set_acl(&case.at("full/child"), &[Acl::world(0)], -1))?
            .stat()?;
        client.call(&delete(&case.at("full/child"), -1))?.bare()
    });
}
