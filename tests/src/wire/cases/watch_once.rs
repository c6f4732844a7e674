//! One event for one trigger: one-shot watches, several watches on one path, watches that are not set.

use crate::wire::outcome::expect;
use crate::wire::request::{
    add_watch, delete, exists, get_children, get_children2, get_data, multi_read, set_data,
};
use crate::wire::suite::Suite;

use super::watch_table::{KINDS, events, watcher};

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    for (name, kind) in [("data", 0), ("exists", 1)] {
        suite.case(format!("watch/{name}-fires-once"), move |case| {
            let mut client = watcher(case, true)?;
            client.call(&KINDS[kind].1(&case.at("n")))?;
            for _ in 0..3 {
                client.call(&set_data(&case.at("n"), b"", -1))?.stat()?;
            }
            expect(
                "events",
                client.seen(&case.root)?,
                events(&["DataChanged n"]),
            )
        });
    }
    suite.case("watch/child-fires-once", move |case| {
        let mut client = case.client()?;
        client.call(&get_children(&case.root, true))?.children()?;
        for name in ["a", "b", "c"] {
            client.make(&case.at(name), b"", 0)?;
        }
        expect(
            "events",
            client.seen(&case.root)?,
            events(&["ChildrenChanged "]),
        )
    });
    suite.case(
        "watch/persistent-and-recursive-fire-every-time",
        move |case| {
            let mut client = case.client()?;
            client.call(&add_watch(&case.at("n"), 0))?.number()?;
            let mut other = case.client()?;
            other.call(&add_watch(&case.at("n"), 1))?.number()?;
            for _ in 0..2 {
                client.make(&case.at("n"), b"", 0)?;
                client.call(&set_data(&case.at("n"), b"", -1))?.stat()?;
                client.call(&delete(&case.at("n"), -1))?.bare()?;
            }
            let all = events(&[
                "Created n",
                "DataChanged n",
                "Deleted n",
                "Created n",
                "DataChanged n",
                "Deleted n",
            ]);
            expect(
                "events of persistent",
                client.seen(&case.root)?,
                all.clone(),
            )?;
            expect("events of recursive", other.seen(&case.root)?, all)
        },
    );
    for (name, first, second) in [
        ("data-and-exists", 0, 1),
        ("data-twice", 0, 0),
        ("exists-twice", 1, 1),
        ("child-and-child2", 3, 4),
    ] {
        suite.case(
            format!("watch/{name}-on-one-path-tell-a-delete-once"),
            move |case| {
                let mut client = watcher(case, true)?;
                client.call(&KINDS[first].1(&case.at("n")))?;
                client.call(&KINDS[second].1(&case.at("n")))?;
                client.call(&delete(&case.at("n"), -1))?.bare()?;
                client.make(&case.at("n"), b"", 0)?;
                expect("events", client.seen(&case.root)?, events(&["Deleted n"]))
            },
        );
    }
    suite.case(
        "watch/data-exists-child-persistent-and-recursive-tell-a-delete-once",
        move |case| {
            let mut client = watcher(case, true)?;
            for kind in [0, 1, 3, 5, 6] {
                client.call(&KINDS[kind].1(&case.at("n")))?;
            }
            client.call(&delete(&case.at("n"), -1))?.bare()?;
            client.make(&case.at("n"), b"", 0)?;
            client.call(&set_data(&case.at("n"), b"", -1))?.stat()?;
            expect(
                "events",
                client.seen(&case.root)?,
                events(&["Deleted n", "Created n", "DataChanged n"]),
            )
        },
    );
    suite.case(
        "watch/one-shot-with-persistent-tells-once-and-keeps-the-persistent",
        move |case| {
            let mut client = watcher(case, true)?;
            for kind in [0, 5, 6] {
                client.call(&KINDS[kind].1(&case.at("n")))?;
            }
            for _ in 0..2 {
                client.call(&set_data(&case.at("n"), b"", -1))?.stat()?;
            }
            expect(
                "events",
                client.seen(&case.root)?,
                events(&["DataChanged n", "DataChanged n"]),
            )
        },
    );
    suite.case(
        "watch/persistent-and-recursive-on-one-path-both-live",
        move |case| {
            let mut client = watcher(case, true)?;
            client.call(&add_watch(&case.at("n"), 0))?.number()?;
            client.call(&add_watch(&case.at("n"), 1))?.number()?;
            client.make(&case.at("n/c"), b"", 0)?;
            client.call(&set_data(&case.at("n/c"), b"", -1))?.stat()?;
            expect(
                "events",
                client.seen(&case.root)?,
                events(&["Created n/c", "ChildrenChanged n", "DataChanged n/c"]),
            )
        },
    );
    suite.case("watch/two-recursive-on-one-line-tell-once", move |case| {
        let mut client = watcher(case, true)?;
        client.call(&add_watch(&case.root, 1))?.number()?;
        client.call(&add_watch(&case.at("n"), 1))?.number()?;
        client.call(&set_data(&case.at("n"), b"", -1))?.stat()?;
        client.make(&case.at("n/c"), b"", 0)?;
        expect(
            "events",
            client.seen(&case.root)?,
            events(&["DataChanged n", "Created n/c"]),
        )
    });
    suite.case(
        "watch/recursive-does-not-match-names-that-begin-alike",
        move |case| {
            let mut client = watcher(case, true)?;
            client.call(&add_watch(&case.at("n"), 1))?.number()?;
            client.make(&case.at("nn"), b"", 0)?;
            client.make(&case.at("n-"), b"", 0)?;
            expect("events", client.seen(&case.root)?, events(&[]))
        },
    );
    suite.case("watch/flag-off-sets-none", move |case| {
        let mut client = watcher(case, true)?;
        for request in [
            exists(&case.at("n"), false),
            get_data(&case.at("n"), false),
            get_children(&case.at("n"), false),
            get_children2(&case.at("n"), false),
            exists(&case.at("x"), false),
        ] {
            client.call(&request)?;
        }
        client.make(&case.at("n/c"), b"", 0)?;
        client.call(&delete(&case.at("n/c"), -1))?.bare()?;
        client.make(&case.at("x"), b"", 0)?;
        client.call(&delete(&case.at("n"), -1))?.bare()?;
        expect("events", client.seen(&case.root)?, events(&[]))
    });
    for (name, request) in [("getData", 0), ("getChildren", 3), ("getChildren2", 4)] {
        suite.case(
            format!("watch/{name}-of-a-missing-znode-sets-none"),
            move |case| {
                let mut client = case.client()?;
                client
                    .call(&KINDS[request].1(&case.at("n")))?
                    .refused(-101)?;
                client.make(&case.at("n"), b"", 0)?;
                client.make(&case.at("n/c"), b"", 0)?;
                client.call(&set_data(&case.at("n"), b"", -1))?.stat()?;
                expect("events", client.seen(&case.root)?, events(&[]))
            },
        );
    }
    suite.case("watch/multiRead-ignores-the-flag", move |case| {
        let mut client = watcher(case, true)?;
        client
            .call(&multi_read(&[
                get_data(&case.at("n"), true),
                get_children(&case.at("n"), true),
            ]))?
            .results()?;
        client.call(&delete(&case.at("n"), -1))?.bare()?;
        expect("events", client.seen(&case.root)?, events(&[]))
    });
    suite.case(
        "watch/exists-on-absent-then-present-is-told-of-the-create-once",
        move |case| {
            let mut client = case.client()?;
            client.call(&exists(&case.at("n"), true))?.refused(-101)?;
            client.make(&case.at("n"), b"", 0)?;
            client.call(&set_data(&case.at("n"), b"", -1))?.stat()?;
            client.call(&delete(&case.at("n"), -1))?.bare()?;
            expect("events", client.seen(&case.root)?, events(&["Created n"]))
        },
    );
}
