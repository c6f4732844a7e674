//! A tree ten times as large as the memory it may take.

use std::collections::BTreeMap;
use std::fs;

use futures::future::join_all;
use treekeeper_client::{Client, CreateOptions, Op, OpResult, Stat};
use treekeeper_tests::process::{Server, ServerOptions};

use crate::fill::connect;
use crate::kill::model::Data;

/// The budget of the cache in MB.
const CACHE_MB: usize = 8;
/// What a process takes beside its cache: code, threads, buffers of writes, memtables. Generous.
const BESIDE_CACHE_MB: usize = 200;
const PARENTS: usize = 100;
const CHILDREN: usize = 210;
/// With these the data alone are more than ten times the budget.
const LEN: usize = 4_000;
/// Requests on their way at once.
const AT_ONCE: usize = 200;
/// Creates in one multi.
const IN_ONE_MULTI: usize = 30;

fn parent(number: usize) -> String {
    format!("/parent{number:03}")
}

fn path(parent: usize, child: usize) -> String {
    format!("/parent{parent:03}/child{child:03}")
}

fn data(parent: usize, child: usize, generation: usize) -> Data {
    Data {
        seed: ((generation * PARENTS + parent) * CHILDREN + child + 1) as u64,
        len: LEN,
    }
}

fn all() -> Vec<(usize, usize)> {
    (0..PARENTS)
        .flat_map(|parent| (0..CHILDREN).map(move |child| (parent, child)))
        .collect()
}

/// What the server said about each znode last.
type Stats = BTreeMap<(usize, usize), Stat>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_times_the_budget_is_written_and_read() {
    const { assert!(PARENTS * CHILDREN * LEN >= 10 * (CACHE_MB << 20)) };
    let folder = tempfile::tempdir().expect("a folder for the data");
    let options =
        ServerOptions::new(folder.path()).set("treekeeper.cacheSize", format!("{CACHE_MB}M"));
    let server = options.start();
    let client = connect(server.address()).await;

    let mut stats = create_all(&client).await;
    assert_memory_is_bounded(&server);
    read_all(&client, &stats, 0).await;
    assert_memory_is_bounded(&server);
    write_all(&client, &mut stats).await;
    read_all(&client, &stats, 1).await;
    assert_memory_is_bounded(&server);
    drop(client);
    server.kill();

    // A restart takes time in what was not flushed, not in the size of the tree.
    let server = options.start();
    let replayed = server.number("recovered", "replayed");
    let total = server.number("leading an ensemble of one", "index");
    assert!(
        replayed < total / 2,
        "{replayed} of {total} log entries were replayed"
    );
    let client = connect(server.address()).await;
    read_all(&client, &stats, 1).await;
    assert_memory_is_bounded(&server);
    client.close().await.expect("a session can be closed");
    server.stop();
}

async fn create_all(client: &Client) -> Stats {
    for number in 0..PARENTS {
        let created = client
            .create(&parent(number), "", &CreateOptions::default())
            .await;
        created.expect("a parent can be created");
    }
    let mut stats = Stats::new();
    for multis in all().chunks(AT_ONCE) {
        let multis = multis.chunks(IN_ONE_MULTI);
        let outcomes = join_all(multis.clone().map(|znodes| {
            let creates = znodes.iter().map(|(parent, child)| Op::Create {
                path: path(*parent, *child),
                data: data(*parent, *child, 0).bytes(),
                options: CreateOptions::default(),
            });
            client.multi(creates.collect())
        }))
        .await;
        for (znodes, outcome) in multis.zip(outcomes) {
            let results = outcome.expect("znodes can be created");
            for (znode, result) in znodes.iter().zip(results) {
                let OpResult::Create2 { stat, .. } = result else {
                    panic!("{result:?} for the create of {znode:?}");
                };
                stats.insert(*znode, stat);
            }
        }
    }
    stats
}

async fn write_all(client: &Client, stats: &mut Stats) {
    for some in all().chunks(AT_ONCE) {
        let writes = some.iter().map(|(parent, child)| {
            let path = path(*parent, *child);
            let data = data(*parent, *child, 1).bytes();
            async move { client.set_data(&path, data, Some(0)).await }
        });
        for (znode, outcome) in some.iter().zip(join_all(writes).await) {
            let stat = outcome.unwrap_or_else(|error| panic!("{znode:?}: {error}"));
            assert_eq!(stat.version, 1, "{znode:?}");
            stats.insert(*znode, stat);
        }
    }
}

async fn read_all(client: &Client, stats: &Stats, generation: usize) {
    for number in 0..PARENTS {
        let (mut names, stat) = client
            .get_children(&parent(number))
            .await
            .expect("a parent is there");
        names.sort();
        let expected: Vec<_> = (0..CHILDREN)
            .map(|child| format!("child{child:03}"))
            .collect();
        assert_eq!(names, expected, "children of {}", parent(number));
        let children = i32::try_from(CHILDREN).expect("a few children");
        assert_eq!((stat.num_children, stat.cversion), (children, children));
    }
    for some in all().chunks(AT_ONCE) {
        let reads = some.iter().map(|(parent, child)| {
            let path = path(*parent, *child);
            async move { client.get_data(&path).await }
        });
        for (znode, outcome) in some.iter().zip(join_all(reads).await) {
            let (found, stat) = outcome.unwrap_or_else(|error| panic!("{znode:?}: {error}"));
            assert_eq!(Some(&stat), stats.get(znode), "{znode:?}");
            let expected = data(znode.0, znode.1, generation).bytes();
            assert_eq!(found, Some(expected), "data of {znode:?}");
        }
    }
}

/// The most that the process ever had in memory.
fn assert_memory_is_bounded(server: &Server) {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid()));
    let status = status.expect("the server runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    let kb: usize = kb.expect("the peak").parse().expect("a number");
    println!("at most {} MB of memory", kb >> 10);
    assert!(
        kb >> 10 <= CACHE_MB + BESIDE_CACHE_MB,
        "{} MB for a cache of {CACHE_MB} MB",
        kb >> 10
    );
}
