//! Too many requests, watches, sessions or words at a time.

use std::thread;

use crate::wire::outcome::{Outcome, expect, failed};
use crate::wire::request::{
    add_watch, create, delete, exists, get_children, ping, set_data, set_watches,
};
use crate::wire::socket::Connect;
use crate::wire::suite::Suite;
use crate::wire::target::Case;

use super::abuse;

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    abuse(
        suite,
        "floods/50000-pipelined-writes-of-one-client",
        |case| {
            let count = 50_000;
            let mut client = case.client()?;
            let mut writing = client.socket.stream().try_clone()?;
            let path = case.root.clone();
            let sender = thread::spawn(move || {
                (1..=count).try_for_each(|xid| {
                    std::io::Write::write_all(&mut writing, &set_data(&path, b"x", -1).framed(xid))
                })
            });
            for xid in 1..=count {
                let reply = client.reply()?;
                expect("xid", reply.xid, xid)?;
                reply.stat()?;
            }
            sender.join().map_err(|_| failed("the sender panicked"))??;
            Ok(())
        },
    );
    abuse(suite, "floods/200000-pipelined-pings", |case| {
        let count = 200_000;
        let mut client = case.client()?;
        let mut writing = client.socket.stream().try_clone()?;
        let sender = thread::spawn(move || {
            let chunk = ping().framed(-2).repeat(1000);
            (0..count / 1000).try_for_each(|_| std::io::Write::write_all(&mut writing, &chunk))
        });
        for _ in 0..count {
            client.reply()?.bare()?;
        }
        sender.join().map_err(|_| failed("the sender panicked"))??;
        Ok(())
    });
    abuse(suite, "floods/100000-watches-of-one-connection", |case| {
        let mut client = case.client()?;
        for chunk in 0..20 {
            let paths: Vec<_> = (0..5000)
                .map(|index| case.at(&format!("absent/{chunk}/{index}")))
                .collect();
            let refs: Vec<_> = paths.iter().map(String::as_str).collect();
            client.call(&set_watches(0, &[], &refs, &[]))?.bare()?;
        }
        client.make(&case.at("absent"), b"", 0)?;
        client.make(&case.at("absent/7"), b"", 0)?;
        client.make(&case.at("absent/7/77"), b"", 0)?;
        expect(
            "events",
            client.seen(&case.root)?,
            vec!["Created absent/7/77".to_owned()],
        )
    });
    abuse(
        suite,
        "floods/one-change-told-to-1000-connections",
        |case| {
            let path = case.at("n");
            case.client()?.make(&path, b"", 0)?;
            let mut watchers = (0..1000)
                .map(|_| case.client())
                .collect::<Outcome<Vec<_>>>()?;
            for watcher in &mut watchers {
                watcher.call(&add_watch(&path, 1))?.number()?;
            }
            let mut changer = case.client()?;
            for _ in 0..10 {
                changer.call(&set_data(&path, b"", -1))?.stat()?;
            }
            for watcher in &mut watchers {
                expect(
                    "events",
                    watcher.seen(&case.root)?,
                    vec!["DataChanged n".to_owned(); 10],
                )?;
            }
            Ok(())
        },
    );
    abuse(suite, "floods/2000-sessions-opened-and-left", |case| {
        for _ in 0..2000 {
            let mut client = case.client_for(1000)?;
            client.abandon();
        }
        case.client()?.ping().map(drop)
    });
    abuse(suite, "floods/one-session-moved-2000-times", |case| {
        let mut client = case.client()?;
        client.make(&case.at("e"), b"", 1)?;
        for _ in 0..2000 {
            let next = case.client_with(&client.reconnect())?;
            client.abandon();
            client = next;
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
    abuse(
        suite,
        "floods/wrong-passwords-do-not-disturb-the-session",
        |case| {
            let mut owner = case.client()?;
            owner.make(&case.at("e"), b"", 1)?;
            let guess = owner.reconnect();
            for index in 0..500_u16 {
                let password = [index.to_be_bytes(); 8].concat();
                let answer = case.socket()?.handshake(&Connect {
                    password: Some(password),
                    ..guess.clone()
                })?;
                expect("session of a refusal", answer.session, 0)?;
            }
            // Apache ZooKeeper has closed the live connection by now; the session itself lives there too.
            if case.on(true, false) {
                owner.abandon();
                owner = case.client_with(&guess)?;
            }
            owner.call(&exists(&case.at("e"), false))?.stat().map(drop)
        },
    );
    abuse(suite, "floods/1000-words-that-nobody-reads", |case| {
        for word in ["mntr", "cons", "dump", "wchp", "stat"]
            .into_iter()
            .cycle()
            .take(1000)
        {
            case.socket()?.send(word.as_bytes())?;
        }
        Ok(())
    });
    abuse(
        suite,
        "floods/20000-children-listed-by-eight-at-once",
        |case| {
            let mut client = case.client()?;
            let parent = case.at("d");
            client.make(&parent, b"", 0)?;
            for chunk in 0..20 {
                for index in 0..1000 {
                    client.send(&create(&format!("{parent}/child-{chunk}-{index}"), b"", 0))?;
                }
                for _ in 0..1000 {
                    client.reply()?.path()?;
                }
            }
            let listed: Vec<Outcome> = thread::scope(|scope| {
                let threads: Vec<_> = (0..8)
                    .map(|_| scope.spawn(|| lists(case, &parent)))
                    .collect();
                threads
                    .into_iter()
                    .map(|thread| {
                        thread
                            .join()
                            .unwrap_or_else(|_| Err(failed("a lister panicked")))
                    })
                    .collect()
            });
            listed.into_iter().collect()
        },
    );
    abuse(
        suite,
        "floods/create-and-delete-against-each-other",
        |case| {
            let path = case.at("n");
            let results: Vec<Outcome> = thread::scope(|scope| {
                let threads: Vec<_> = (0..8)
                    .map(|index| {
                        let path = &path;
                        scope.spawn(move || {
                            let mut client = case.client()?;
                            for _ in 0..500 {
                                // Half of them delete, the others create, persistent ones and ephemerals.
                                let request = if index % 2 == 0 {
                                    create(path, b"", index / 4)
                                } else {
                                    delete(path, -1)
                                };
                                let err = client.call(&request)?.err;
                                if !matches!(err, 0 | -110 | -101) {
                                    return Err(failed(format!(
                                        "expected 0, -110 or -101, got {err}"
                                    )));
                                }
                            }
                            Ok(())
                        })
                    })
                    .collect();
                threads
                    .into_iter()
                    .map(|thread| {
                        thread
                            .join()
                            .unwrap_or_else(|_| Err(failed("a client panicked")))
                    })
                    .collect()
            });
            results.into_iter().collect()
        },
    );
}

fn lists(case: &Case, parent: &str) -> Outcome {
    let mut client = case.client()?;
    for _ in 0..20 {
        expect(
            "children",
            client.call(&get_children(parent, false))?.children()?.len(),
            20_000,
        )?;
    }
    Ok(())
}
