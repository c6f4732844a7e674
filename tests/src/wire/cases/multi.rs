//! multi and multiRead: results, atomicity, the layout of failures, what may be inside.

use crate::wire::bytes::Body;
use crate::wire::outcome::{Outcome, ensure, expect};
use crate::wire::reply::{Acl, OpResult};
use crate::wire::request::{
    Request, add_watch, auth, check, close_session, create, create_as, create_container,
    create_ttl, create_with_acl, create2, delete, exists, get_acl, get_children, get_children2,
    get_data, multi, multi_body, multi_read, open_acl, ping, set_acl, set_data, sync,
};
use crate::wire::suite::Suite;
use crate::wire::target::Case;

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    suite.case("multi/empty-is-answered-by-the-end-header", |case| {
        for request in [multi(&[]), multi_read(&[])] {
            let reply = case.client()?.call(&request)?;
            expect(
                "body",
                reply.body,
                vec![255, 255, 255, 255, 1, 255, 255, 255, 255],
            )?;
        }
        Ok(())
    });
    suite.case("multi/results-of-every-op", results);
    suite.case("multi/all-ops-share-the-replys-zxid", |case| {
        let mut client = case.client()?;
        let before = client.call(&create(&case.at("n"), b"", 0))?.zxid;
        let ops = [
            create2(&case.at("a"), b"", 0),
            create2(&case.at("a/b"), b"", 0),
            set_data(&case.at("n"), b"x", 0),
        ];
        let reply = client.call(&multi(&ops))?;
        let results = reply.results()?;
        ensure(
            reply.zxid > before,
            format!("a zxid above {before}, got {}", reply.zxid),
        )?;
        expect("czxid", results[0].stat()?.czxid, reply.zxid)?;
        expect("czxid", results[1].stat()?.czxid, reply.zxid)?;
        expect("mzxid", results[2].stat()?.mzxid, reply.zxid)?;
        let stat = client.call(&exists(&case.at("a"), false))?.stat()?;
        expect(
            "pzxid, numChildren",
            (stat.pzxid, stat.num_children),
            (reply.zxid, 1),
        )
    });
    suite.case("multi/later-ops-see-earlier-ones", |case| {
        let mut client = case.client()?;
        let path = case.at("n");
        let ops = [
            create(&path, b"1", 0),
            check(&path, 0),
            set_data(&path, b"2", 0),
            check(&path, 1),
            create(&case.at("n/child"), b"", 0),
            delete(&case.at("n/child"), 0),
            delete(&path, 1),
            create2(&path, b"three", 0),
            set_data(&path, b"four", 0),
        ];
        let results = client.call(&multi(&ops))?.results()?;
        expect(
            "results",
            results
                .iter()
                .any(|result| matches!(result, OpResult::Error(_))),
            false,
        )?;
        let (data, stat) = client.call(&get_data(&path, false))?.data_and_stat()?;
        expect(
            "data, version, cversion",
            (data, stat.version, stat.cversion),
            (Some(b"four".to_vec()), 1, 0),
        )
    });
    suite.case("multi/sequential-names-count-within", |case| {
        let ops = vec![create(&case.at("s"), b"", 2); 3];
        let results = case.client()?.call(&multi(&ops))?.results()?;
        let expected = (0..3)
            .map(|index| OpResult::Create(case.at(&format!("s{index:010}"))))
            .collect::<Vec<_>>();
        expect("results", results, expected)
    });
    for (name, at) in [("first", 0), ("middle", 2), ("last", 4)] {
        suite.case(
            format!("multi/failure-of-the-{name}-op-undoes-all"),
            move |case| undone(case, at),
        );
    }
    register_failures(suite);
    register_malformed(suite);
    suite.case(
        "multi/flag-4-in-op-1-makes-a-container-and-answers-15",
        |case| {
            let mut client = case.client()?;
            let results = client
                .call(&multi(&[create(&case.at("c"), b"", 4)]))?
                .results()?;
            ensure(
                matches!(results[..], [OpResult::CreateStat(..)]),
                format!("one result of type 15, got {results:?}"),
            )?;
            expect("ephemeralOwner", results[0].stat()?.ephemeral_owner, 0)?;
            // It is a container: it goes when its last child has gone.
            client.make(&case.at("c/n"), b"", 0)?;
            client.call(&delete(&case.at("c/n"), -1))?.bare()?;
            case.until(
                "the container's removal",
                std::time::Duration::from_secs(15),
                || Ok(client.call(&exists(&case.at("c"), false))?.err == -101),
            )
        },
    );
    suite.case("multi/ephemerals-are-owned-by-the-session", |case| {
        let mut client = case.client()?;
        let results = client
            .call(&multi(&[create2(&case.at("e"), b"", 1)]))?
            .results()?;
        expect(
            "ephemeralOwner",
            results[0].stat()?.ephemeral_owner,
            client.session(),
        )
    });
    suite.case("multi/null-data-in-create", |case| {
        let mut client = case.client()?;
        client
            .call(&multi(&[create_as(1, &case.at("n"), None, &open_acl(), 0)]))?
            .results()?;
        expect(
            "data",
            client
                .call(&get_data(&case.at("n"), false))?
                .data_and_stat()?
                .0,
            None,
        )
    });
    suite.case("multi/of-5000-ops-is-one-transaction", |case| {
        let mut client = case.client()?;
        let ops: Vec<_> = (0..5000)
            .map(|index| create(&case.at(&index.to_string()), b"", 0))
            .collect();
        let reply = client.call(&multi(&ops))?;
        expect("results", reply.results()?.len(), 5000)?;
        let stat = client.call(&exists(&case.root, false))?.stat()?;
        expect(
            "numChildren, cversion, pzxid",
            (stat.num_children, stat.cversion, stat.pzxid),
            (5000, 5000, reply.zxid),
        )
    });
    suite.case("multi/watch-sees-nothing-of-a-failed-one", |case| {
        let mut client = case.client()?;
        client.call(&add_watch(&case.root, 1))?.number()?;
        client
            .call(&multi(&[
                create(&case.at("a"), b"", 0),
                delete(&case.at("missing"), -1),
            ]))?
            .results()?;
        expect("events", client.seen(&case.root)?, Vec::<String>::new())
    });
    suite.case("multiRead/results", |case| {
        let mut client = case.client()?;
        client.make(&case.at("a"), b"data", 0)?;
        let ops = [
            get_data(&case.at("a"), false),
            get_children(&case.root, false),
            get_data(&case.at("missing"), false),
            get_children(&case.at("missing"), false),
            get_children(&case.at("a"), false),
        ];
        let results = client.call(&multi_read(&ops))?.results()?;
        let stat = client.call(&exists(&case.at("a"), false))?.stat()?;
        expect(
            "results",
            results,
            vec![
                OpResult::Data(Some(b"data".to_vec()), stat),
                OpResult::Children(vec!["a".to_owned()]),
                OpResult::Error(-101),
                OpResult::Error(-101),
                OpResult::Children(vec![]),
            ],
        )
    });
    suite.case("multiRead/unreadable-znode-is-its-own-failure", |case| {
        let mut client = case.client()?;
        client
            .call(&create_with_acl(&case.at("n"), &[Acl::world(30)]))?
            .path()?;
        let results = client
            .call(&multi_read(&[
                get_data(&case.at("n"), false),
                get_children(&case.root, false),
            ]))?
            .results()?;
        expect(
            "results",
            results,
            vec![
                OpResult::Error(-102),
                OpResult::Children(vec!["n".to_owned()]),
            ],
        )
    });
}

