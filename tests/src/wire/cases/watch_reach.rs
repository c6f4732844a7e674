//! How long a watch lives, and what it may not tell.

use crate::wire::outcome::expect;
use crate::wire::reply::Acl;
use crate::wire::request::{
    add_watch, auth, create_with_acl, delete, exists, get_children, get_data, set_acl, set_data,
};
use crate::wire::suite::Suite;

use super::watch_table::{KINDS, events, watcher};

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    register_lifetime(suite);
    register_visibility(suite);
}

fn register_lifetime(suite: &mut Suite) {
    suite.case("watch/is-gone-with-its-connection", move |case| {
        let mut client = watcher(case, true)?;
        for kind in [0, 3, 5, 6] {
            client.call(&KINDS[kind].1(&case.at("n")))?;
        }
        client.call(&exists(&case.at("x"), true))?.refused(-101)?;
        let mut back = case.client_with(&client.disconnect())?;
        case.client()?.make(&case.at("x"), b"", 0)?;
        case.client()?.call(&delete(&case.at("n"), -1))?.bare()?;
        expect("events", back.seen(&case.root)?, events(&[]))
    });
    suite.case("watch/belongs-to-one-connection", move |case| {
        let (mut one, mut two) = (watcher(case, true)?, case.client()?);
        one.call(&get_data(&case.at("n"), true))?.data_and_stat()?;
        two.call(&set_data(&case.at("n"), b"", -1))?.stat()?;
        expect("events of the other", two.seen(&case.root)?, events(&[]))?;
        expect("events", one.seen(&case.root)?, events(&["DataChanged n"]))
    });
    suite.case("watch/of-two-connections-tells-both", move |case| {
        let (mut one, mut two) = (watcher(case, true)?, case.client()?);
        for client in [&mut one, &mut two] {
            client
                .call(&get_data(&case.at("n"), true))?
                .data_and_stat()?;
        }
        case.client()?.call(&delete(&case.at("n"), -1))?.bare()?;
        for client in [&mut one, &mut two] {
            expect("events", client.seen(&case.root)?, events(&["Deleted n"]))?;
        }
        Ok(())
    });
    suite.case("watch/survives-the-session-that-changes", move |case| {
        let mut client = watcher(case, true)?;
        client
            .call(&get_data(&case.at("n"), true))?
            .data_and_stat()?;
        case.client()?.close()?;
        case.client()?
            .call(&set_data(&case.at("n"), b"", -1))?
            .stat()?;
        expect(
            "events",
            client.seen(&case.root)?,
            events(&["DataChanged n"]),
        )
    });
    suite.alone(
        "watch/recursive-on-the-root-hears-all-and-persistent-its-children",
        move |case| {
            let mut recursive = case.client()?;
            let mut persistent = case.client()?;
            recursive.call(&add_watch("/", 1))?.number()?;
            persistent.call(&add_watch("/", 0))?.number()?;
            let mut changer = case.client()?;
            let (top, quota) = (
                format!("{}-top", case.root),
                format!("/zookeeper/quota{}", case.root),
            );
            changer.make(&top, b"", 0)?;
            changer.make(&format!("{top}/n"), b"", 0)?;
            changer.make(&quota, b"", 0)?;
            changer.call(&delete(&format!("{top}/n"), -1))?.bare()?;
            changer.call(&delete(&top, -1))?.bare()?;
            let (top, quota) = (top[1..].to_owned(), quota[1..].to_owned());
            let all = vec![
                format!("Created {top}"),
                format!("Created {top}/n"),
                format!("Created {quota}"),
                format!("Deleted {top}/n"),
                format!("Deleted {top}"),
            ];
            // Roots and sessions of other cases may still come and go.
            let seen = recursive
                .seen("")?
                .into_iter()
                .filter(|event| all.contains(event))
                .collect::<Vec<_>>();
            expect("events of recursive", seen, all)?;
            let seen = persistent.seen("")?;
            expect(
                "events of persistent",
                seen,
                events(&["ChildrenChanged ", "ChildrenChanged "]),
            )
        },
    );
}

