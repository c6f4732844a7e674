//! addWatch, checkWatches, removeWatches.

use crate::wire::outcome::expect;
use crate::wire::request::{
    Request, add_watch, delete, exists, get_children, get_data, set_data, watches,
};
use crate::wire::suite::Suite;

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    register_add_watch(suite);
    register_check_and_remove(suite);
}

fn register_add_watch(suite: &mut Suite) {
    for mode in [0, 1] {
        suite.case(
            format!("addWatch/mode-{mode}-is-answered-by-four-zero-bytes"),
            move |case| {
                let reply = case.client()?.call(&add_watch(&case.at("missing"), mode))?;
                expect("body", reply.ok()?.raw(4)?.to_vec(), vec![0; 4])?;
                expect("body length", reply.body.len(), 4)
            },
        );
    }
    for mode in [-1, 2, 3, i32::MAX, i32::MIN] {
        suite.case(
            format!("addWatch/mode-{mode}-is-refused-with--5"),
            move |case| {
                let mut client = case.client()?;
                client.call(&add_watch(&case.root, mode))?.refused(-5)?;
                client.make(&case.at("n"), b"", 0)?;
                expect("events", client.seen(&case.root)?, Vec::<String>::new())
            },
        );
    }
    suite.case("addWatch/any-path-is-taken", |case| {
        let mut client = case.client()?;
        for path in ["relative", "", "/a//b", "/.."] {
            client.call(&add_watch(path, 0))?.number()?;
        }
        Ok(())
    });
    suite.case("addWatch/twice-tells-once", |case| {
        let mut client = case.client()?;
        client.call(&add_watch(&case.at("n"), 0))?.number()?;
        client.call(&add_watch(&case.at("n"), 0))?.number()?;
        client.make(&case.at("n"), b"", 0)?;
        expect(
            "events",
            client.seen(&case.root)?,
            vec!["Created n".to_owned()],
        )
    });
    suite.case("addWatch/unreadable-znode-is-no-hindrance", |case| {
        let mut client = case.client()?;
        let acl = [crate::wire::reply::Acl::world(0)];
        client
            .call(&crate::wire::request::create_with_acl(&case.at("n"), &acl))?
            .path()?;
        expect(
            "err in the body",
            client.call(&add_watch(&case.at("n"), 0))?.number()?,
            0,
        )
    });
}

/// A watch of each kind on `n`, by the type number that names it.
fn watch_of(kind: i32, path: &str) -> Request {
    match kind {
        1 => get_children(path, true),
        2 => get_data(path, true),
        4 => add_watch(path, 0),
        _ => add_watch(path, 1),
    }
}