fn results(case: &Case) -> Outcome {
    let mut client = case.client()?;
    client.make(&case.at("n"), b"", 0)?;
    let ops = [
        create(&case.at("create"), b"", 0),
        create2(&case.at("create2"), b"12", 0),
        create_container(&case.at("container")),
        create_ttl(&case.at("ttl"), 5, 60_000),
        create_ttl(&case.at("ttl-"), 6, 60_000),
        check(&case.at("n"), 0),
        set_data(&case.at("n"), b"123", 0),
        delete(&case.at("create"), -1),
    ];
    let results = client.call(&multi(&ops))?.results()?;
    expect("number of results", results.len(), ops.len())?;
    expect("create", &results[0], &OpResult::Create(case.at("create")))?;
    for (result, name) in results[1..]
        .iter()
        .zip(["create2", "container", "ttl", "ttl-0000000005"])
    {
        let stat = client.call(&exists(&case.at(name), false))?.stat()?;
        expect(name, result, &OpResult::CreateStat(case.at(name), stat))?;
    }
    expect("check", &results[5], &OpResult::Check)?;
    let stat = client.call(&exists(&case.at("n"), false))?.stat()?;
    expect("setData", &results[6], &OpResult::Stat(stat))?;
    expect("delete", &results[7], &OpResult::Delete)
}

