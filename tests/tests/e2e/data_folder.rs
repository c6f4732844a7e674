//! Data folders that a server must not use: another's, a ZooKeeper's, a newer release's.

use std::fs;
use std::path::Path;

use treekeeper_tests::process::files::{copy_folder, log_dir, newest_segment, tree_dir};
use treekeeper_tests::process::{Server, ServerOptions};

use crate::fill::{assert_filled, assert_survived, connect, fill};

const ZNODES: usize = 50;
const LEN: usize = 100;

async fn filled(options: &ServerOptions<'_>) -> Server {
    let server = options.start();
    let client = connect(server.address()).await;
    assert_eq!(fill(&client, 0, ZNODES, LEN).await, ZNODES);
    client.close().await.expect("a session can be closed");
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_another_server_uses_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = ServerOptions::new(folder.path());
    let first = filled(&options).await;

    let second = ServerOptions::new(folder.path()).run_to_end();
    second.assert_failed_with(&[
        "in use by another process",
        &folder.path().display().to_string(),
    ]);

    let client = connect(first.address()).await;
    assert_filled(&client, ZNODES, LEN).await;
    assert_eq!(
        fill(&client, ZNODES, 1, LEN).await,
        1,
        "the first server goes on"
    );
    first.kill();
    assert_survived(&options, ZNODES + 1, LEN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_folder_that_another_server_uses_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    let first = filled(&ServerOptions::new(&data).set("dataLogDir", log.display())).await;
    let other = ServerOptions::new(folder.path().join("other")).set("dataLogDir", log.display());
    other
        .run_to_end()
        .assert_failed_with(&["in use by another process", &log.display().to_string()]);
    first.stop();
}

#[test]
fn a_zookeepers_folder_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let version_2 = folder.path().join("version-2");
    fs::create_dir(&version_2).expect("a folder can be made");
    fs::write(version_2.join("log.1"), b"ZKLG").expect("a file can be written");
    fs::write(version_2.join("snapshot.0"), b"ZKSN").expect("a file can be written");
    let ended = ServerOptions::new(folder.path()).run_to_end();
    ended.assert_failed_with(&[
        "holds the data of an Apache ZooKeeper",
        &version_2.display().to_string(),
        "Give an empty folder",
    ]);
    let left: Vec<_> = fs::read_dir(folder.path())
        .expect("a folder can be listed")
        .collect();
    assert_eq!(left.len(), 1, "nothing is put beside it: {left:?}");
}

/// The fixture is a store of RocksDB that holds one record: `v`, the format version, 2.
#[test]
fn a_tree_that_a_newer_release_wrote_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/store-format-2");
    let tree = tree_dir(folder.path());
    copy_folder(&fixture, &tree);
    let ended = ServerOptions::new(folder.path()).run_to_end();
    ended.assert_failed_with(&[
        "written by a newer treekeeper",
        "format 2",
        &tree.display().to_string(),
    ]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_a_newer_release_wrote_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = ServerOptions::new(folder.path());
    filled(&options).await.kill();
    let (segment, _) = newest_segment(folder.path());
    let ours = fs::read(&segment).expect("a segment can be read");
    fs::write(&segment, of_format_2(&ours)).expect("a segment can be written");

    let ended = options.run_to_end();
    ended.assert_failed_with(&[
        &segment.display().to_string(),
        "format version 2",
        "reads up to 1",
    ]);

    fs::write(&segment, ours).expect("a segment can be written");
    assert_survived(&options, ZNODES, LEN).await;
}

/// A segment's bytes with format version 2 in the header: version at 8, checksum of the sector without itself at 12.
fn of_format_2(segment: &[u8]) -> Vec<u8> {
    let mut newer = segment.to_vec();
    newer[8..12].copy_from_slice(&2_u32.to_le_bytes());
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&newer[..12]);
    hasher.update(&newer[16..512]);
    newer[12..16].copy_from_slice(&hasher.finalize().to_le_bytes());
    newer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_without_its_log_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = ServerOptions::new(folder.path());
    filled(&options).await.stop();
    let (log, aside) = (log_dir(folder.path()), folder.path().join("aside"));
    fs::rename(&log, &aside).expect("a folder can be moved");

    options
        .run_to_end()
        .assert_failed_with(&["the log's folder is new"]);

    fs::remove_dir_all(&log).expect("a folder can be removed");
    fs::rename(&aside, &log).expect("a folder can be moved");
    assert_survived(&options, ZNODES, LEN).await;
}