fn register_check_and_remove(suite: &mut Suite) {
    for present in [1, 2, 4, 5] {
        for asked in 1..=5 {
            let found = asked == 3 || asked == present;
            let err = if found { 0 } else { -121 };
            suite.case(
                format!("checkWatches/type-{asked}-when-there-is-type-{present}-gives-{err}"),
                move |case| {
                    let mut client = case.client()?;
                    client.make(&case.at("n"), b"", 0)?;
                    client.call(&watch_of(present, &case.at("n")))?.ok()?;
                    for _ in 0..2 {
                        client
                            .call(&watches(17, &case.at("n"), asked))?
                            .refused(err)?;
                    }
                    // A check changes nothing.
                    client.call(&delete(&case.at("n"), -1))?.bare()?;
                    expect(
                        "events",
                        client.seen(&case.root)?,
                        vec!["Deleted n".to_owned()],
                    )
                },
            );
            suite.case(
                format!("removeWatches/type-{asked}-when-there-is-type-{present}-gives-{err}"),
                move |case| {
                    let mut client = case.client()?;
                    client.make(&case.at("n"), b"", 0)?;
                    client.call(&watch_of(present, &case.at("n")))?.ok()?;
                    client
                        .call(&watches(18, &case.at("n"), asked))?
                        .refused(err)?;
                    client
                        .call(&watches(18, &case.at("n"), asked))?
                        .refused(-121)?;
                    client.call(&delete(&case.at("n"), -1))?.bare()?;
                    let told = if found {
                        vec![]
                    } else {
                        vec!["Deleted n".to_owned()]
                    };
                    expect("events", client.seen(&case.root)?, told)
                },
            );
        }
    }
    for op in [17, 18] {
        for kind in [0, 6, -1, 99, i32::MIN] {
            suite.case(
                format!("watches/op-{op}-type-{kind}-is-refused-with--5"),
                move |case| {
                    let mut client = case.client()?;
                    client.call(&watches(op, &case.root, kind))?.refused(-5)?;
                    client.ping().map(drop)
                },
            );
        }
        suite.case(
            format!("watches/op-{op}-without-any-watch-is--121"),
            move |case| {
                let mut client = case.client()?;
                for kind in 1..=5 {
                    client.call(&watches(op, &case.root, kind))?.refused(-121)?;
                }
                client
                    .call(&watches(op, &case.at("missing"), 3))?
                    .refused(-121)
            },
        );
        suite.case(
            format!("watches/op-{op}-does-not-see-another-connections-watch"),
            move |case| {
                let (mut one, mut two) = (case.client()?, case.client()?);
                one.call(&add_watch(&case.root, 0))?.number()?;
                two.call(&watches(op, &case.root, 4))?.refused(-121)?;
                one.call(&watches(op, &case.root, 4))?.bare()
            },
        );
    }
    suite.case("removeWatches/exist-counts-as-data", |case| {
        let mut client = case.client()?;
        client.call(&exists(&case.at("n"), true))?.refused(-101)?;
        client.call(&watches(17, &case.at("n"), 2))?.bare()?;
        client.call(&watches(18, &case.at("n"), 2))?.bare()?;
        client.make(&case.at("n"), b"", 0)?;
        expect("events", client.seen(&case.root)?, Vec::<String>::new())
    });
    for (kind, told) in [
        (
            1,
            ["DataChanged n", "ChildrenChanged n", "Created n/c"].as_slice(),
        ),
        (2, &["DataChanged n", "Created n/c", "ChildrenChanged n"]),
        (4, &["DataChanged n", "Created n/c", "ChildrenChanged n"]),
        (5, &["DataChanged n", "ChildrenChanged n"]),
        (3, &[]),
    ] {
        suite.case(
            format!("removeWatches/type-{kind}-of-all-kinds-leaves-the-others"),
            move |case| {
                let mut client = case.client()?;
                client.make(&case.at("n"), b"", 0)?;
                for present in [1, 2, 4, 5] {
                    client.call(&watch_of(present, &case.at("n")))?.ok()?;
                }
                client.call(&watches(18, &case.at("n"), kind))?.bare()?;
                for left in [1, 2, 4, 5] {
                    let gone = kind == 3 || kind == left;
                    client
                        .call(&watches(17, &case.at("n"), left))?
                        .refused(if gone { -121 } else { 0 })?;
                }
                client.call(&set_data(&case.at("n"), b"", -1))?.stat()?;
                client.make(&case.at("n/c"), b"", 0)?;
                let mut seen = client.seen(&case.root)?;
                seen.sort();
                let mut told: Vec<_> = told.iter().map(ToString::to_string).collect();
                told.sort();
                expect("events", seen, told)
            },
        );
    }
    suite.case("removeWatches/fired-one-shot-is-gone", |case| {
        let mut client = case.client()?;
        client.make(&case.at("n"), b"", 0)?;
        client
            .call(&get_data(&case.at("n"), true))?
            .data_and_stat()?;
        client.call(&set_data(&case.at("n"), b"", -1))?.stat()?;
        client.call(&watches(18, &case.at("n"), 2))?.refused(-121)
    });
    suite.case("removeWatches/emits-no-event", |case| {
        let mut client = case.client()?;
        client.call(&add_watch(&case.root, 0))?.number()?;
        client.call(&watches(18, &case.root, 4))?.bare()?;
        expect("events", client.seen(&case.root)?, Vec::<String>::new())
    });
}