/// Five ops of which the one at `at` fails: err 0 in the header, 0 before the culprit, -2 behind it.
fn undone(case: &Case, at: usize) -> Outcome {
    let mut client = case.client()?;
    client.make(&case.at("n"), b"old", 0)?;
    let before = client.call(&exists(&case.root, false))?.stat()?;
    let mut ops = vec![
        create(&case.at("a"), b"", 0),
        set_data(&case.at("n"), b"new", 0),
        create2(&case.at("b"), b"", 1),
        check(&case.at("n"), 1),
    ];
    // The check above is right only behind the setData.
    if at < 2 {
        ops[3] = check(&case.at("n"), -1);
    }
    ops.insert(at, delete(&case.at("missing"), -1));
    let reply = client.call(&multi(&ops))?;
    let expected: Vec<_> = (0..5)
        .map(|index| {
            OpResult::Error(if index < at {
                0
            } else if index == at {
                -101
            } else {
                -2
            })
        })
        .collect();
    expect("results", reply.results()?, expected)?;
    let (data, stat) = client
        .call(&get_data(&case.at("n"), false))?
        .data_and_stat()?;
    expect(
        "data, version",
        (data, stat.version),
        (Some(b"old".to_vec()), 0),
    )?;
    expect(
        "Stat of the parent",
        client.call(&exists(&case.root, false))?.stat()?,
        before,
    )?;
    client.call(&exists(&case.at("a"), false))?.refused(-101)
}

/// What an op alone would be refused with, it is refused with inside a multi.
fn register_failures(suite: &mut Suite) {
    let mut fails = |name: &str, err: i32, op: fn(&Case) -> Request| {
        suite.case(format!("multi/{name}-fails-with-{err}"), move |case| {
            let mut client = case.client()?;
            client.make(&case.at("there"), b"", 0)?;
            client.make(&case.at("full"), b"", 0)?;
            client.make(&case.at("full/child"), b"", 0)?;
            client.make(&case.at("ephemeral"), b"", 1)?;
            client
                .call(&create_with_acl(&case.at("locked"), &[Acl::world(16)]))?
                .path()?;
            let ops = [
                create(&case.at("before"), b"", 0),
                op(case),
                create(&case.at("behind"), b"", 0),
            ];
            let results = client.call(&multi(&ops))?.results()?;
            expect(
                "results",
                results,
                vec![
                    OpResult::Error(0),
                    OpResult::Error(err),
                    OpResult::Error(-2),
                ],
            )
        });
    };
    fails("check-of-a-missing-znode", -101, |case| {
        check(&case.at("missing"), -1)
    });
    fails("check-of-another-version", -103, |case| {
        check(&case.at("there"), 1)
    });
    fails("check-without-READ", -102, |case| {
        check(&case.at("locked"), -1)
    });
    fails("check-of-a-bad-path", -8, |case| check(&case.at("a/"), -1));
    fails("create-of-a-present-znode", -110, |case| {
        create(&case.at("there"), b"", 0)
    });
    fails("create-below-a-missing-one", -101, |case| {
        create(&case.at("missing/n"), b"", 0)
    });
    fails("create-below-an-ephemeral", -108, |case| {
        create(&case.at("ephemeral/n"), b"", 0)
    });
    fails("create-without-CREATE", -102, |case| {
        create(&case.at("locked/n"), b"", 0)
    });
    fails("create-with-an-empty-acl", -114, |case| {
        create_with_acl(&case.at("n"), &[])
    });
    fails("create-with-an-unknown-scheme", -114, |case| {
        create_with_acl(&case.at("n"), &[Acl::new(31, "nosuch", "x")])
    });
    fails("create-of-a-bad-path", -8, |case| {
        create(&case.at("."), b"", 0)
    });
    fails("create-without-a-slash", -8, |_| create("noslash", b"", 0));
    fails("setData-of-a-missing-znode", -101, |case| {
        set_data(&case.at("missing"), b"", -1)
    });
    fails("setData-of-another-version", -103, |case| {
        set_data(&case.at("there"), b"", 5)
    });
    fails("setData-without-WRITE", -102, |case| {
        set_data(&case.at("locked"), b"", -1)
    });
    fails("delete-of-a-znode-with-children", -111, |case| {
        delete(&case.at("full"), -1)
    });
    fails("delete-of-another-version", -103, |case| {
        delete(&case.at("there"), 5)
    });
    fails("delete-of-a-special-path", -8, |_| delete("/zookeeper", -1));
    fails("delete-twice", -101, |case| delete(&case.at("missing"), -1));
}

