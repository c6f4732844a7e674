//! Sessions: close, expiry, coming back, order of pipelined requests.

use std::time::{Duration, Instant};

use crate::wire::outcome::{Outcome, ensure, expect};
use crate::wire::reply::Frame;
use crate::wire::request::{
    add_watch, close_session, create, create_container, create_ttl, delete, exists, get_children,
    get_data, multi, ping, set_data,
};
use crate::wire::socket::Connect;
use crate::wire::suite::Suite;
use crate::wire::target::Case;

/// Far beyond any expiry or removal that a case waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    for xid in [1, 0, -9, i32::MAX] {
        suite.case(
            format!("session/close-with-xid-{xid}-is-a-bare-header-then-the-end"),
            move |case| {
                let mut client = case.client()?;
                client.abandon();
                let reply = client.call_as(xid, &close_session())?;
                expect("xid", reply.xid, xid)?;
                ensure(reply.zxid > 0, format!("a zxid, got {}", reply.zxid))?;
                reply.bare()?;
                client.socket.closed()
            },
        );
    }
    suite.case(
        "session/close-removes-its-ephemerals-in-one-transaction",
        close_removes,
    );
    suite.case("session/close-leaves-everything-else", |case| {
        let mut client = case.client()?;
        client.make(&case.at("p"), b"", 0)?;
        client.call(&create_container(&case.at("c")))?.ok()?;
        client.call(&create_ttl(&case.at("t"), 5, 600_000))?.ok()?;
        let mut other = case.client()?;
        other.make(&case.at("e"), b"", 1)?;
        client.close()?;
        let names = ["c", "e", "p", "t"].map(str::to_owned).to_vec();
        expect(
            "children",
            other.call(&get_children(&case.root, false))?.children()?,
            names,
        )
    });
    suite.case("session/close-counts-creates-still-in-the-pipe", |case| {
        let mut client = case.client()?;
        client.abandon();
        let mut burst = Vec::new();
        for index in 0..200 {
            burst.extend(create(&case.at(&format!("e{index}")), b"", 1).framed(index + 1));
        }
        burst.extend(close_session().framed(201));
        client.socket.send(&burst)?;
        for xid in 1..=201 {
            expect("xid", client.reply()?.xid, xid)?;
        }
        client.socket.closed()?;
        expect(
            "children",
            case.client()?
                .call(&get_children(&case.root, false))?
                .children()?,
            Vec::<String>::new(),
        )
    });
    suite.case("session/requests-behind-a-close-are-not-served", |case| {
        let mut client = case.client()?;
        client.abandon();
        let mut burst = close_session().framed(1);
        burst.extend(create(&case.at("late"), b"", 0).framed(2));
        burst.extend(create(&case.at("late-ephemeral"), b"", 1).framed(3));
        client.socket.send(&burst)?;
        expect("xid", client.reply()?.xid, 1)?;
        // Apache ZooKeeper may still answer, with -112 or by closing; nothing may have been done.
        while let Some(frame) = client.socket.frame_or_end()? {
            let Frame::Reply(reply) = Frame::read(&frame)? else {
                continue;
            };
            ensure(
                reply.err != 0,
                format!("no success behind the close, got {reply:?}"),
            )?;
        }
        expect(
            "children",
            case.client()?
                .call(&get_children(&case.root, false))?
                .children()?,
            Vec::<String>::new(),
        )
    });
    suite.case("session/ephemerals-stay-over-a-reconnect", |case| {
        let mut client = case.client()?;
        client.make(&case.at("e"), b"", 1)?;
        let connect = client.disconnect();
        let mut other = case.client()?;
        other.call(&exists(&case.at("e"), false))?.stat()?;
        let mut back = case.client_with(&connect)?;
        back.call(&set_data(&case.at("e"), b"still mine", 0))?
            .stat()?;
        back.close()?;
        other.call(&exists(&case.at("e"), false))?.refused(-101)
    });
    suite.case(
        "session/delete-and-create-of-an-ephemeral-moves-its-owner",
        |case| {
            let (mut one, mut two) = (case.client()?, case.client()?);
            one.make(&case.at("e"), b"", 1)?;
            two.call(&create(&case.at("e"), b"", 1))?.refused(-110)?;
            two.call(&delete(&case.at("e"), -1))?.bare()?;
            two.make(&case.at("e"), b"", 1)?;
            one.close()?;
            expect(
                "owner",
                two.call(&exists(&case.at("e"), false))?
                    .stat()?
                    .ephemeral_owner,
                two.session(),
            )
        },
    );
    register_expiry(suite);
    register_order(suite);
}

