//! Which change tells which watch what: the whole table, kind by kind and change by change.

use crate::wire::outcome::{Outcome, expect};
use crate::wire::raw_client::RawClient;
use crate::wire::reply::Acl;
use crate::wire::request::{
    Request, add_watch, create, delete, exists, get_children, get_children2, get_data, multi,
    set_acl, set_data,
};
use crate::wire::suite::Suite;
use crate::wire::target::Case;

/// A kind of watch and the request that sets it on a path.
pub(crate) type Kind = (&'static str, fn(&str) -> Request);

/// Every kind, set on the znode `n` or on its parent, the root of the case.
pub(crate) const KINDS: [Kind; 7] = [
    ("data", |path| get_data(path, true)),
    ("exists-on-present", |path| exists(path, true)),
    ("exists-on-absent", |path| exists(path, true)),
    ("child", |path| get_children(path, true)),
    ("child2", |path| get_children2(path, true)),
    ("persistent", |path| add_watch(path, 0)),
    ("recursive", |path| add_watch(path, 1)),
];

/// A change, made by another client: its name, whether `n` is there before, the requests.
type Change = (&'static str, bool, fn(&Case) -> Vec<Request>);

const CHANGES: [Change; 14] = [
    ("create", false, |case| vec![create(&case.at("n"), b"", 0)]),
    ("create-ephemeral", false, |case| {
        vec![create(&case.at("n"), b"", 1)]
    }),
    ("create-in-multi", false, |case| {
        vec![multi(&[create(&case.at("n"), b"", 0)])]
    }),
    ("setData", true, |case| {
        vec![set_data(&case.at("n"), b"new", -1)]
    }),
    ("setData-of-the-same-bytes", true, |case| {
        vec![set_data(&case.at("n"), b"old", -1)]
    }),
    ("setData-in-multi", true, |case| {
        vec![multi(&[set_data(&case.at("n"), b"new", -1)])]
    }),
    ("delete", true, |case| vec![delete(&case.at("n"), -1)]),
    ("delete-in-multi", true, |case| {
        vec![multi(&[delete(&case.at("n"), -1)])]
    }),
    ("setACL", true, |case| {
        vec![set_acl(
            &case.at("n"),
            &[Acl::world(31), Acl::new(1, "ip", "1.2.3.4")],
            -1,
        )]
    }),
    ("failed-setData", true, |case| {
        vec![set_data(&case.at("n"), b"new", 9)]
    }),
    ("create-of-a-child", true, |case| {
        vec![create(&case.at("n/c"), b"", 0)]
    }),
    ("delete-of-a-child", true, |case| {
        vec![create(&case.at("n/c"), b"", 0), delete(&case.at("n/c"), -1)]
    }),
    ("setData-of-a-child", true, |case| {
        vec![
            create(&case.at("n/c"), b"", 0),
            set_data(&case.at("n/c"), b"x", -1),
        ]
    }),
    ("create-of-a-grandchild", true, |case| {
        vec![
            create(&case.at("n/c"), b"", 0),
            create(&case.at("n/c/g"), b"", 0),
        ]
    }),
];

/// What the watch on `n` hears of a change.
fn heard_on_node(kind: &str, change: &str) -> Vec<&'static str> {
    let is_child = matches!(kind, "child" | "child2");
    match change {
        "create" | "create-ephemeral" | "create-in-multi" => {
            if is_child || kind == "data" {
                vec![]
            } else {
                vec!["Created n"]
            }
        }
        "setData" | "setData-of-the-same-bytes" | "setData-in-multi" => {
            if is_child {
                vec![]
            } else {
                vec!["DataChanged n"]
            }
        }
        "delete" | "delete-in-multi" => vec!["Deleted n"],
        "create-of-a-child" => match kind {
            "child" | "child2" | "persistent" => vec!["ChildrenChanged n"],
            "recursive" => vec!["Created n/c"],
            _ => vec![],
        },
        "delete-of-a-child" => match kind {
            "child" | "child2" => vec!["ChildrenChanged n"],
            "persistent" => vec!["ChildrenChanged n", "ChildrenChanged n"],
            "recursive" => vec!["Created n/c", "Deleted n/c"],
            _ => vec![],
        },
        "setData-of-a-child" => match kind {
            "child" | "child2" | "persistent" => vec!["ChildrenChanged n"],
            "recursive" => vec!["Created n/c", "DataChanged n/c"],
            _ => vec![],
        },
        "create-of-a-grandchild" => match kind {
            "child" | "child2" | "persistent" => vec!["ChildrenChanged n"],
            "recursive" => vec!["Created n/c", "Created n/c/g"],
            _ => vec![],
        },
        _ => vec![],
    }
}

/// What the watch on the parent of `n` hears of a change; the parent itself shows as an empty name.
fn heard_on_parent(kind: &str, change: &str) -> Vec<&'static str> {
    if kind == "recursive" {
        return heard_on_node(kind, change);
    }
    let makes_or_removes = change.starts_with("create-of")
        || change.starts_with("delete-of")
        || change.starts_with("setData-of-a");
    let of_node =
        (change.starts_with("create") || change.starts_with("delete")) && !makes_or_removes;
    if of_node && matches!(kind, "child" | "child2" | "persistent") {
        vec!["ChildrenChanged "]
    } else {
        vec![]
    }
}

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    for (kind, watch) in KINDS {
        for (change, is_there, requests) in CHANGES {
            // A watch of these kinds needs a znode that is there, or one that is not.
            let fits = match kind {
                "data" | "exists-on-present" | "child" | "child2" => is_there,
                "exists-on-absent" => !is_there,
                _ => true,
            };
            if fits {
                suite.case(
                    format!("watch/{kind}-on-the-znode-and-{change}"),
                    move |case| {
                        let mut watcher = watcher(case, is_there)?;
                        watcher.call(&watch(&case.at("n")))?;
                        changed(case, &mut watcher, requests, &heard_on_node(kind, change))
                    },
                );
            }
            if kind != "exists-on-absent" {
                suite.case(
                    format!("watch/{kind}-on-the-parent-and-{change}"),
                    move |case| {
                        let mut watcher = watcher(case, is_there)?;
                        watcher.call(&watch(&case.root))?;
                        changed(case, &mut watcher, requests, &heard_on_parent(kind, change))
                    },
                );
            }
        }
    }
}

/// A client, with `n` made before if it is to be there.
pub(crate) fn watcher(case: &Case, is_there: bool) -> Outcome<RawClient> {
    let mut client = case.client()?;
    if is_there {
        client.make(&case.at("n"), b"old", 0)?;
    }
    Ok(client)
}

/// Another client makes the change; the watcher has heard exactly `expected`.
fn changed(
    case: &Case,
    watcher: &mut RawClient,
    requests: fn(&Case) -> Vec<Request>,
    expected: &[&str],
) -> Outcome {
    let mut changer = case.client()?;
    for request in requests(case) {
        changer.call(&request)?;
    }
    let expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
    expect("events", watcher.seen(&case.root)?, expected)
}

/// Events as they are shown.
pub(crate) fn events(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}
