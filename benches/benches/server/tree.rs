//! The tree: znodes in memory, encoded and decoded.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::Criterion;
use treekeeper_server::tree::{Lookup, Owner, Stored, Tree, Znode};

/// With a thousand children.
const PARENT: &str = "/population/0042";
const CACHE_BYTES: u64 = 256 << 20;
/// Far more than a processor's caches hold.
const ZNODES: usize = 200_000;

fn znode() -> Znode {
    Znode {
        data: Some(Bytes::from_static(&[b'x'; 100])),
        ..Znode::born(1 << 33, 1_700_000_000_000, Owner::Persistent)
    }
}

pub(crate) fn benches(criterion: &mut Criterion) {
    let znode = znode();
    let mut scratch = Vec::new();
    let stored = Stored::new(&znode, &mut scratch);
    criterion.bench_function("znode: encode", |bencher| {
        bencher.iter(|| Stored::new(black_box(&znode), &mut scratch));
    });
    criterion.bench_function("znode: decode", |bencher| {
        bencher.iter(|| Znode::decode(black_box(stored.as_bytes())));
    });

    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut tree = Tree::open(folder.path(), CACHE_BYTES).expect("an empty folder opens");
    let paths: Vec<String> = (0..ZNODES)
        .map(|number| {
            format!(
                "/population/{:04}/znode-of-the-bench-{number:012}",
                number / 1000
            )
        })
        .collect();
    for path in &paths {
        tree.put(path, &znode);
    }
    // Not one after the other as they lie in memory.
    let mut next = 0;
    let mut step = || {
        next = (next + 7919) % ZNODES;
        &paths[next]
    };
    criterion.bench_function("tree: look up a znode in memory", |bencher| {
        bencher.iter(|| match tree.lookup(step()) {
            Lookup::Found(znode) => Arc::clone(&znode),
            Lookup::Absent | Lookup::Unknown(_) => unreachable!("it was put there"),
        });
    });
    criterion.bench_function("tree: put a znode over another", |bencher| {
        bencher.iter(|| tree.put(step(), &znode));
    });
    // As `apply` does it.
    criterion.bench_function("tree: look up a znode and change it", |bencher| {
        bencher.iter(|| {
            let path = step();
            black_box(tree.lookup(path));
            tree.put(path, &znode);
        });
    });
    criterion.bench_function("tree: list 1000 children, not cached", |bencher| {
        bencher.iter_custom(|count| {
            let mut elapsed = Duration::ZERO;
            for _ in 0..count {
                // A removed znode's list is forgotten.
                tree.remove(PARENT);
                tree.put(PARENT, &znode);
                let start = Instant::now();
                black_box(tree.children(PARENT).expect("the store works"));
                elapsed += start.elapsed();
            }
            elapsed
        });
    });
}
