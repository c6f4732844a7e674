//! What a kill -9, and a clean stop, leave behind.

use std::time::{Duration, Instant};

use crate::wire::outcome::{Outcome, ensure, expect};
use crate::wire::raw_client::RawClient;
use crate::wire::reply::Acl;
use crate::wire::request::{
    add_watch, auth, create_container, create_ttl, create_with_acl, create2, delete, exists,
    get_acl, get_children, get_data, multi, set_acl, set_data,
};
use crate::wire::socket::Connect;
use crate::wire::suite::Suite;
use crate::wire::target::Case;

/// Restarts take longer than anything else.
const LIMIT: Duration = Duration::from_secs(120);

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    for how in ["kill", "stop"] {
        let mut survives = |name: &str, run: fn(&Case, &'static str) -> Outcome| {
            suite.alone_within(LIMIT, &format!("restart/{how}-{name}"), move |case| {
                run(case, how)
            });
        };
        survives("keeps-every-acknowledged-write", writes);
        survives("keeps-data-stat-and-acl", data_stat_acl);
        survives("keeps-sessions-and-their-ephemerals", sessions);
        survives("keeps-closed-sessions-closed", closed_sessions);
        survives(
            "gives-sessions-their-whole-timeout-again-and-then-expires-them",
            expiry,
        );
        survives("keeps-sequence-counters", counters);
        survives("does-not-let-zxid-and-session-ids-go-back", going_back);
        survives("forgets-watches", watches);
        survives("keeps-containers-and-ttl-znodes-what-they-are", removal);
        survives("keeps-quota-usage", quota);
    }
    suite.alone_within(LIMIT, "restart/kill-three-times-in-a-row", |case| {
        let mut client = case.client()?;
        client.make(&case.at("n"), b"", 0)?;
        for version in 1..=3 {
            client
                .call(&set_data(
                    &case.at("n"),
                    format!("{version}").as_bytes(),
                    -1,
                ))?
                .stat()?;
            let connect = client.disconnect();
            restart(case, "kill")?;
            client = case.client_with(&connect)?;
            let (data, stat) = client
                .call(&get_data(&case.at("n"), false))?
                .data_and_stat()?;
            expect(
                "data, version",
                (data, stat.version),
                (Some(format!("{version}").into_bytes()), version),
            )?;
        }
        Ok(())
    });
    suite.alone_within(
        LIMIT,
        "restart/pause-delays-answers-and-loses-none",
        |case| {
            let mut client = case.client()?;
            case.control("pause")?;
            for index in 0..100 {
                client.send(&create2(&case.at(&index.to_string()), b"", 0))?;
            }
            case.control("resume")?;
            for _ in 0..100 {
                client.reply()?.path_and_stat()?;
            }
            expect(
                "children",
                client
                    .call(&get_children(&case.root, false))?
                    .children()?
                    .len(),
                100,
            )
        },
    );
}

/// Ends the server in the given way and starts it again.
fn restart(case: &Case, how: &str) -> Outcome {
    case.control(how)?;
    case.control("start")
}

fn writes(case: &Case, how: &str) -> Outcome {
    let mut client = case.client()?;
    let mut acknowledged = 0;
    for index in 0..500 {
        client.send(&create2(
            &case.at(&format!("{index:04}")),
            format!("data {index}").as_bytes(),
            0,
        ))?;
    }
    for _ in 0..500 {
        client.reply()?.path_and_stat()?;
        acknowledged += 1;
    }
    let connect = client.disconnect();
    restart(case, how)?;
    let mut client = case.client_with(&connect)?;
    let names = client.call(&get_children(&case.root, false))?.children()?;
    expect("znodes", names.len(), acknowledged)?;
    for (index, name) in names.iter().enumerate() {
        let (data, _) = client
            .call(&get_data(&case.at(name), false))?
            .data_and_stat()?;
        expect(name, data, Some(format!("data {index}").into_bytes()))?;
    }
    Ok(())
}

fn data_stat_acl(case: &Case, how: &str) -> Outcome {
    let mut client = case.client()?;
    client.make(&case.at("n"), b"1", 0)?;
    client.call(&set_data(&case.at("n"), b"two", -1))?.stat()?;
    client.make(&case.at("n/gone"), b"", 0)?;
    client.make(&case.at("n/kept"), b"", 0)?;
    client.call(&delete(&case.at("n/gone"), -1))?.bare()?;
    client
        .call(&multi(&[
            create2(&case.at("m"), b"", 0),
            set_data(&case.at("m"), b"multi", 0),
        ]))?
        .results()?;
    let acl = vec![Acl::world(31), Acl::new(1, "ip", "10.0.0.0/8")];
    client.call(&set_acl(&case.at("n"), &acl, -1))?.stat()?;
    client.call(&auth("digest", b"bob:pw"))?.bare()?;
    client
        .call(&create_with_acl(
            &case.at("bobs"),
            &[Acl::new(31, "auth", "")],
        ))?
        .path()?;
    let paths = [
        case.root.clone(),
        case.at("n"),
        case.at("n/kept"),
        case.at("m"),
        "/zookeeper".to_owned(),
    ];
    let all = |client: &mut RawClient| -> Outcome<Vec<_>> {
        let mut all = Vec::new();
        for path in &paths {
            all.push((
                client.call(&get_data(path, false))?.data_and_stat()?,
                client.call(&get_acl(path))?.acl_and_stat()?,
            ));
        }
        Ok(all)
    };
    let before = all(&mut client)?;
    restart(case, how)?;
    let mut client = case.client()?;
    expect("data, Stat, ACL", all(&mut client)?, before)?;
    client
        .call(&exists(&case.at("n/gone"), false))?
        .refused(-101)?;
    client
        .call(&get_data(&case.at("bobs"), false))?
        .refused(-102)
}

