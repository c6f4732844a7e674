//! setWatches and setWatches2: what was missed while away is told, the rest is watched again.

use crate::wire::bytes::Body;
use crate::wire::outcome::{Outcome, ensure, expect};
use crate::wire::raw_client::RawClient;
use crate::wire::reply::Frame;
use crate::wire::request::{Request, create, delete, get_data, set_data, set_watches};
use crate::wire::suite::Suite;
use crate::wire::target::Case;

/// setWatches2 with one path in one of its five lists.
fn set_watches2(rel: i64, list: usize, path: &str) -> Request {
    let paths = [path];
    let body = (0..5).fold(Body::new().i64(rel), |body, index| {
        body.strings(if index == list { &paths[..] } else { &[] })
    });
    Request::new(105, body)
}

/// What happened to the znode `n` before, and up to where the client says it saw things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Missing,
    Unchanged,
    DataChanged,
    ChildAdded,
    ChildRemoved,
}

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    let lists = ["data", "exist", "child", "persistent", "recursive"];
    for (list, name) in lists.into_iter().enumerate() {
        for (before, told) in [
            (
                Before::Missing,
                ["Deleted n", "", "Deleted n", "", ""][list],
            ),
            (Before::Unchanged, ["", "Created n", "", "", ""][list]),
            (
                Before::DataChanged,
                ["DataChanged n", "Created n", "", "", ""][list],
            ),
            (
                Before::ChildAdded,
                ["", "Created n", "ChildrenChanged n", "", ""][list],
            ),
            (
                Before::ChildRemoved,
                ["", "Created n", "ChildrenChanged n", "", ""][list],
            ),
        ] {
            suite.case(
                format!("setWatches2/{name}-list-and-{before:?}"),
                move |case| {
                    let (mut client, rel) = prepared(case, before)?;
                    let request = set_watches2(rel, list, &case.at("n"));
                    let told = if told.is_empty() {
                        vec![]
                    } else {
                        vec![told.to_owned()]
                    };
                    caught_up(case, &mut client, &request, &told)?;
                    registered_unless_told(case, &mut client, list, before, &told)
                },
            );
            if list < 3 {
                suite.case(
                    format!("setWatches/{name}-list-and-{before:?}"),
                    move |case| {
                        let (mut client, rel) = prepared(case, before)?;
                        let path = case.at("n");
                        let paths = [path.as_str()];
                        let of = |index| if index == list { &paths[..] } else { &[] };
                        let request = set_watches(rel, of(0), of(1), of(2));
                        let told = if told.is_empty() {
                            vec![]
                        } else {
                            vec![told.to_owned()]
                        };
                        caught_up(case, &mut client, &request, &told)?;
                        registered_unless_told(case, &mut client, list, before, &told)
                    },
                );
            }
        }
    }
    suite.case(
        "setWatches/same-path-in-several-lists-is-told-of-in-each",
        |case| {
            let (mut client, rel) = prepared(case, Before::Missing)?;
            let path = case.at("n");
            client
                .call(&set_watches(rel, &[&path], &[], &[&path]))?
                .bare()?;
            expect(
                "events",
                client.seen(&case.root)?,
                vec!["Deleted n".to_owned(), "Deleted n".to_owned()],
            )
        },
    );
    suite.case("setWatches/zxid-equal-to-mzxid-is-no-change", |case| {
        let mut client = case.client()?;
        let zxid = client.call(&create(&case.at("n"), b"", 0))?.zxid;
        client
            .call(&set_watches(zxid, &[&case.at("n")], &[], &[&case.at("n")]))?
            .bare()?;
        expect("events", client.seen(&case.root)?, Vec::<String>::new())?;
        client
            .call(&set_watches(
                zxid - 1,
                &[&case.at("n")],
                &[],
                &[&case.at("n")],
            ))?
            .bare()?;
        expect(
            "events",
            client.seen(&case.root)?,
            vec!["DataChanged n".to_owned(), "ChildrenChanged n".to_owned()],
        )
    });
    suite.case("setWatches/relative-zxid-of-the-future-registers", |case| {
        let mut client = case.client()?;
        client.make(&case.at("n"), b"", 0)?;
        client
            .call(&set_watches(i64::MAX, &[&case.at("n")], &[], &[]))?
            .bare()?;
        client.call(&set_data(&case.at("n"), b"", -1))?.stat()?;
        expect(
            "events",
            client.seen(&case.root)?,
            vec!["DataChanged n".to_owned()],
        )
    });
    for xid in [-8, 7, 0] {
        suite.case(
            format!("setWatches/reply-to-xid-{xid}-is-a-bare-header-behind-the-events-of-zxid--1"),
            move |case| {
                let mut client = case.client()?;
                client
                    .socket
                    .send(&set_watches(0, &[&case.at("missing")], &[], &[]).framed(xid))?;
                let Frame::Event(event) = client.next()? else {
                    return ensure(false, "the event before the reply");
                };
                expect(
                    "zxid, type, state",
                    (event.zxid, event.kind, event.state),
                    (-1, 2, 3),
                )?;
                let reply = client.reply()?;
                expect("xid", reply.xid, xid)?;
                reply.bare()
            },
        );
    }
    for list in 0..5 {
        suite.case(
            format!("setWatches2/null-list-{list}-is-refused-with--5"),
            move |case| {
                let body = (0..5).fold(Body::new().i64(0), |body, index| {
                    if index == list {
                        body.null()
                    } else {
                        body.strings::<&str>(&[])
                    }
                });
                let mut client = case.client()?;
                client.call(&Request::new(105, body))?.refused(-5)?;
                client.ping().map(drop)
            },
        );
    }
    suite.case("setWatches/10000-paths-in-one-request", |case| {
        let mut client = case.client()?;
        let paths: Vec<_> = (0..10_000)
            .map(|index| case.at(&format!("missing/{index}")))
            .collect();
        let refs: Vec<_> = paths.iter().map(String::as_str).collect();
        client.call(&set_watches(0, &[], &refs, &[]))?.bare()?;
        client.make(&case.at("missing"), b"", 0)?;
        client.make(&paths[7777], b"", 0)?;
        expect(
            "events",
            client.seen(&case.root)?,
            vec!["Created missing/7777".to_owned()],
        )
    });
    suite.case("setWatches/behind-a-reconnect-catches-up", |case| {
        let mut client = case.client()?;
        client.make(&case.at("n"), b"", 0)?;
        client
            .call(&get_data(&case.at("n"), true))?
            .data_and_stat()?;
        let rel = client.ping()?.zxid;
        let connect = client.disconnect();
        case.client()?
            .call(&set_data(&case.at("n"), b"x", -1))?
            .stat()?;
        let mut back = case.client_with(&connect)?;
        back.call_as(-8, &set_watches(rel, &[&case.at("n")], &[], &[]))?
            .bare()?;
        expect(
            "events",
            back.seen(&case.root)?,
            vec!["DataChanged n".to_owned()],
        )
    });
}

