//! exists, getData, getACL, getChildren, getAllChildrenNumber, getEphemerals, sync, whoAmI.

use crate::wire::bytes::Body;
use crate::wire::outcome::{Outcome, ensure, expect};
use crate::wire::reply::Acl;
use crate::wire::request::{
    Request, create, create_as, create_container, exists, get_acl, get_all_children_number,
    get_children, get_children2, get_data, get_ephemerals, read, sync,
};
use crate::wire::suite::Suite;
use crate::wire::target::Case;

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    for (name, op) in [
        ("exists", 3),
        ("getData", 4),
        ("getACL", 6),
        ("getChildren", 8),
        ("getChildren2", 12),
        ("getAllChildrenNumber", 104),
    ] {
        let ask = move |path: &str| match op {
            6 | 104 => Request::new(op, Body::new().str(path)),
            _ => read(op, path, false),
        };
        suite.case(
            format!("read/{name}-of-a-missing-znode-is--101"),
            move |case| {
                case.client()?
                    .call(&ask(&case.at("missing")))?
                    .refused(-101)
            },
        );
        suite.case(
            format!("read/{name}-of-the-empty-path-is-of-the-root"),
            move |case| {
                // The body of the root itself changes under other cases; that there is one tells the alias.
                case.client()?.call(&ask(""))?.ok().map(drop)
            },
        );
        for path in [
            "relative",
            "//",
            "/.",
            "/..",
            "/zookeeper/",
            "/zookeeper//quota",
        ] {
            suite.case(format!("read/{name}-of-{path:?}-is--101"), move |case| {
                case.client()?.call(&ask(path))?.refused(-101)
            });
        }
        let err = if op == 6 { 0 } else { -102 };
        suite.case(
            format!("read/{name}-without-READ-but-with-ADMIN-gives-{err}"),
            move |case| {
                let mut client = case.client()?;
                client
                    .call(&create_as(1, &case.at("n"), None, &[Acl::world(30)], 0))?
                    .path()?;
                expect("err", client.call(&ask(&case.at("n")))?.err, err)
            },
        );
        suite.case(
            format!("read/{name}-without-any-permission-is--102"),
            move |case| {
                let mut client = case.client()?;
                client
                    .call(&create_as(1, &case.at("n"), None, &[Acl::world(0)], 0))?
                    .path()?;
                client.call(&ask(&case.at("n")))?.refused(-102)
            },
        );
    }
    suite.case("read/stat-is-68-bytes", |case| {
        expect(
            "body length",
            case.client()?.call(&exists(&case.root, false))?.body.len(),
            68,
        )
    });
    suite.case("read/getChildren-of-the-root-lists-zookeeper", |case| {
        let mut client = case.client()?;
        for path in ["/", ""] {
            let names = client.call(&get_children(path, false))?.children()?;
            ensure(
                names.contains(&"zookeeper".to_owned()),
                format!("zookeeper among {names:?}"),
            )?;
            ensure(
                names.contains(&case.root[1..].to_owned()),
                format!("the case's root among {names:?}"),
            )?;
        }
        Ok(())
    });
    suite.case("read/getChildren-gives-names-of-children-only", |case| {
        let mut client = case.client()?;
        for name in ["a", "b", "a/x", "a/x/y"] {
            client.make(&case.at(name), b"", 0)?;
        }
        let names = vec!["a".to_owned(), "b".to_owned()];
        expect(
            "children",
            client.call(&get_children(&case.root, false))?.children()?,
            names.clone(),
        )?;
        let (children, stat) = client
            .call(&get_children2(&case.root, false))?
            .children_and_stat()?;
        expect("children", children, names)?;
        expect(
            "Stat",
            client.call(&exists(&case.root, false))?.stat()?,
            stat,
        )?;
        expect("numChildren", stat.num_children, 2)
    });
    suite.case("read/getChildren-of-a-leaf-is-an-empty-list", |case| {
        let reply = case.client()?.call(&get_children(&case.root, false))?;
        expect("children", reply.children()?, Vec::<String>::new())?;
        expect("body", reply.body, vec![0; 4])
    });
    suite.case("read/getChildren-of-2000-children", |case| {
        let mut client = case.client()?;
        for index in 0..2000 {
            client.send(&create(&case.at(&format!("child-{index}")), b"", 0))?;
        }
        for _ in 0..2000 {
            client.reply()?.path()?;
        }
        let (names, stat) = client
            .call(&get_children2(&case.root, false))?
            .children_and_stat()?;
        expect(
            "names, numChildren",
            (names.len(), stat.num_children),
            (2000, 2000),
        )
    });
    suite.case("read/fresh-reserved-znodes", |case| {
        let mut client = case.client()?;
        let (acl, stat) = client.call(&get_acl("/zookeeper/config"))?.acl_and_stat()?;
        expect("ACL of the config", acl, vec![Acl::world(1)])?;
        expect("aversion of the config", stat.aversion, -1)?;
        for path in ["/zookeeper", "/zookeeper/quota"] {
            let (got, _) = client.call(&get_data(path, false))?.data_and_stat()?;
            expect(path, got, Some(vec![]))?;
            expect(
                path,
                client.call(&get_acl(path))?.acl_and_stat()?.0,
                vec![Acl::world(31)],
            )?;
        }
        Ok(())
    });
    suite.case("read/getAllChildrenNumber-counts-all-below", |case| {
        let mut client = case.client()?;
        for name in ["a", "a/b", "a/b/c", "d"] {
            client.make(&case.at(name), b"", 0)?;
        }
        for (path, number) in [
            (case.root.clone(), 4),
            (case.at("a"), 2),
            (case.at("a/b/c"), 0),
        ] {
            expect(
                &path,
                client.call(&get_all_children_number(&path))?.number()?,
                number,
            )?;
        }
        Ok(())
    });
    suite.case("read/getEphemerals-by-prefix", ephemerals);
    suite.case("read/getACL-is-as-created", |case| {
        let mut client = case.client()?;
        let acl = vec![
            Acl::new(31, "ip", "127.0.0.1"),
            Acl::world(9),
            Acl::new(2, "digest", "bob:abc="),
        ];
        client
            .call(&create_as(1, &case.at("n"), None, &acl, 0))?
            .path()?;
        let (got, stat) = client.call(&get_acl(&case.at("n")))?.acl_and_stat()?;
        expect("ACL", got, acl)?;
        expect(
            "Stat",
            client.call(&exists(&case.at("n"), false))?.stat()?,
            stat,
        )
    });
    suite.case("read/getACL-with-READ-alone-hides-digests", |case| {
        let mut client = case.client()?;
        let acl = [
            Acl::world(1),
            Acl::new(31, "digest", "bob:abc="),
            Acl::new(31, "ip", "10.1.2.3"),
        ];
        client
            .call(&create_as(1, &case.at("n"), None, &acl, 0))?
            .path()?;
        let hidden = vec![
            Acl::world(1),
            Acl::new(31, "digest", "bob:x"),
            Acl::new(31, "ip", "10.1.2.3"),
        ];
        expect(
            "ACL",
            client.call(&get_acl(&case.at("n")))?.acl_and_stat()?.0,
            hidden,
        )
    });
    for (name, path) in [
        ("a-missing-znode", "/no/such"),
        ("any-text", "not a path"),
        ("the-empty-path", ""),
    ] {
        suite.case(format!("read/sync-of-{name}-echoes-it"), move |case| {
            expect(
                "path",
                case.client()?.call(&sync(path))?.path()?,
                path.to_owned(),
            )
        });
    }
    suite.case("read/sync-of-a-null-path-echoes-null", |case| {
        let reply = case.client()?.call(&Request::new(9, Body::new().null()))?;
        expect("body", reply.ok()?.buf()?, None)
    });
    suite.case("read/pipelined-read-sees-the-write-before-it", |case| {
        let mut client = case.client()?;
        client.make(&case.at("n"), b"0", 0)?;
        for round in 0..200_u8 {
            client.send(&crate::wire::request::set_data(&case.at("n"), &[round], -1))?;
            client.send(&get_data(&case.at("n"), false))?;
        }
        for round in 0..200_u8 {
            client.reply()?.stat()?;
            expect(
                "data",
                client.reply()?.data_and_stat()?.0,
                Some(vec![round]),
            )?;
        }
        Ok(())
    });
    suite.case(
        "read/another-client-sees-a-write-that-was-answered",
        |case| {
            let (mut writer, mut reader) = (case.client()?, case.client()?);
            writer.make(&case.at("n"), b"0", 0)?;
            for round in 0..50_u8 {
                writer
                    .call(&crate::wire::request::set_data(&case.at("n"), &[round], -1))?
                    .stat()?;
                reader.call(&sync(&case.at("n")))?.path()?;
                expect(
                    "data",
                    reader
                        .call(&get_data(&case.at("n"), false))?
                        .data_and_stat()?
                        .0,
                    Some(vec![round]),
                )?;
            }
            Ok(())
        },
    );
}

