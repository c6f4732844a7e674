//! Which paths may be created, and what other operations make of odd ones.

use crate::wire::outcome::expect;
use crate::wire::reply::Acl;
use crate::wire::reply::OpResult;
use crate::wire::request::{
    check, create, delete, exists, get_children, get_data, multi, set_acl, set_data,
};
use crate::wire::suite::Suite;

/// Names that are fine below a parent.
const GOOD: &[(&str, &str)] = &[
    ("space", "a b"),
    ("leading-space", " a"),
    ("three-dots", "..."),
    ("leading-dot", ".a"),
    ("trailing-dot", "a."),
    ("two-dots-inside", "a..b"),
    ("tilde", "~"),
    (
        "percent-encoded-url",
        "dubbo%3A%2F%2F10.0.0.1%3A20880%2Forg.Demo%3Fa%3D1%26b%3D2",
    ),
    ("colon-comma-equals", "a:b,c=d"),
    ("backslash", "a\\b"),
    ("quotes", "\"'`"),
    ("latin", "\u{e9}\u{f1}"),
    ("no-break-space-u00a0", "\u{a0}"),
    ("chinese", "\u{670d}\u{52a1}"),
    ("line-separator-u2028", "\u{2028}"),
    ("last-before-surrogates-ud7ff", "\u{d7ff}"),
    ("first-behind-private-use-uf900", "\u{f900}"),
    ("byte-order-mark-ufeff", "\u{feff}"),
    ("last-before-specials-uffef", "\u{ffef}"),
];

/// Names that are not.
const BAD: &[(&str, &str)] = &[
    ("dot", "."),
    ("dot-dot", ".."),
    ("nul", "\0"),
    ("nul-inside", "a\0b"),
    ("control-u0001", "\u{1}"),
    ("tab", "a\tb"),
    ("newline", "a\nb"),
    ("control-u001f", "\u{1f}"),
    ("delete-u007f", "\u{7f}"),
    ("control-u0080", "\u{80}"),
    ("control-u009f", "\u{9f}"),
    ("private-use-ue000", "\u{e000}"),
    ("private-use-uf8ff", "\u{f8ff}"),
    ("special-ufff0", "\u{fff0}"),
    ("replacement-ufffd", "\u{fffd}"),
    ("special-uffff", "\u{ffff}"),
    ("emoji", "\u{1f600}"),
    ("plane-16", "\u{10fffd}"),
    ("trailing-slash-on-a-missing-parent-is-no-name", ""),
];

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    for &(name, text) in GOOD {
        suite.case(format!("path/{name}-is-a-name"), move |case| {
            let mut client = case.client()?;
            expect("path", client.make(&case.at(text), b"x", 0)?, case.at(text))?;
            expect(
                "children",
                client.call(&get_children(&case.root, false))?.children()?,
                vec![text.to_owned()],
            )?;
            client.call(&set_data(&case.at(text), b"y", 0))?.stat()?;
            client.call(&delete(&case.at(text), 1))?.bare()
        });
    }
    for &(name, text) in BAD {
        suite.case(format!("path/{name}-is-no-name"), move |case| {
            let mut client = case.client()?;
            let path = case.at(text);
            client.call(&create(&path, b"", 0))?.refused(-8)?;
            client.call(&set_data(&path, b"", -1))?.refused(-8)?;
            client
                .call(&set_acl(&path, &[Acl::world(31)], -1))?
                .refused(-8)?;
            let results = client.call(&multi(&[check(&path, -1)]))?.results()?;
            expect("results of a check", results, vec![OpResult::Error(-8)])?;
            // getData checks no path: there is just no such znode.
            client.call(&get_data(&path, false))?.refused(-101)?;
            client
                .call(&exists(&path, false))?
                .refused(if text.contains('\0') { -8 } else { -101 })?;
            client.call(&get_children(&path, false))?.refused(-101)?;
            client
                .call(&delete(&path, -1))?
                .refused(if text.contains('\0') { -8 } else { -101 })
        });
    }
    for (name, text) in [
        ("dots", "a/./b"),
        ("dot-dots", "a/../b"),
        ("empty", "a//b"),
        ("several-empty", "a///b"),
    ] {
        suite.case(
            format!("path/create-with-{name}-inside-misses-its-parent"),
            move |case| {
                let mut client = case.client()?;
                client.make(&case.at("a"), b"", 0)?;
                client
                    .call(&create(&case.at(text), b"", 0))?
                    .refused(-101)?;
                client.call(&set_data(&case.at(text), b"", -1))?.refused(-8)
            },
        );
    }
    for path in ["relative", "", "/a/"] {
        suite.case(
            format!("path/setData-and-setACL-of-{path:?}-are-refused-with--8"),
            move |case| {
                let mut client = case.client()?;
                client.call(&set_data(path, b"", -1))?.refused(-8)?;
                client
                    .call(&set_acl(path, &[Acl::world(31)], -1))?
                    .refused(-8)
            },
        );
    }
    for length in [255, 256, 4_096, 65_536, 500_000] {
        suite.case(
            format!("path/name-of-{length}-bytes-is-a-name"),
            move |case| {
                let mut client = case.client()?;
                let path = case.at(&"n".repeat(length));
                client.make(&path, b"x", 0)?;
                client.call(&exists(&path, false))?.stat()?;
                client.call(&delete(&path, -1))?.bare()
            },
        );
    }
    suite.case("path/200-levels-deep", |case| {
        let mut client = case.client()?;
        let mut path = case.root.clone();
        for _ in 0..200 {
            path.push_str("/d");
            client.make(&path, b"", 0)?;
        }
        client.call(&exists(&path, false))?.stat()?;
        let all = client
            .call(&crate::wire::request::get_all_children_number(&case.root))?
            .number()?;
        expect("number of all children", all, 200)
    });
    suite.case("path/names-that-share-a-prefix-are-apart", |case| {
        let mut client = case.client()?;
        for name in ["a", "ab", "a b", "a-b", "a.b", "a0"] {
            client.make(&case.at(name), name.as_bytes(), 0)?;
        }
        client.make(&case.at("a/child"), b"", 0)?;
        expect(
            "children of a",
            client
                .call(&get_children(&case.at("a"), false))?
                .children()?,
            vec!["child".to_owned()],
        )?;
        expect(
            "children of ab",
            client
                .call(&get_children(&case.at("ab"), false))?
                .children()?,
            Vec::<String>::new(),
        )?;
        let all = client
            .call(&crate::wire::request::get_all_children_number(
                &case.at("a"),
            ))?
            .number()?;
        expect("number of all children of a", all, 1)
    });
}
