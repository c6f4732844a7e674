//! Too much of something in one request: length, count, depth, parts of a path.

use crate::wire::bytes::Body;
use crate::wire::outcome::{Outcome, ensure, expect};
use crate::wire::reply::OpResult;
use crate::wire::request::{
    Request, add_watch, check, create, create_ttl, create2, delete, exists, get_acl,
    get_all_children_number, get_children, get_children2, get_data, get_ephemerals, multi,
    multi_body, open_acl, set_acl, set_data, set_watches, sync, watches,
};
use crate::wire::suite::Suite;
use crate::wire::target::Case;

use super::abuse;

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    abuse(suite, "oversize/path-of-100000-parts", |case| {
        deep_path(case, 100_000)
    });
    abuse(suite, "oversize/path-of-500000-parts", |case| {
        deep_path(case, 500_000)
    });
    abuse(
        suite,
        "oversize/path-of-one-part-of-a-million-bytes",
        |case| {
            let mut client = case.client()?;
            let path = case.at(&"n".repeat(1_000_000));
            expect("path", client.make(&path, b"", 0)?.len(), path.len())?;
            client
                .call(&get_children2(&case.root, true))?
                .children_and_stat()?;
            client.call(&delete(&path, 0))?.bare()
        },
    );
    abuse(suite, "oversize/path-of-only-slashes", |case| {
        let mut client = case.client()?;
        let path = "/".repeat(500_000);
        client.call(&create(&path, b"", 0))?.refused(-101)?;
        client.call(&set_data(&path, b"", -1))?.refused(-8)?;
        client.call(&exists(&path, true))?.refused(-101)
    });
    abuse(
        suite,
        "oversize/data-over-the-limit-closes-and-the-session-lives",
        |case| {
            let mut client = case.client()?;
            client.make(&case.at("e"), b"", 1)?;
            client.abandon();
            for len in [1_048_576, 2_000_000, 20_000_000] {
                let data = vec![b'x'; len];
                for request in [
                    create(&case.at("big"), &data, 0),
                    set_data(&case.at("e"), &data, -1),
                ] {
                    client.socket.send_if_open(&request.framed(1));
                    client.socket.closed()?;
                    let again = case.client_with(&client.reconnect())?;
                    client = again;
                    client.abandon();
                }
            }
            let stat = client.call(&exists(&case.at("e"), false))?.stat()?;
            expect(
                "owner, version",
                (stat.ephemeral_owner, stat.version),
                (client.session(), 0),
            )?;
            client.close()
        },
    );
    abuse(suite, "oversize/length-without-the-bytes", |case| {
        // 200 connections announce a million bytes each and send none.
        let mut sockets = Vec::new();
        for _ in 0..200 {
            let mut client = case.client()?;
            client.socket.send(&1_000_000_i32.to_be_bytes())?;
            sockets.push(client);
        }
        for client in &mut sockets {
            client.abandon();
        }
        case.client()?.ping().map(drop)
    });
    for (name, count) in [
        ("2147483647", i32::MAX),
        ("100000000", 100_000_000),
        ("minus-2147483648", i32::MIN),
    ] {
        let cases: fn(&Case, i32) -> Outcome = vector_counts;
        suite.alone_within(
            super::LIMIT,
            &format!("oversize/vectors-that-announce-{name}-elements"),
            move |case| {
                let probe = super::Probe::start(case)?;
                let committed = cases(case, count);
                probe.finish()?;
                committed
            },
        );
    }
    abuse(
        suite,
        "oversize/strings-that-announce-more-than-there-is",
        |case| {
            let mut client = case.client()?;
            for len in [1_000_000, 1_048_575, 1_048_576, i32::MAX, -2, i32::MIN] {
                for op in [
                    1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 17, 18, 19, 21, 103, 104, 106,
                ] {
                    let reply =
                        client.call(&Request::new(op, Body::new().i32(len).raw(b"/short")))?;
                    ensure(
                        reply.err == -5,
                        format!("-5 for op {op} and length {len}, got {}", reply.err),
                    )?;
                }
            }
            Ok(())
        },
    );
    abuse(suite, "oversize/multi-inside-multi", |case| {
        let mut client = case.client()?;
        let mut nested = multi(&[create(&case.at("n"), b"", 0)]);
        for _ in 0..1000 {
            nested = multi(&[nested]);
        }
        client.call(&nested)?.refused(-5)?;
        // Headers alone, as deep as a frame goes.
        let headers = Body::new().i32(14).bool(false).i32(-1).0.repeat(100_000);
        client
            .call(&Request::new(14, Body::new().raw(&headers)))?
            .refused(-5)?;
        client.call(&exists(&case.at("n"), false))?.refused(-101)
    });
    abuse(suite, "oversize/multi-that-fills-a-frame", |case| {
        let mut client = case.client()?;
        let op = check("/", -1);
        let count = 1_048_000 / (9 + op.body.0.len());
        let results = client.call(&multi(&vec![op; count]))?.results()?;
        expect("results", results.len(), count)?;
        ensure(
            results.iter().all(|result| *result == OpResult::Check),
            "every check to hold",
        )?;
        // The same with the last one failing: as many results again.
        let mut ops = vec![check("/", -1); count - 1];
        ops.push(check("/x", -1));
        let results = client.call(&multi(&ops))?.results()?;
        expect("last result", results.last(), Some(&OpResult::Error(-101)))
    });
    abuse(
        suite,
        "oversize/multi-of-creates-that-fills-a-frame",
        |case| {
            let mut client = case.client()?;
            let one = create(&case.at("00000"), b"", 0).body.0.len() + 9;
            let count = 1_048_000 / one;
            let ops: Vec<_> = (0..count)
                .map(|index| create(&case.at(&format!("{index:05}")), b"", 0))
                .collect();
            expect(
                "results",
                client.call(&multi(&ops))?.results()?.len(),
                count,
            )?;
            let ops: Vec<_> = (0..count)
                .map(|index| delete(&case.at(&format!("{index:05}")), 0))
                .collect();
            expect(
                "results",
                client.call(&multi(&ops))?.results()?.len(),
                count,
            )
        },
    );
    abuse(suite, "oversize/acl-of-10000-entries", |case| {
        let mut client = case.client()?;
        let acl: Vec<_> = (0..10_000)
            .map(|index| {
                crate::wire::reply::Acl::new(
                    31,
                    "ip",
                    &format!("10.{}.{}.1", index / 250, index % 250),
                )
            })
            .chain(open_acl())
            .collect();
        client.call(&set_acl(&case.root, &acl, -1))?.stat()?;
        expect(
            "ACL",
            client.call(&get_acl(&case.root))?.acl_and_stat()?.0.len(),
            acl.len(),
        )?;
        client
            .call(&set_acl(&case.root, &open_acl(), -1))?
            .stat()
            .map(drop)
    });
    abuse(
        suite,
        "oversize/session-with-thousands-of-ephemerals-closes",
        |case| {
            // Above some 20 000 Apache ZooKeeper writes a record that it cannot read again.
            // The members of an ensemble do it at the same moment, here on the same cores, and keep contact meanwhile.
            let count = case.on(5_000, if case.is_alone() { 40_000 } else { 10_000 });
            let mut client = case.client()?;
            for chunk in (0..count).collect::<Vec<_>>().chunks(1000) {
                let ops: Vec<_> = chunk
                    .iter()
                    .map(|index| create(&case.at(&format!("ephemeral-{index}")), b"", 1))
                    .collect();
                expect(
                    "results",
                    client.call(&multi(&ops))?.results()?.len(),
                    chunk.len(),
                )?;
            }
            client.close()?;
            let names = case
                .client()?
                .call(&get_children(&case.root, false))?
                .children()?;
            ensure(
                names.iter().all(|name| name.starts_with("probe")),
                format!("none left, got {} names", names.len()),
            )
        },
    );
    for timeout_ms in ["0", "minus-1", "minimum", "maximum"] {
        suite.alone_within(
            super::LIMIT,
            &format!("oversize/session-timeout-{timeout_ms}"),
            move |case| {
                let wanted = match timeout_ms {
                    "0" => 0,
                    "minus-1" => -1,
                    "minimum" => i32::MIN,
                    _ => i32::MAX,
                };
                let probe = super::Probe::start(case)?;
                for _ in 0..50 {
                    let client = case.client_for(wanted)?;
                    expect(
                        "time-out",
                        client.connected.timeout_ms,
                        if wanted > 0 { 60_000 } else { 1000 },
                    )?;
                }
                probe.finish()
            },
        );
    }
}

