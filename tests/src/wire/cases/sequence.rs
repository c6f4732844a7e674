//! Sequence suffixes: the parent counts the creations of children, nothing else.

use std::collections::BTreeSet;

use crate::wire::outcome::{Outcome, ensure, expect};
use crate::wire::raw_client::RawClient;
use crate::wire::request::{
    create, create_as, create_container, create_ttl, create2, delete, exists, get_children, multi,
    open_acl, set_acl, set_data,
};
use crate::wire::suite::Suite;
use crate::wire::target::Case;

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    suite.case("sequence/starts-at-0000000000-and-counts-by-one", |case| {
        let mut client = case.client()?;
        for index in 0..12 {
            expect(
                "path",
                client.make(&case.at("n-"), b"", 2)?,
                case.at(&format!("n-{index:010}")),
            )?;
        }
        Ok(())
    });
    let mut next = |name: &str, expected: i32, before: fn(&Case, &mut RawClient) -> Outcome| {
        suite.case(format!("sequence/{name}"), move |case| {
            let mut client = case.client()?;
            before(case, &mut client)?;
            expect(
                "path",
                client.make(&case.at("s"), b"", 2)?,
                case.at(&format!("s{expected:010}")),
            )
        });
    };
    next("counts-plain-children", 1, |case, client| {
        client.make(&case.at("a"), b"", 0).map(drop)
    });
    next("counts-ephemeral-children", 1, |case, client| {
        client.make(&case.at("a"), b"", 1).map(drop)
    });
    next("counts-ephemeral-sequential-children", 1, |case, client| {
        client.make(&case.at("a"), b"", 3).map(drop)
    });
    next("counts-containers", 1, |case, client| {
        client
            .call(&create_container(&case.at("a")))?
            .ok()
            .map(drop)
    });
    next("counts-ttl-children", 1, |case, client| {
        client
            .call(&create_ttl(&case.at("a"), 5, 60_000))?
            .ok()
            .map(drop)
    });
    next("is-shared-by-all-names", 3, |case, client| {
        for name in ["x-", "y-", "z-"] {
            client.make(&case.at(name), b"", 2)?;
        }
        Ok(())
    });
    next("is-not-lowered-by-deletes", 2, |case, client| {
        for name in ["a", "b"] {
            client.make(&case.at(name), b"", 0)?;
            client.call(&delete(&case.at(name), -1))?.bare()?;
        }
        Ok(())
    });
    next("is-not-raised-by-failed-creates", 1, |case, client| {
        client.make(&case.at("a"), b"", 0)?;
        for _ in 0..3 {
            client.call(&create(&case.at("a"), b"", 0))?.refused(-110)?;
            client
                .call(&create(&case.at("a/./b"), b"", 0))?
                .refused(-101)?;
        }
        Ok(())
    });
    next("is-not-raised-by-setData-and-setACL", 1, |case, client| {
        client.make(&case.at("a"), b"", 0)?;
        client.call(&set_data(&case.at("a"), b"x", -1))?.stat()?;
        client.call(&set_data(&case.root, b"x", -1))?.stat()?;
        client
            .call(&set_acl(&case.root, &open_acl(), -1))?
            .stat()
            .map(drop)
    });
    next("is-not-raised-by-grandchildren", 1, |case, client| {
        client.make(&case.at("a"), b"", 0)?;
        client.make(&case.at("a/b"), b"", 0)?;
        client.make(&case.at("a/c"), b"", 0).map(drop)
    });
    next("counts-creates-inside-multi", 2, |case, client| {
        client
            .call(&multi(&[
                create(&case.at("a"), b"", 0),
                create(&case.at("b"), b"", 2),
            ]))?
            .results()
            .map(drop)
    });
    next("is-not-raised-by-a-failed-multi", 0, |case, client| {
        client
            .call(&multi(&[
                create(&case.at("a"), b"", 0),
                create(&case.at("missing/b"), b"", 0),
            ]))?
            .results()
            .map(drop)
    });
    next(
        "goes-on-when-a-session-took-its-ephemerals-along",
        3,
        |case, client| {
            let mut other = case.client()?;
            for _ in 0..3 {
                other.make(&case.at("e"), b"", 3)?;
            }
            other.close()?;
            expect(
                "children",
                client
                    .call(&get_children(&case.root, false))?
                    .children()?
                    .len(),
                0,
            )
        },
    );
    suite.case("sequence/restarts-with-a-new-parent", |case| {
        let mut client = case.client()?;
        for _ in 0..2 {
            client.make(&case.at("p"), b"", 0)?;
            for index in 0..2 {
                let path = client.make(&case.at("p/s"), b"", 2)?;
                expect("path", path.clone(), case.at(&format!("p/s{index:010}")))?;
                client.call(&delete(&path, -1))?.bare()?;
            }
            client.call(&delete(&case.at("p"), -1))?.bare()?;
        }
        Ok(())
    });
    suite.case(
        "sequence/path-that-ends-in-a-slash-gets-a-bare-number",
        |case| {
            let mut client = case.client()?;
            client.make(&case.at("a"), b"", 0)?;
            expect(
                "path",
                client.make(&case.at("a/"), b"", 2)?,
                case.at("a/0000000000"),
            )?;
            expect(
                "path",
                client.make(&case.at("a/"), b"", 3)?,
                case.at("a/0000000001"),
            )
        },
    );
    suite.case("sequence/a-dot-with-a-suffix-is-a-name", |case| {
        expect(
            "path",
            case.client()?.make(&case.at("."), b"", 2)?,
            case.at(".0000000000"),
        )
    });
    suite.case("sequence/ttl-sequential-gets-a-suffix", |case| {
        let mut client = case.client()?;
        let (path, _) = client
            .call(&create_ttl(&case.at("t"), 6, 60_000))?
            .path_and_stat()?;
        expect("path", path, case.at("t0000000000"))
    });
    suite.case(
        "sequence/container-with-a-sequential-flag-gets-a-suffix",
        |case| {
            let reply = case
                .client()?
                .call(&create_as(19, &case.at("c"), None, &open_acl(), 2))?;
            expect("path", reply.path_and_stat()?.0, case.at("c0000000000"))
        },
    );
    suite.case("sequence/missing-parent-is--101", |case| {
        case.client()?
            .call(&create(&case.at("missing/s"), b"", 2))?
            .refused(-101)
    });
    suite.case("sequence/taken-name-is--110", |case| {
        let mut client = case.client()?;
        client.make(&case.at("s0000000001"), b"", 0)?;
        client.call(&create(&case.at("s"), b"", 2))?.refused(-110)?;
        // The refused one did not count, so the number stays taken.
        client.call(&create(&case.at("s"), b"", 2))?.refused(-110)?;
        client.make(&case.at("other"), b"", 0)?;
        expect(
            "path",
            client.make(&case.at("s"), b"", 2)?,
            case.at("s0000000002"),
        )
    });
    suite.case(
        "sequence/names-of-concurrent-clients-are-all-different",
        |case| {
            let mut clients = (0..4).map(|_| case.client()).collect::<Outcome<Vec<_>>>()?;
            for client in &mut clients {
                for _ in 0..50 {
                    client.send(&create(&case.at("s"), b"", 3))?;
                }
            }
            let mut paths = BTreeSet::new();
            for client in &mut clients {
                let mut last = String::new();
                for _ in 0..50 {
                    let path = client.reply()?.path()?;
                    ensure(path > last, format!("a path behind {last}, got {path}"))?;
                    last.clone_from(&path);
                    paths.insert(path);
                }
            }
            expect("paths", paths.len(), 200)?;
            expect(
                "last path",
                paths.last().cloned(),
                Some(case.at("s0000000199")),
            )
        },
    );
    suite.case("sequence/visible-cversion-is-not-the-counter", |case| {
        let mut client = case.client()?;
        for _ in 0..3 {
            let path = client.make(&case.at("s"), b"", 2)?;
            client.call(&delete(&path, -1))?.bare()?;
        }
        let stat = client.call(&exists(&case.root, false))?.stat()?;
        expect("cversion", stat.cversion, 6)?;
        let (path, _) = client
            .call(&create2(&case.at("s"), b"", 2))?
            .path_and_stat()?;
        expect("path", path, case.at("s0000000003"))
    });
}
