//! The order of events among themselves and among replies, and the zxids that they carry.

use crate::wire::outcome::{ensure, expect};
use crate::wire::reply::Frame;
use crate::wire::request::{
    add_watch, create, delete, exists, get_children, get_data, multi, set_data,
};
use crate::wire::suite::Suite;

use super::watch_table::{events, watcher};

/// Watchers of one znode, and changes that they are told of.
const MANY_WATCHERS: usize = 150;
const ROUNDS: usize = 10;

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    suite.case("watch/order-of-a-create-is-node-then-parent", move |case| {
        let mut client = case.client()?;
        client.call(&get_children(&case.root, true))?.children()?;
        client.call(&exists(&case.at("n"), true))?.refused(-101)?;
        client.make(&case.at("n"), b"", 0)?;
        expect(
            "events",
            client.seen(&case.root)?,
            events(&["Created n", "ChildrenChanged "]),
        )
    });
    suite.case("watch/order-of-a-delete-is-node-then-parent", move |case| {
        let mut client = watcher(case, true)?;
        client.call(&get_children(&case.root, true))?.children()?;
        client
            .call(&get_data(&case.at("n"), true))?
            .data_and_stat()?;
        client.call(&delete(&case.at("n"), -1))?.bare()?;
        expect(
            "events",
            client.seen(&case.root)?,
            events(&["Deleted n", "ChildrenChanged "]),
        )
    });
    suite.case(
        "watch/persistent-on-node-and-parent-keep-that-order",
        move |case| {
            let mut client = case.client()?;
            client.call(&add_watch(&case.root, 0))?.number()?;
            client.call(&add_watch(&case.at("n"), 0))?.number()?;
            client.make(&case.at("n"), b"", 0)?;
            client.call(&delete(&case.at("n"), -1))?.bare()?;
            expect(
                "events",
                client.seen(&case.root)?,
                events(&[
                    "Created n",
                    "ChildrenChanged ",
                    "Deleted n",
                    "ChildrenChanged ",
                ]),
            )
        },
    );
    suite.case(
        "watch/event-comes-before-the-reply-of-the-own-write",
        |case| {
            let mut client = watcher(case, true)?;
            client
                .call(&get_data(&case.at("n"), true))?
                .data_and_stat()?;
            client.send(&set_data(&case.at("n"), b"", -1))?;
            let Frame::Event(event) = client.next()? else {
                return ensure(false, "the event before the reply");
            };
            let Frame::Reply(reply) = client.next()? else {
                return ensure(false, "the reply behind the event");
            };
            expect("zxid of the event", event.zxid, reply.zxid)?;
            expect("state, path", (event.state, event.path), (3, case.at("n")))
        },
    );
    suite.case("watch/event-comes-before-the-data-it-announces", |case| {
        let (mut writer, mut reader) = (watcher(case, true)?, case.client()?);
        for round in 0..50_u8 {
            reader
                .call(&get_data(&case.at("n"), true))?
                .data_and_stat()?;
            writer.send(&set_data(&case.at("n"), &[round], -1))?;
            loop {
                let (data, _) = reader
                    .call(&get_data(&case.at("n"), false))?
                    .data_and_stat()?;
                let told = !reader.events.is_empty();
                if data == Some(vec![round]) {
                    ensure(told, "the event before the new data")?;
                    break;
                }
            }
            reader.events.clear();
            writer.reply()?.stat()?;
        }
        Ok(())
    });
    suite.case(
        "watch/very-many-are-told-once-each-before-what-they-read",
        |case| {
            let mut writer = case.client()?;
            let mut watchers = Vec::new();
            for _ in 0..MANY_WATCHERS {
                watchers.push(case.client()?);
            }
            for round in 0..ROUNDS {
                for watcher in &mut watchers {
                    watcher.call(&get_children(&case.root, true))?.children()?;
                }
                writer.send(&create(&case.at(&format!("n{round}")), b"", 0))?;
                for (number, watcher) in watchers.iter_mut().enumerate() {
                    // Some wait for the event, and the others read meanwhile.
                    if number % 2 == 0 {
                        let event = watcher.event()?;
                        watcher.events.push(event);
                    }
                    let mut listed = 0;
                    while listed <= round {
                        let list = watcher.call(&get_children(&case.root, false))?;
                        listed = list.children()?.len();
                    }
                    let told = watcher.seen(&case.root)?;
                    expect(
                        "events before the new list",
                        told,
                        events(&["ChildrenChanged "]),
                    )?;
                }
                writer.reply()?;
            }
            Ok(())
        },
    );
    suite.case(
        "watch/zxid-of-an-event-is-that-of-its-transaction",
        |case| {
            let (mut watcher, mut changer) = (case.client()?, case.client()?);
            watcher.call(&add_watch(&case.root, 1))?.number()?;
            let mut zxids = vec![changer.call(&create(&case.at("n"), b"", 0))?.zxid];
            zxids.push(changer.call(&set_data(&case.at("n"), b"", -1))?.zxid);
            let both = multi(&[
                create(&case.at("m"), b"", 0),
                set_data(&case.at("m"), b"", -1),
            ]);
            let zxid = changer.call(&both)?.zxid;
            zxids.extend([zxid, zxid]);
            zxids.push(changer.call(&delete(&case.at("n"), -1))?.zxid);
            let events = watcher.events_by_now()?;
            expect(
                "zxids",
                events.iter().map(|event| event.zxid).collect::<Vec<_>>(),
                zxids,
            )?;
            ensure(
                events.iter().all(|event| event.state == 3),
                "state 3 in every event",
            )
        },
    );
    suite.case("watch/multi-tells-op-by-op", move |case| {
        let mut client = watcher(case, true)?;
        client.call(&add_watch(&case.root, 1))?.number()?;
        let mut persistent = case.client()?;
        persistent.call(&add_watch(&case.at("n"), 0))?.number()?;
        let mut one_shot = case.client()?;
        one_shot
            .call(&get_data(&case.at("n"), true))?
            .data_and_stat()?;
        let path = case.at("n");
        client
            .call(&multi(&[
                delete(&path, -1),
                create(&path, b"", 0),
                set_data(&path, b"", -1),
            ]))?
            .results()?;
        let all = events(&["Deleted n", "Created n", "DataChanged n"]);
        expect("events of recursive", client.seen(&case.root)?, all.clone())?;
        expect("events of persistent", persistent.seen(&case.root)?, all)?;
        expect(
            "events of data",
            one_shot.seen(&case.root)?,
            events(&["Deleted n"]),
        )
    });
    suite.case("watch/closing-session-tells-like-deletes", move |case| {
        let (mut client, mut owner) = (case.client()?, case.client()?);
        owner.make(&case.at("e"), b"", 1)?;
        client.call(&exists(&case.at("e"), true))?.stat()?;
        client.call(&get_children(&case.root, true))?.children()?;
        owner.close()?;
        expect(
            "events",
            client.seen(&case.root)?,
            events(&["Deleted e", "ChildrenChanged "]),
        )
    });
    suite.case("watch/events-of-many-changes-come-in-their-order", |case| {
        let (mut watcher, mut changer) = (case.client()?, case.client()?);
        watcher.call(&add_watch(&case.root, 1))?.number()?;
        for index in 0..500 {
            changer.send(&create(&case.at(&index.to_string()), b"", 0))?;
        }
        for _ in 0..500 {
            changer.reply()?.path()?;
        }
        let expected: Vec<_> = (0..500).map(|index| format!("Created {index}")).collect();
        expect("events", watcher.seen(&case.root)?, expected)
    });
    suite.case("watch/nothing-falls-between-a-read-and-its-watch", |case| {
        let (mut watcher, mut changer) = (watcher(case, true)?, case.client()?);
        let path = case.at("n");
        for _ in 0..300 {
            changer.send(&set_data(&path, b"", -1))?;
        }
        // Each read either shows the last version or is followed by an event.
        let mut version = -1;
        while version < 300 {
            let (_, stat) = watcher.call(&get_data(&path, true))?.data_and_stat()?;
            ensure(
                stat.version > version,
                format!("a version above {version}, got {}", stat.version),
            )?;
            version = stat.version;
            if version < 300 {
                expect(
                    "event",
                    watcher.event()?.show(&case.root),
                    "DataChanged n".to_owned(),
                )?;
            }
        }
        Ok(())
    });
}