fn register_visibility(suite: &mut Suite) {
    let locked = || vec![Acl::new(31, "digest", "nobody:x=")];
    suite.case(
        "watch/exists-on-a-present-unreadable-znode-is-refused-and-sets-none",
        move |case| {
            let mut client = case.client()?;
            client
                .call(&create_with_acl(&case.at("n"), &[Acl::world(30)]))?
                .path()?;
            client.call(&exists(&case.at("n"), true))?.refused(-102)?;
            client.call(&delete(&case.at("n"), -1))?.bare()?;
            expect("events", client.seen(&case.root)?, events(&[]))
        },
    );
    suite.case(
        "watch/created-unreadable-is-not-told-and-still-consumed",
        move |case| {
            let mut client = case.client()?;
            client.call(&exists(&case.at("n"), true))?.refused(-101)?;
            let mut other = case.client()?;
            other
                .call(&create_with_acl(&case.at("n"), &locked()))?
                .path()?;
            other.call(&delete(&case.at("n"), -1))?.bare()?;
            other.make(&case.at("n"), b"", 0)?;
            expect("events", client.seen(&case.root)?, events(&[]))
        },
    );
    for (name, kind) in [
        ("data", 0),
        ("child", 3),
        ("persistent", 5),
        ("recursive", 6),
    ] {
        suite.case(
            format!("watch/{name}-is-silent-once-READ-is-taken"),
            move |case| {
                let mut client = watcher(case, true)?;
                client.call(&KINDS[kind].1(&case.at("n")))?;
                let mut other = case.client()?;
                other
                    .call(&set_acl(&case.at("n"), &[Acl::world(30)], -1))?
                    .stat()?;
                other.call(&set_data(&case.at("n"), b"", -1))?.stat()?;
                other.make(&case.at("n/c"), b"", 0)?;
                other.call(&delete(&case.at("n/c"), -1))?.bare()?;
                other.call(&delete(&case.at("n"), -1))?.bare()?;
                let seen = client.seen(&case.root)?;
                // The child itself may be read, and recursive watches tell of it.
                let expected = if kind == 6 {
                    events(&["Created n/c", "Deleted n/c"])
                } else {
                    events(&[])
                };
                expect("events", seen, expected)
            },
        );
    }
    suite.case(
        "watch/data-consumed-in-silence-does-not-come-back-with-READ",
        move |case| {
            let mut client = watcher(case, true)?;
            client
                .call(&get_data(&case.at("n"), true))?
                .data_and_stat()?;
            for acl in [30, 31] {
                client
                    .call(&set_acl(&case.at("n"), &[Acl::world(acl)], -1))?
                    .stat()?;
                client.call(&set_data(&case.at("n"), b"", -1))?.stat()?;
            }
            expect("events", client.seen(&case.root)?, events(&[]))
        },
    );
    suite.case("watch/auth-added-later-counts-at-delivery", move |case| {
        let mut client = case.client()?;
        client.call(&add_watch(&case.at("n"), 0))?.number()?;
        let mut owner = case.client()?;
        owner.call(&auth("digest", b"bob:pw"))?.bare()?;
        owner
            .call(&create_with_acl(&case.at("n"), &[Acl::new(31, "auth", "")]))?
            .path()?;
        owner.call(&set_data(&case.at("n"), b"", -1))?.stat()?;
        expect("events before", client.seen(&case.root)?, events(&[]))?;
        client.call(&auth("digest", b"bob:pw"))?.bare()?;
        owner.call(&set_data(&case.at("n"), b"", -1))?.stat()?;
        expect(
            "events behind",
            client.seen(&case.root)?,
            events(&["DataChanged n"]),
        )
    });
    suite.case(
        "watch/children-of-an-unreadable-parent-are-not-told",
        move |case| {
            let mut client = case.client()?;
            client.make(&case.at("p"), b"", 0)?;
            client
                .call(&get_children(&case.at("p"), true))?
                .children()?;
            let mut other = case.client()?;
            other
                .call(&set_acl(&case.at("p"), &[Acl::world(30)], -1))?
                .stat()?;
            other.make(&case.at("p/c"), b"", 0)?;
            expect("events", client.seen(&case.root)?, events(&[]))
        },
    );
    suite.case("watch/super-is-told-of-everything", move |case| {
        let mut client = case.client()?;
        client.call(&auth("digest", b"super:secret"))?.bare()?;
        client.call(&exists(&case.at("n"), true))?.refused(-101)?;
        case.client()?
            .call(&create_with_acl(&case.at("n"), &locked()))?
            .path()?;
        expect("events", client.seen(&case.root)?, events(&["Created n"]))
    });
}