fn sessions(case: &Case, how: &str) -> Outcome {
    let mut client = case.client()?;
    client.make(&case.at("e"), b"", 1)?;
    let connect = client.disconnect();
    restart(case, how)?;
    let mut client = case.client_with(&connect)?;
    expect(
        "session, password",
        (client.session(), Some(client.connected.password.clone())),
        (connect.session, connect.password.clone()),
    )?;
    let stat = client.call(&exists(&case.at("e"), false))?.stat()?;
    expect("ephemeralOwner", stat.ephemeral_owner, connect.session)?;
    let answer = case.socket()?.handshake(&Connect {
        password: Some(vec![3; 16]),
        ..connect.clone()
    })?;
    expect("session of a wrong password", answer.session, 0)?;
    let client = case.client_with(&connect)?;
    client.close()?;
    case.client()?
        .call(&exists(&case.at("e"), false))?
        .refused(-101)
}

fn closed_sessions(case: &Case, how: &str) -> Outcome {
    let mut client = case.client()?;
    client.make(&case.at("e"), b"", 1)?;
    let connect = client.reconnect();
    client.close()?;
    restart(case, how)?;
    expect("session", case.socket()?.handshake(&connect)?.session, 0)?;
    case.client()?
        .call(&exists(&case.at("e"), false))?
        .refused(-101)
}

fn expiry(case: &Case, how: &str) -> Outcome {
    let mut client = case.client_for(3000)?;
    client.make(&case.at("e"), b"", 1)?;
    drop(client.disconnect());
    case.control(how)?;
    // The server stays away for longer than the session's time-out.
    crate::wire::pace::pace(Duration::from_millis(3500));
    case.control("start")?;
    let up = Instant::now();
    let mut watcher = case.client()?;
    watcher.call(&exists(&case.at("e"), true))?.stat()?;
    expect(
        "event",
        watcher.event()?.show(&case.root),
        "Deleted e".to_owned(),
    )?;
    // The runner may take a moment to notice that the server serves.
    ensure(
        up.elapsed() > Duration::from_millis(1500),
        format!("about 3 s, got {:?}", up.elapsed()),
    )
}

fn counters(case: &Case, how: &str) -> Outcome {
    let mut client = case.client()?;
    for _ in 0..3 {
        let path = client.make(&case.at("s"), b"", 2)?;
        client.call(&delete(&path, -1))?.bare()?;
    }
    restart(case, how)?;
    let mut client = case.client()?;
    expect(
        "path",
        client.make(&case.at("s"), b"", 2)?,
        case.at("s0000000003"),
    )?;
    expect(
        "cversion",
        client.call(&exists(&case.root, false))?.stat()?.cversion,
        7,
    )
}

fn going_back(case: &Case, how: &str) -> Outcome {
    let mut client = case.client()?;
    let last = client.call(&create2(&case.at("n"), b"", 0))?.zxid;
    let session = client.session();
    let connect = Connect {
        last_zxid: last,
        ..client.disconnect()
    };
    restart(case, how)?;
    // A client that has seen the last zxid is not ahead of the server.
    let mut client = case.client_with(&connect)?;
    let zxid = client.ping()?.zxid;
    ensure(zxid >= last, format!("a zxid from {last} on, got {zxid}"))?;
    let next = client.call(&set_data(&case.at("n"), b"", -1))?.zxid;
    ensure(next > last, format!("a zxid above {last}, got {next}"))?;
    ensure(case.client()?.session() != session, "a new session id")
}

fn watches(case: &Case, how: &str) -> Outcome {
    let mut client = case.client()?;
    client.call(&add_watch(&case.root, 1))?.number()?;
    let connect = client.disconnect();
    restart(case, how)?;
    let mut client = case.client_with(&connect)?;
    client.make(&case.at("n"), b"", 0)?;
    expect("events", client.seen(&case.root)?, Vec::<String>::new())
}

fn removal(case: &Case, how: &str) -> Outcome {
    let mut client = case.client()?;
    client.call(&create_container(&case.at("c")))?.ok()?;
    client.make(&case.at("c/n"), b"", 0)?;
    client.call(&create_container(&case.at("unused")))?.ok()?;
    client.call(&create_ttl(&case.at("t"), 5, 2000))?.ok()?;
    client
        .call(&create_ttl(&case.at("long"), 5, 600_000))?
        .ok()?;
    restart(case, how)?;
    let mut client = case.client()?;
    client.call(&delete(&case.at("c/n"), -1))?.bare()?;
    case.until(
        "the container's and the TTL znode's removal",
        Duration::from_secs(20),
        || Ok(client.call(&get_children(&case.root, false))?.children()? == ["long", "unused"]),
    )
}

fn quota(case: &Case, how: &str) -> Outcome {
    let mut client = case.client()?;
    let quota = format!("/zookeeper/quota{}", case.root);
    client.make(&quota, b"", 0)?;
    client.make(&format!("{quota}/zookeeper_limits"), b"count=9,bytes=99", 0)?;
    client.make(&format!("{quota}/zookeeper_stats"), b"count=0,bytes=0", 0)?;
    client.make(&case.at("n"), b"1234", 0)?;
    restart(case, how)?;
    let mut client = case.client()?;
    client.make(&case.at("m"), b"5", 0)?;
    let (data, _) = client
        .call(&get_data(&format!("{quota}/zookeeper_stats"), false))?
        .data_and_stat()?;
    expect("usage", data, Some(b"count=3,bytes=5".to_vec()))
}
