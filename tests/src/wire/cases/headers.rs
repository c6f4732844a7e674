//! Request and reply headers: xid, zxid, err, and requests that are not understood.

use std::io::Write;

use crate::wire::bytes::Body;
use crate::wire::outcome::{Outcome, ensure, expect};
use crate::wire::reply::Frame;
use crate::wire::request::{
    Request, add_watch, auth, check, create, create_ttl, create2, delete, exists, get_acl,
    get_all_children_number, get_children, get_children2, get_data, get_ephemerals, multi,
    multi_read, open_acl, ping, set_acl, set_data, set_watches, sync, watches, who_am_i,
};
use crate::wire::suite::Suite;
use crate::wire::target::{Case, Server};

/// One well-formed request of every kind that a client may send, all about `path`.
fn every_request(path: &str) -> Vec<(&'static str, Request)> {
    let set_watches2 = Body::new()
        .i64(0)
        .strings::<&str>(&[])
        .strings::<&str>(&[])
        .strings::<&str>(&[])
        .strings::<&str>(&[]);
    vec![
        ("create", create(&format!("{path}/c1"), b"", 0)),
        ("create2", create2(&format!("{path}/c2"), b"", 0)),
        (
            "createContainer",
            crate::wire::request::create_container(&format!("{path}/c3")),
        ),
        ("createTTL", create_ttl(&format!("{path}/c4"), 5, 1_000_000)),
        ("exists", exists(path, true)),
        ("getData", get_data(path, true)),
        ("setData", set_data(path, b"x", -1)),
        ("getACL", get_acl(path)),
        ("setACL", set_acl(path, &open_acl(), -1)),
        ("getChildren", get_children(path, true)),
        ("getChildren2", get_children2(path, true)),
        ("sync", sync(path)),
        ("addWatch", add_watch(path, 0)),
        ("checkWatches", watches(17, path, 4)),
        ("removeWatches", watches(18, path, 4)),
        (
            "multi",
            multi(&[check(path, -1), create(&format!("{path}/c5"), b"", 0)]),
        ),
        (
            "multiRead",
            multi_read(&[get_data(path, false), get_children(path, false)]),
        ),
        ("setWatches", set_watches(0, &[], &[], &[])),
        (
            "setWatches2",
            Request::new(105, set_watches2.strings::<&str>(&[])),
        ),
        ("getEphemerals", get_ephemerals("/")),
        ("getAllChildrenNumber", get_all_children_number(path)),
        ("auth", auth("digest", b"user:password")),
        ("whoAmI", who_am_i()),
        ("delete", delete(&format!("{path}/c1"), -1)),
    ]
}

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    suite.case(
        "headers/a-read-in-a-pipeline-sees-the-writes-in-front-of-it-and-none-behind",
        reads_between_writes,
    );
    for (index, (name, _)) in every_request("/").into_iter().enumerate() {
        suite.case(format!("headers/{name}-echoes-any-xid"), move |case| {
            echoes(case, index)
        });
        suite.case(
            format!("headers/{name}-ignores-trailing-bytes"),
            move |case| {
                let mut client = case.client()?;
                for (_, request) in every_request(&case.root).into_iter().take(index) {
                    client.call(&request)?.ok()?;
                }
                let (_, Request { op, body }) = every_request(&case.root).swap_remove(index);
                client
                    .call(&Request::new(op, body.raw(b"\xff\xff\xff\xff more")))?
                    .ok()
                    .map(drop)
            },
        );
        if name == "auth" {
            suite.case(
                "headers/auth-with-an-empty-body-is-refused-with--5-and-stays-open",
                move |case| {
                    // Apache ZooKeeper reads auth before its pipeline and closes on what it cannot read.
                    if case.on(true, false) {
                        let mut client = case.client()?;
                        client.abandon();
                        client.send(&Request::new(100, Body::new()))?;
                        return client.socket.closed();
                    }
                    truncated(case, 100, &[])
                },
            );
        } else if name != "whoAmI" {
            suite.case(
                format!("headers/{name}-with-an-empty-body-is-refused-with--5-and-stays-open"),
                move |case| {
                    let (_, request) = every_request(&case.root).swap_remove(index);
                    truncated(case, request.op, &[])
                },
            );
        }
        if !matches!(name, "whoAmI" | "auth") {
            suite.case(
                format!("headers/{name}-cut-by-one-byte-is-refused-with--5-and-stays-open"),
                move |case| {
                    let (_, request) = every_request(&case.root).swap_remove(index);
                    let body = &request.body.0;
                    truncated(case, request.op, &body[..body.len() - 1])
                },
            );
        }
    }
    suite.case("headers/ping-reply-has-xid--2-whatever-came", |case| {
        let mut client = case.client()?;
        for xid in [-2, 0, 1, 77, -1, i32::MAX] {
            let reply = client.call_as(xid, &ping())?;
            expect("xid", reply.xid, -2)?;
            reply.bare()?;
        }
        Ok(())
    });
    for (name, op) in [
        ("0", 0),
        ("10", 10),
        ("check-alone", 13),
        ("23", 23),
        ("99", 99),
        ("108", 108),
        ("500", 500),
        ("501", 501),
        ("502", 502),
        ("503", 503),
        ("maximum", i32::MAX),
        ("minimum", i32::MIN),
        ("-1", -1),
        ("-2", -2),
        ("-12", -12),
    ] {
        suite.case(
            format!("headers/unknown-op-{name}-gets--6-zxid--1-and-a-close"),
            move |case| unknown(case, op),
        );
    }
    suite.case("headers/internal-op-createSession", |case| {
        let mut client = case.client()?;
        if case.on(true, false) {
            // Apache ZooKeeper runs the creation again and sends a second ConnectResponse.
            client.send(&Request::new(-10, Body::new().i32(30_000)))?;
            return expect(
                "length of a second ConnectResponse",
                client.socket.frame()?.len(),
                37,
            );
        }
        unknown(case, -10)
    });
    suite.case("headers/internal-op-deleteContainer", |case| {
        let mut client = case.client()?;
        client
            .call(&crate::wire::request::create_container(&case.at("c")))?
            .ok()?;
        if case.on(true, false) {
            return client
                .call(&Request::new(20, Body::new().str(&case.at("c"))))?
                .bare();
        }
        unknown(case, 20)?;
        client.call(&exists(&case.at("c"), false))?.stat().map(drop)
    });
    suite.case(
        "headers/requests-before-an-unknown-op-are-served-and-those-behind-are-not",
        |case| {
            let mut client = case.client()?;
            client.abandon();
            let mut burst = create(&case.at("before"), b"", 0).framed(1);
            burst.extend(Request::new(99, Body::new()).framed(2));
            burst.extend(create(&case.at("behind"), b"", 0).framed(3));
            client.socket.send(&burst)?;
            let mut xids = Vec::new();
            while let Some(frame) = client.socket.frame_or_end()? {
                let Frame::Reply(reply) = Frame::read(&frame)? else {
                    continue;
                };
                if reply.xid == 2 {
                    expect("zxid, err", (reply.zxid, reply.err), (-1, -6))?;
                }
                xids.push(reply.xid);
            }
            // In Apache ZooKeeper this one refusal may overtake the replies before it, or cut them off.
            match case.target.server {
                Server::ZooKeeper => {
                    ensure(xids.contains(&2), format!("a reply to 2, got {xids:?}"))?;
                }
                Server::Treekeeper => expect("xids", xids, vec![1, 2])?,
            }
            case.client()?
                .call(&exists(&case.at("before"), false))?
                .stat()
                .map(drop)
        },
    );
    suite.case("headers/zxid-of-writes-rises-by-each-success", |case| {
        let mut client = case.client()?;
        let mut last = 0;
        for index in 0..20 {
            let reply = client.call(&create(&case.at(&index.to_string()), b"", 0))?;
            ensure(
                reply.zxid > last,
                format!("a zxid above {last}, got {}", reply.zxid),
            )?;
            last = reply.zxid;
        }
        Ok(())
    });
    suite.case("headers/zxid-of-a-write-is-the-czxid", |case| {
        let reply = case.client()?.call(&create2(&case.at("a"), b"", 0))?;
        expect("czxid", reply.path_and_stat()?.1.czxid, reply.zxid)
    });
    suite.case(
        "headers/zxid-of-a-failed-write-is-above-the-write-before",
        |case| {
            let mut client = case.client()?;
            let before = client.call(&create(&case.at("a"), b"", 0))?.zxid;
            let failed = client.call(&create(&case.at("a"), b"", 0))?;
            failed.refused(-110)?;
            ensure(
                failed.zxid > before,
                format!("a zxid above {before}, got {}", failed.zxid),
            )
        },
    );
    suite.case("headers/zxid-of-reads-is-the-last-applied", zxid_of_reads);
    suite.case("headers/zxid-of-an-auth-reply-is-0", |case| {
        let reply = case.client()?.call_as(-4, &auth("digest", b"a:b"))?;
        expect("xid, zxid", (reply.xid, reply.zxid), (-4, 0))?;
        reply.bare()
    });
    suite.case("headers/error-replies-keep-their-place", |case| {
        let mut client = case.client()?;
        let requests = [
            create(&case.at("a"), b"", 0),
            get_data(&case.at("missing"), false),
            create(&case.at("a"), b"", 0),
            Request::new(4, Body::new()),
            set_data(&case.at("a"), b"x", 7),
            exists(&case.at("a"), false),
            ping(),
            create(&case.at("b"), b"", 99),
        ];
        let burst: Vec<u8> = requests
            .iter()
            .zip(10..)
            .flat_map(|(request, xid)| request.framed(xid))
            .collect();
        client.socket.send(&burst)?;
        let mut got = Vec::new();
        for _ in 0..requests.len() {
            let reply = client.reply()?;
            got.push((reply.xid, reply.err));
        }
        expect(
            "xids and errs",
            got,
            vec![
                (10, 0),
                (11, -101),
                (12, -110),
                (13, -5),
                (14, -103),
                (15, 0),
                (-2, 0),
                (17, -8),
            ],
        )
    });
    suite.case(
        "headers/string-with-an-unreasonable-length-is-refused-with--5",
        |case| {
            for len in [-2, i32::MIN, i32::MAX, 1_048_576, 5] {
                truncated(case, 4, &len.to_be_bytes())?;
            }
            Ok(())
        },
    );
    for (name, op, rest) in [
        ("create", 1, Body::new().null().acls(&open_acl()).i32(0)),
        ("create2", 15, Body::new().null().acls(&open_acl()).i32(0)),
        (
            "createTTL",
            21,
            Body::new().null().acls(&open_acl()).i32(5).i64(1000),
        ),
        ("delete", 2, Body::new().i32(-1)),
        ("setData", 5, Body::new().null().i32(-1)),
        ("setACL", 7, Body::new().acls(&open_acl()).i32(-1)),
        ("exists", 3, Body::new().bool(false)),
        ("getData", 4, Body::new().bool(false)),
        ("getChildren", 8, Body::new().bool(false)),
        ("getChildren2", 12, Body::new().bool(false)),
        ("getACL", 6, Body::new()),
        ("getAllChildrenNumber", 104, Body::new()),
        ("addWatch", 106, Body::new().i32(0)),
        ("checkWatches", 17, Body::new().i32(1)),
        ("removeWatches", 18, Body::new().i32(1)),
    ] {
        suite.case(
            format!("headers/{name}-of-a-null-path-is-refused-with--5"),
            move |case| {
                let upstream = match name {
                    "setData" | "setACL" => -8,
                    "checkWatches" | "removeWatches" => -121,
                    "addWatch" => 0,
                    _ => -5,
                };
                let mut client = case.client()?;
                let reply = client.call(&Request::new(op, Body::new().null().raw(&rest.0)))?;
                expect("err", reply.err, case.on(upstream, -5))?;
                client.ping().map(drop)
            },
        );
    }
}

