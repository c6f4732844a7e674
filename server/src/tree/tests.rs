use std::collections::BTreeMap;

use proptest::prelude::*;

use super::children::StoredChildren;
use super::*;

fn znode(version: i32) -> Arc<Znode> {
    Arc::new(Znode {
        czxid: 1,
        mzxid: 1,
        pzxid: 1,
        ctime: 0,
        mtime: 0,
        version,
        child_creations: 0,
        aversion: 0,
        owner: Owner::Persistent,
        num_children: 0,
        data: None,
        acl: None,
    })
}

#[derive(Debug, Clone)]
enum Step {
    Put(String, i32),
    Remove(String),
    Freeze,
    Write,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let path = prop_oneof![
        Just("/a"),
        Just("/a/b"),
        Just("/a/c"),
        Just("/a/b/d"),
        Just("/ab"),
        Just("/ab/x")
    ];
    prop_oneof![
        6 => (path.clone(), any::<i32>()).prop_map(|(path, version)| Step::Put(path.to_owned(), version)),
        3 => path.prop_map(|path| Step::Remove(path.to_owned())),
        1 => Just(Step::Freeze),
        1 => Just(Step::Write),
        1 => Just(Step::Reopen),
    ]
}

fn child_changed(tree: &mut Tree, path: &str, exists: bool) {
    let (parent, name) = path.rsplit_once('/').expect("not the root");
    tree.child_changed(if parent.is_empty() { "/" } else { parent }, name, exists);
}

fn flush(tree: &mut Tree) {
    tree.freeze();
    if let Some(frozen) = tree.frozen.clone() {
        tree.store().write(&frozen).expect("writes");
        drop(tree.flushed());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn lookups_lists_and_walks_match_a_map(steps in prop::collection::vec(step(), 1..60), budget in prop_oneof![0u64..8192, 0u64..2 << 20]) {
        let dir = tempfile::tempdir().expect("a folder");
        let mut tree = Tree::open(dir.path(), budget).expect("opens");
        let mut model: BTreeMap<String, i32> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Put(path, version) => {
                    tree.put(&path, &znode(version));
                    child_changed(&mut tree, &path, true);
                    model.insert(path, version);
                }
                Step::Remove(path) => {
                    tree.remove(&path);
                    child_changed(&mut tree, &path, false);
                    model.remove(&path);
                }
                Step::Freeze => drop(tree.freeze()),
                Step::Write => flush(&mut tree),
                Step::Reopen => {
                    flush(&mut tree);
                    flush(&mut tree);
                    tree.store().sync().expect("syncs");
                    drop(tree);
                    tree = Tree::open(dir.path(), budget).expect("opens again");
                }
            }
            tree.set_len(model.len() as u64);
            for path in ["/a", "/a/b", "/a/c", "/a/b/d", "/ab", "/ab/x"] {
                let found = tree.get(path).expect("reads").map(|znode| znode.version);
                prop_assert_eq!(found, model.get(path).copied(), "{}", path);
                let prefix = format!("{path}/");
                let below: Vec<&String> = model.keys().filter(|key| key.starts_with(&prefix)).collect();
                let children: Vec<&str> = below.iter().map(|key| &key[prefix.len()..]).filter(|name| !name.contains('/')).collect();
                let list = tree.children(path).expect("lists");
                prop_assert_eq!(list.names().collect::<Vec<_>>(), children);
                let mut walked = Vec::new();
                tree.for_each_descendant(path, |path, _| walked.push(path.to_owned())).expect("walks");
                walked.sort();
                prop_assert_eq!(walked.iter().collect::<Vec<_>>(), below);
            }
        }
    }
}

#[test]
fn a_load_from_before_a_flush_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut tree = Tree::open(dir.path(), 0).expect("opens");
    tree.put("/a", &znode(1));
    flush(&mut tree);
    tree.znodes.clear();
    let Lookup::Unknown(epoch) = tree.lookup("/a") else {
        panic!("only the store knows")
    };
    let loaded = tree.store().znode("/a").expect("reads");
    let names = StoredChildren::load(tree.store(), "/a").expect("lists");
    tree.put("/a", &znode(2));
    assert!(
        !tree.admit("/a", loaded.as_ref(), epoch),
        "a newer one is buffered"
    );
    flush(&mut tree);
    assert!(
        !tree.admit("/a", loaded.as_ref(), epoch),
        "a flush has ended since"
    );
    assert!(tree.complete_children("/a", &names, epoch).is_none());
    assert_eq!(tree.get("/a").expect("reads").expect("is there").version, 2);
}

#[test]
fn a_newer_format_is_refused_with_its_folder() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut tree = Tree::open(dir.path(), 0).expect("opens");
    tree.put_record(
        Key::version(),
        (store::STORE_FORMAT_VERSION + 1).to_be_bytes().to_vec(),
    );
    flush(&mut tree);
    tree.store().sync().expect("syncs");
    drop(tree);
    let refused = Tree::open(dir.path(), 0)
        .err()
        .expect("is refused")
        .to_string();
    assert!(
        refused.contains("newer treekeeper") && refused.contains(&dir.path().display().to_string()),
        "{refused}"
    );
}