fn close_removes(case: &Case) -> Outcome {
    let (mut owner, mut watcher) = (case.client()?, case.client()?);
    watcher.make(&case.at("d"), b"", 0)?;
    for name in ["a", "b", "d/c"] {
        owner.make(&case.at(name), b"", 1)?;
    }
    owner.make(&case.at("s"), b"", 3)?;
    watcher.call(&add_watch(&case.root, 1))?.number()?;
    owner.abandon();
    let zxid = owner.call(&close_session())?.zxid;
    let events = watcher.events_by_now()?;
    let mut shown: Vec<_> = events.iter().map(|event| event.show(&case.root)).collect();
    shown.sort();
    expect(
        "events",
        shown,
        [
            "Deleted a",
            "Deleted b",
            "Deleted d/c",
            "Deleted s0000000003",
        ]
        .map(str::to_owned)
        .to_vec(),
    )?;
    ensure(
        events.iter().all(|event| event.zxid == zxid),
        format!("zxid {zxid} in all of {events:?}"),
    )?;
    let stat = watcher.call(&exists(&case.root, false))?.stat()?;
    expect(
        "pzxid, numChildren, cversion",
        (stat.pzxid, stat.num_children, stat.cversion),
        (zxid, 1, 7),
    )
}

fn register_expiry(suite: &mut Suite) {
    for (name, timeout_ms) in [("1000", 1000), ("2500", 2500)] {
        suite.case(
            format!("session/expires-not-before-its-{name}-ms-and-soon-after"),
            move |case| {
                let mut watcher = case.client()?;
                let mut client = case.client_for(timeout_ms)?;
                client.make(&case.at("e"), b"", 1)?;
                watcher.call(&exists(&case.at("e"), true))?.stat()?;
                watcher.call(&get_children(&case.root, true))?.children()?;
                let last_heard = Instant::now();
                client.ping()?;
                let connect = client.disconnect();
                expect(
                    "first event",
                    watcher.event()?.show(&case.root),
                    "Deleted e".to_owned(),
                )?;
                let lasted = last_heard.elapsed();
                expect(
                    "second event",
                    watcher.event()?.show(&case.root),
                    "ChildrenChanged ".to_owned(),
                )?;
                let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
                ensure(
                    lasted >= timeout,
                    format!("at least {timeout:?}, got {lasted:?}"),
                )?;
                // Two ticks of 500 ms, and what a busy machine adds.
                ensure(
                    lasted < timeout + Duration::from_secs(4),
                    format!("{timeout:?} and a little, got {lasted:?}"),
                )?;
                let answer = case.socket()?.handshake(&connect)?;
                expect(
                    "time-out and id of the refusal",
                    (answer.timeout_ms, answer.session),
                    (0, 0),
                )
            },
        );
    }
    suite.case(
        "session/live-connection-that-is-silent-expires-and-is-closed",
        |case| {
            let mut client = case.client_for(1000)?;
            client.abandon();
            client.make(&case.at("e"), b"", 1)?;
            client.socket.closed()?;
            case.client()?
                .call(&exists(&case.at("e"), false))?
                .refused(-101)
        },
    );
    for (name, request) in [
        ("ping", ping()),
        ("exists", exists("/", false)),
        ("an-error", get_data("/no/such", false)),
    ] {
        suite.case(format!("session/{name}-keeps-it-alive"), move |case| {
            let mut client = case.client_for(1500)?;
            client.make(&case.at("e"), b"", 1)?;
            let begin = Instant::now();
            // Three time-outs, with a request well within each third.
            while begin.elapsed() < Duration::from_millis(4500) {
                client.send(&request)?;
                client.reply()?;
                crate::wire::pace::pace(Duration::from_millis(200));
            }
            expect(
                "owner",
                client
                    .call(&exists(&case.at("e"), false))?
                    .stat()?
                    .ephemeral_owner,
                client.session(),
            )
        });
    }
    suite.case(
        "session/reconnect-in-time-starts-the-timeout-again",
        |case| {
            let mut connect = case.client_for(2000)?.disconnect();
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_secs(5) {
                crate::wire::pace::pace(Duration::from_millis(500));
                connect = case.client_with(&connect)?.disconnect();
            }
            case.client_with(&connect)?.ping().map(drop)
        },
    );
    suite.case(
        "session/reconnect-with-another-timeout-lives-by-that",
        |case| {
            let short = case.client_for(1000)?.disconnect();
            let mut long = case.client_with(&Connect {
                timeout_ms: 30_000,
                ..short
            })?;
            long.make(&case.at("e"), b"", 1)?;
            let connect = long.disconnect();
            // Three of the time-outs with which the session began.
            let begin = Instant::now();
            let mut other = case.client()?;
            while begin.elapsed() < Duration::from_secs(3) {
                other.call(&exists(&case.at("e"), false))?.stat()?;
                crate::wire::pace::pace(Duration::from_millis(200));
            }
            expect(
                "session",
                case.client_with(&connect)?.session(),
                connect.session,
            )
        },
    );
    suite.case("session/many-expire-together", |case| {
        let mut watcher = case.client()?;
        for index in 0..100 {
            let mut client = case.client_for(1000)?;
            client.make(&case.at(&format!("e{index}")), b"", 1)?;
            client.abandon();
        }
        case.until("no ephemeral left", PATIENCE, || {
            Ok(watcher
                .call(&get_children(&case.root, false))?
                .children()?
                .is_empty())
        })
    });
}