fn ephemerals(case: &Case) -> Outcome {
    let mut client = case.client()?;
    let mut other = case.client()?;
    client.make(&case.at("dir"), b"", 0)?;
    client.make(&case.at("persistent"), b"", 0)?;
    client
        .call(&create_container(&case.at("container")))?
        .ok()?;
    let mut all = Vec::new();
    for name in ["a", "ab", "b", "dir/a"] {
        all.push(client.make(&case.at(name), b"", 1)?);
    }
    other.make(&case.at("others"), b"", 1)?;
    let expected = |names: &[&str]| names.iter().map(|name| case.at(name)).collect::<Vec<_>>();
    for (prefix, names) in [
        ("/".to_owned(), all.clone()),
        (String::new(), all.clone()),
        ("  ".to_owned(), all.clone()),
        (" / ".to_owned(), all.clone()),
        (case.root.clone(), all.clone()),
        (case.at("a"), expected(&["a", "ab"])),
        (case.at("ab"), expected(&["ab"])),
        (case.at("dir"), expected(&["dir/a"])),
        (case.at("dir/"), expected(&["dir/a"])),
        (case.at("none"), vec![]),
        ("no path".to_owned(), vec![]),
    ] {
        expect(
            &format!("prefix {prefix:?}"),
            client.call(&get_ephemerals(&prefix))?.children()?,
            names,
        )?;
    }
    expect(
        "null prefix",
        client
            .call(&Request::new(103, Body::new().null()))?
            .children()?,
        all,
    )?;
    // The list asks for no permission.
    client
        .call(&crate::wire::request::set_acl(
            &case.at("a"),
            &[Acl::world(0)],
            -1,
        ))?
        .stat()?;
    expect(
        "unreadable",
        client.call(&get_ephemerals(&case.at("a")))?.children()?,
        expected(&["a", "ab"]),
    )?;
    Ok(())
}
