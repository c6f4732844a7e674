//! Containers go some time after their last child, TTL znodes some time after their time to live.

use std::time::{Duration, Instant};

use crate::wire::outcome::{ensure, expect};
use crate::wire::request::{
    add_watch, create_as, create_container, create_ttl, delete, exists, get_children, open_acl,
    set_data,
};
use crate::wire::suite::Suite;

/// Far beyond any removal that a case waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    suite.case(
        "removal/container-goes-with-its-last-child-and-is-told-as-a-delete",
        |case| {
            let mut client = case.client()?;
            client.call(&create_container(&case.at("c")))?.ok()?;
            for name in ["c/a", "c/b"] {
                client.make(&case.at(name), b"", 0)?;
                client.call(&delete(&case.at(name), -1))?.bare()?;
                if name == "c/a" {
                    client.make(&case.at("c/keep"), b"", 0)?;
                }
            }
            client.call(&add_watch(&case.at("c"), 0))?.number()?;
            client.call(&get_children(&case.root, true))?.children()?;
            client.call(&delete(&case.at("c/keep"), -1))?.bare()?;
            for expected in ["ChildrenChanged c", "Deleted c", "ChildrenChanged "] {
                expect(
                    "event",
                    client.event()?.show(&case.root),
                    expected.to_owned(),
                )?;
            }
            client.call(&exists(&case.at("c"), false))?.refused(-101)
        },
    );
    suite.case("removal/container-never-used-and-one-in-use-stay", |case| {
        let mut client = case.client()?;
        for name in ["unused", "used", "gone"] {
            client.call(&create_container(&case.at(name)))?.ok()?;
        }
        client.make(&case.at("used/child"), b"", 0)?;
        let child = client.make(&case.at("gone/child"), b"", 0)?;
        client.call(&delete(&child, -1))?.bare()?;
        // When the third has gone, a check has looked at all of them.
        case.until("the removal of the emptied container", PATIENCE, || {
            Ok(client.call(&exists(&case.at("gone"), false))?.err == -101)
        })?;
        for name in ["unused", "used"] {
            client.call(&exists(&case.at(name), false))?.stat()?;
        }
        Ok(())
    });
    suite.case(
        "removal/container-goes-when-its-ephemeral-child-goes",
        |case| {
            let mut client = case.client()?;
            client.call(&create_container(&case.at("c")))?.ok()?;
            let mut owner = case.client()?;
            owner.make(&case.at("c/e"), b"", 3)?;
            owner.close()?;
            case.until("the container's removal", PATIENCE, || {
                Ok(client.call(&exists(&case.at("c"), false))?.err == -101)
            })
        },
    );
    suite.case("removal/plain-znode-of-flag-4-stays", |case| {
        let mut client = case.client()?;
        client
            .call(&create_as(1, &case.at("plain"), None, &open_acl(), 4))?
            .path()?;
        client.call(&create_container(&case.at("c")))?.ok()?;
        for name in ["plain/x", "c/x"] {
            client.make(&case.at(name), b"", 0)?;
            client.call(&delete(&case.at(name), -1))?.bare()?;
        }
        case.until("the container's removal", PATIENCE, || {
            Ok(client.call(&exists(&case.at("c"), false))?.err == -101)
        })?;
        client
            .call(&exists(&case.at("plain"), false))?
            .stat()
            .map(drop)
    });
    suite.case("removal/ttl-znode-goes-not-before-its-time", |case| {
        let mut client = case.client()?;
        client.call(&exists(&case.at("t"), true))?.refused(-101)?;
        let begin = Instant::now();
        client.call(&create_ttl(&case.at("t"), 5, 1200))?.ok()?;
        expect(
            "event",
            client.event()?.show(&case.root),
            "Created t".to_owned(),
        )?;
        client.call(&exists(&case.at("t"), true))?.stat()?;
        expect(
            "event",
            client.event()?.show(&case.root),
            "Deleted t".to_owned(),
        )?;
        ensure(
            begin.elapsed() >= Duration::from_millis(1200),
            format!("at least 1.2 s, got {:?}", begin.elapsed()),
        )
    });
    suite.case("removal/ttl-sequential-znode-goes", |case| {
        let mut client = case.client()?;
        let (path, _) = client
            .call(&create_ttl(&case.at("t-"), 6, 300))?
            .path_and_stat()?;
        case.until("the znode's removal", PATIENCE, || {
            Ok(client.call(&exists(&path, false))?.err == -101)
        })
    });
    suite.case(
        "removal/ttl-znode-with-a-child-stays-until-the-child-goes",
        |case| {
            let mut client = case.client()?;
            client.call(&create_ttl(&case.at("t"), 5, 300))?.ok()?;
            client.make(&case.at("t/child"), b"", 0)?;
            // A younger one without a child goes first.
            client.call(&create_ttl(&case.at("later"), 5, 600))?.ok()?;
            case.until("the younger one's removal", PATIENCE, || {
                Ok(client.call(&exists(&case.at("later"), false))?.err == -101)
            })?;
            client.call(&exists(&case.at("t"), false))?.stat()?;
            client.call(&delete(&case.at("t/child"), -1))?.bare()?;
            case.until("the znode's removal", PATIENCE, || {
                Ok(client.call(&exists(&case.at("t"), false))?.err == -101)
            })
        },
    );
    suite.case("removal/setData-starts-a-ttl-again", |case| {
        let mut client = case.client()?;
        client.call(&create_ttl(&case.at("t"), 5, 1500))?.ok()?;
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(4) {
            client
                .call(&set_data(&case.at("t"), b"alive", -1))?
                .stat()?;
            crate::wire::pace::pace(Duration::from_millis(300));
        }
        case.until("the znode's removal", PATIENCE, || {
            Ok(client.call(&exists(&case.at("t"), false))?.err == -101)
        })
    });
}