fn register_order(suite: &mut Suite) {
    suite.case(
        "session/5000-mixed-requests-are-answered-in-order",
        |case| {
            let mut client = case.client()?;
            client.make(&case.at("n"), b"", 0)?;
            let mut reader = Vec::new();
            let mut expected = Vec::new();
            for xid in 1..=5000 {
                let (request, err) = match xid % 7 {
                    0 => (set_data(&case.at("n"), b"x", -1), 0),
                    1 => (get_data(&case.at("n"), false), 0),
                    2 => (get_data(&case.at("missing"), false), -101),
                    3 => (create(&case.at(&format!("s{xid}")), b"", 0), 0),
                    4 => (create(&case.at("n"), b"", 0), -110),
                    5 => (exists(&case.root, false), 0),
                    _ => (multi(&[set_data(&case.at("n"), b"", -1)]), 0),
                };
                reader.extend(request.framed(xid));
                expected.push((xid, err));
                if xid % 100 == 0 {
                    reader.extend(ping().framed(-2));
                    expected.push((-2, 0));
                }
            }
            let mut writing = client.socket.stream().try_clone()?;
            let sender =
                std::thread::spawn(move || std::io::Write::write_all(&mut writing, &reader));
            let mut last_zxid = 0;
            for (xid, err) in expected {
                let reply = client.reply()?;
                expect("xid, err", (reply.xid, reply.err), (xid, err))?;
                ensure(
                    reply.zxid >= last_zxid,
                    format!("a zxid from {last_zxid} on, got {}", reply.zxid),
                )?;
                last_zxid = reply.zxid;
            }
            sender
                .join()
                .map_err(|_| crate::wire::outcome::failed("the sender panicked"))??;
            Ok(())
        },
    );
    suite.case("session/own-writes-are-seen-in-pipelined-lists", |case| {
        let mut client = case.client()?;
        for index in 0..300 {
            client.send(&create(&case.at(&index.to_string()), b"", 0))?;
            client.send(&get_children(&case.root, false))?;
        }
        for count in 1..=300 {
            client.reply()?.path()?;
            expect("children", client.reply()?.children()?.len(), count)?;
        }
        Ok(())
    });
}