/// What makes a whole multi a -5, with nothing done.
fn register_malformed(suite: &mut Suite) {
    let mut wrong = |name: String, request: fn(&Case) -> Request| {
        suite.case(name, move |case| {
            let mut client = case.client()?;
            client.call(&request(case))?.refused(-5)?;
            client.call(&exists(&case.at("n"), false))?.refused(-101)
        });
    };
    macro_rules! beside {
        ($name:literal, $op:expr) => {
            wrong(format!("multi/with-{}-inside-is--5", $name), |case| {
                let op: fn(&Case) -> Request = $op;
                multi(&[create(&case.at("n"), b"", 0), op(case)])
            });
        };
    }
    beside!("exists", |case| exists(&case.root, false));
    beside!("getData", |case| get_data(&case.root, false));
    beside!("getChildren", |case| get_children(&case.root, false));
    beside!("getChildren2", |case| get_children2(&case.root, false));
    beside!("getACL", |case| get_acl(&case.root));
    beside!("setACL", |case| set_acl(&case.root, &open_acl(), -1));
    beside!("sync", |case| sync(&case.root));
    beside!("ping", |_| ping());
    beside!("multi", |_| multi(&[]));
    beside!("auth", |_| auth("digest", b"a:b"));
    beside!("closeSession", |_| close_session());
    beside!("addWatch", |case| add_watch(&case.root, 0));
    beside!("deleteContainer", |case| Request::new(
        20,
        Body::new().str(&case.root)
    ));
    beside!("an-unknown-op", |_| Request::new(99, Body::new()));
    beside!("create-flags-5", |case| create(&case.at("m"), b"", 5));
    beside!("create-flags-6", |case| create(&case.at("m"), b"", 6));
    beside!("create-flags-99", |case| create(&case.at("m"), b"", 99));
    beside!("a-cut-create", |case| Request::new(
        1,
        Body::new().str(&case.at("m"))
    ));
    beside!("a-huge-string-length", |_| Request::new(
        2,
        Body::new().i32(i32::MAX)
    ));
    wrong("multi/without-its-end-header-is--5".to_owned(), |case| {
        let body = multi_body(&[create(&case.at("n"), b"", 0)]).0;
        Request::new(14, Body::new().raw(&body[..body.len() - 9]))
    });
    wrong("multi/with-half-an-end-header-is--5".to_owned(), |case| {
        let body = multi_body(&[create(&case.at("n"), b"", 0)]).0;
        Request::new(14, Body::new().raw(&body[..body.len() - 4]))
    });
    wrong("multi/with-a-header-and-no-op-is--5".to_owned(), |_| {
        Request::new(14, Body::new().i32(1).bool(false).i32(-1))
    });
    for (name, op) in [
        ("create", 1),
        ("delete", 2),
        ("setData", 5),
        ("check", 13),
        ("exists", 3),
        ("getChildren2", 12),
        ("getACL", 6),
    ] {
        suite.case(format!("multiRead/with-{name}-inside-is--5"), move |case| {
            let mut client = case.client()?;
            let op = match op {
                1 => create(&case.at("n"), b"", 0),
                2 => delete(&case.root, -1),
                5 => set_data(&case.root, b"", -1),
                13 => check(&case.root, -1),
                6 => get_acl(&case.root),
                op => crate::wire::request::read(op, &case.root, false),
            };
            client
                .call(&multi_read(&[get_data(&case.root, false), op]))?
                .refused(-5)?;
            client.call(&exists(&case.at("n"), false))?.refused(-101)
        });
    }
    suite.case("multi/bytes-behind-the-end-header-are-ignored", |case| {
        let mut client = case.client()?;
        let body =
            multi_body(&[create(&case.at("n"), b"", 0)]).raw(&create(&case.at("m"), b"", 0).body.0);
        expect(
            "results",
            client.call(&Request::new(14, body))?.results()?,
            vec![OpResult::Create(case.at("n"))],
        )
    });
    suite.case("multi/err-of-a-requests-header-is-ignored", |case| {
        let op = create(&case.at("n"), b"", 0);
        let body = Body::new()
            .i32(1)
            .bool(false)
            .i32(77)
            .raw(&op.body.0)
            .i32(-1)
            .bool(true)
            .i32(-1);
        expect(
            "results",
            case.client()?.call(&Request::new(14, body))?.results()?,
            vec![OpResult::Create(case.at("n"))],
        )
    });
}