fn deep_path(case: &Case, parts: usize) -> Outcome {
    let mut client = case.client()?;
    let path = "/p".repeat(parts);
    client.call(&create(&path, b"", 0))?.refused(-101)?;
    client.call(&create(&path, b"", 3))?.refused(-101)?;
    client.call(&create2(&path, b"", 1))?.refused(-101)?;
    client.call(&create_ttl(&path, 5, 1000))?.refused(-101)?;
    client.call(&delete(&path, -1))?.refused(-101)?;
    client.call(&set_data(&path, b"", -1))?.refused(-101)?;
    client
        .call(&set_acl(&path, &open_acl(), -1))?
        .refused(-101)?;
    client.call(&exists(&path, true))?.refused(-101)?;
    client.call(&get_data(&path, true))?.refused(-101)?;
    client.call(&get_acl(&path))?.refused(-101)?;
    client.call(&get_children(&path, true))?.refused(-101)?;
    client
        .call(&get_all_children_number(&path))?
        .refused(-101)?;
    expect("sync", client.call(&sync(&path))?.path()?.len(), path.len())?;
    expect(
        "ephemerals",
        client.call(&get_ephemerals(&path))?.children()?.len(),
        0,
    )?;
    for mode in [0, 1] {
        client.call(&add_watch(&path, mode))?.number()?;
    }
    client.call(&watches(18, &path, 3))?.bare()?;
    client.call(&set_watches(0, &[], &[&path], &[]))?.bare()?;
    let results = client.call(&multi(&[check(&path, -1)]))?.results()?;
    expect("results", results, vec![OpResult::Error(-101)])
}

fn vector_counts(case: &Case, count: i32) -> Outcome {
    let mut client = case.client()?;
    // A negative count is an empty list, which an ACL may not be and a watch list may.
    let (acl, watch) = if count < 0 { (-114, 0) } else { (-5, -5) };
    for _ in 0..20 {
        let create = Body::new().str(&case.at("n")).buf(None).i32(count).i32(0);
        client.call(&Request::new(1, create))?.refused(acl)?;
        let set_acl = Body::new().str(&case.root).i32(count).i32(-1);
        client.call(&Request::new(7, set_acl))?.refused(acl)?;
        let lists = Body::new().i64(0).i32(count).i32(0).i32(0);
        let err = client.call(&Request::new(101, lists))?.err;
        // Apache ZooKeeper takes a negative count for null here, which a watch list may not be.
        ensure(
            err == watch || (count < 0 && err == -5),
            format!("{watch}, got {err}"),
        )?;
    }
    let body = multi_body(&[Request::new(
        1,
        Body::new().str(&case.at("n")).buf(None).i32(count).i32(0),
    )]);
    let reply = client.call(&Request::new(14, body))?;
    if count < 0 {
        return expect("results", reply.results()?, vec![OpResult::Error(-114)]);
    }
    reply.refused(-5)
}