fn echoes(case: &Case, index: usize) -> Outcome {
    for (turn, xid) in [0, -3, -77, -4, -8, i32::MAX, i32::MIN]
        .into_iter()
        .enumerate()
    {
        let mut client = case.client()?;
        let path = case.at(&format!("turn{turn}"));
        client.make(&path, b"", 0)?;
        let requests = every_request(&path);
        for (_, request) in &requests[..index] {
            client.call(request)?.ok()?;
        }
        let reply = client.call_as(xid, &requests[index].1)?;
        expect("xid", reply.xid, xid)?;
        reply.ok()?;
    }
    Ok(())
}

fn truncated(case: &Case, op: i32, body: &[u8]) -> Outcome {
    let mut client = case.client()?;
    client
        .call(&Request::new(op, Body::new().raw(body)))?
        .refused(-5)?;
    client.ping().map(drop)
}

fn unknown(case: &Case, op: i32) -> Outcome {
    let mut client = case.client()?;
    client.abandon();
    let reply = client.call(&Request::new(op, Body::new().str(&case.root).i32(-1)))?;
    expect("zxid", reply.zxid, -1)?;
    reply.refused(-6)?;
    client.socket.closed()?;
    case.client_with(&client.reconnect())?.ping().map(drop)
}

fn zxid_of_reads(case: &Case) -> Outcome {
    let mut client = case.client()?;
    let path = case.at("a");
    let before = client.call(&create(&path, b"", 0))?.zxid;
    let reads = [
        exists(&path, false),
        exists(&case.at("missing"), false),
        get_data(&path, false),
        get_acl(&path),
        get_children(&path, false),
        get_children2(&path, false),
        sync(&path),
        multi_read(&[]),
        get_ephemerals("/"),
        get_all_children_number(&path),
        who_am_i(),
        add_watch(&path, 0),
        watches(17, &path, 4),
        watches(18, &path, 4),
        set_watches(0, &[], &[], &[]),
        ping(),
    ];
    let mut zxids = vec![before];
    for read in &reads {
        client.send(read)?;
        zxids.push(client.reply()?.zxid);
    }
    ensure(zxids.is_sorted(), format!("rising zxids, got {zxids:?}"))?;
    let next = client.call(&set_data(&path, b"", -1))?.zxid;
    ensure(
        zxids.iter().all(|zxid| *zxid < next),
        format!("zxids below the next write's {next}, got {zxids:?}"),
    )
}

/// Enough pairs for reads to come up while the writes behind them are being applied.
const PAIRS: i32 = 2_000;

/// Each request is a packet of its own, so that the server meets them one by one.
fn reads_between_writes(case: &Case) -> Outcome {
    let path = case.root.clone();
    let mut client = case.client()?;
    let mut stream = client.socket.stream().try_clone()?;
    let sender = std::thread::spawn(move || {
        (0..PAIRS).try_for_each(|n| {
            stream.write_all(&set_data(&path, &n.to_be_bytes(), -1).framed(2 * n))?;
            stream.write_all(&get_data(&path, false).framed(2 * n + 1))
        })
    });
    for n in 0..PAIRS {
        client.reply()?.ok()?;
        let (data, _) = client.reply()?.data_and_stat()?;
        expect("data", data, Some(n.to_be_bytes().to_vec()))?;
    }
    Ok(sender.join().expect("the sender does not panic")?)
}