fn prepared(case: &Case, before: Before) -> Outcome<(RawClient, i64)> {
    let mut client = case.client()?;
    let path = case.at("n");
    if before != Before::Missing {
        client.make(&path, b"", 0)?;
    }
    if before == Before::ChildRemoved {
        client.make(&case.at("n/c"), b"", 0)?;
    }
    let rel = client.ping()?.zxid;
    match before {
        Before::DataChanged => client.call(&set_data(&path, b"x", -1))?.ok().map(drop)?,
        Before::ChildAdded => client.make(&case.at("n/c"), b"", 0).map(drop)?,
        Before::ChildRemoved => client.call(&delete(&case.at("n/c"), -1))?.bare()?,
        Before::Missing | Before::Unchanged => {}
    }
    Ok((client, rel))
}

/// The catch-up events stand before the reply.
fn caught_up(case: &Case, client: &mut RawClient, request: &Request, told: &[String]) -> Outcome {
    let reply = client.call(request)?;
    let events: Vec<_> = client
        .events
        .iter()
        .map(|event| event.show(&case.root))
        .collect();
    reply.bare()?;
    expect("events before the reply", &events[..], told)?;
    ensure(
        client.events.iter().all(|event| event.zxid == -1),
        format!("zxid -1 in {:?}", client.events),
    )?;
    client.events.clear();
    Ok(())
}

/// A path that was told of is not watched any more, any other one is.
fn registered_unless_told(
    case: &Case,
    client: &mut RawClient,
    list: usize,
    before: Before,
    told: &[String],
) -> Outcome {
    let path = case.at("n");
    let mut expected: Vec<&str> = Vec::new();
    if before == Before::Missing {
        client.make(&path, b"", 0)?;
        expected.extend(if matches!(list, 1 | 3 | 4) {
            Some("Created n")
        } else {
            None
        });
    } else {
        client.call(&set_data(&path, b"later", -1))?.stat()?;
        client.make(&case.at("n/later"), b"", 0)?;
        if told.is_empty() {
            match list {
                0 => expected.push("DataChanged n"),
                2 => expected.push("ChildrenChanged n"),
                3 => expected.extend(["DataChanged n", "ChildrenChanged n"]),
                4 => expected.extend(["DataChanged n", "Created n/later"]),
                _ => {}
            }
        }
    }
    let expected: Vec<_> = expected.into_iter().map(str::to_owned).collect();
    expect(
        "events of later changes",
        client.seen(&case.root)?,
        expected,
    )
}
