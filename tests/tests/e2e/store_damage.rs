//! Files of the tree's store that are missing or not what was written.

use std::fs;
use std::path::{Path, PathBuf};

use treekeeper_tests::process::ServerOptions;
use treekeeper_tests::process::files::{flip_bit, log_dir, tree_dir, with_suffix};

use crate::fill::{assert_filled, assert_survived, connect, fill};

const ZNODES: usize = 200;
const LEN: usize = 1_000;

/// A data folder whose tree is flushed.
async fn flushed(options: &ServerOptions<'_>) {
    let server = options.start();
    let client = connect(server.address()).await;
    assert_eq!(fill(&client, 0, ZNODES, LEN).await, ZNODES);
    client.close().await.expect("a session can be closed");
    server.stop();
}

fn manifest(tree: &Path) -> PathBuf {
    let current = fs::read_to_string(tree.join("CURRENT")).expect("a store has a CURRENT");
    tree.join(current.trim())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_manifest_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = ServerOptions::new(folder.path());
    flushed(&options).await;
    let tree = tree_dir(folder.path());
    let (manifest, aside) = (manifest(&tree), folder.path().join("aside"));
    fs::rename(&manifest, &aside).expect("a file can be moved");
    options
        .run_to_end()
        .assert_failed_with(&[&tree.display().to_string(), "MANIFEST"]);
    fs::rename(&aside, &manifest).expect("a file can be moved");
    assert_survived(&options, ZNODES, LEN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_garbled_manifest_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = ServerOptions::new(folder.path());
    flushed(&options).await;
    let tree = tree_dir(folder.path());
    let manifest = manifest(&tree);
    let intact = fs::read(&manifest).expect("a file can be read");
    fs::write(&manifest, b"garbage, not a manifest of any store").expect("a file can be written");
    options
        .run_to_end()
        .assert_failed_with(&[&tree.display().to_string(), "Corruption"]);
    fs::write(&manifest, intact).expect("a file can be written");
    assert_survived(&options, ZNODES, LEN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_current_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = ServerOptions::new(folder.path());
    flushed(&options).await;
    let tree = tree_dir(folder.path());
    let (current, aside) = (tree.join("CURRENT"), folder.path().join("aside"));
    fs::rename(&current, &aside).expect("a file can be moved");
    options
        .run_to_end()
        .assert_failed_with(&[&tree.display().to_string()]);
    fs::rename(&aside, &current).expect("a file can be moved");
    assert_survived(&options, ZNODES, LEN).await;
}

/// The log still holds everything here, and the tree is what the log makes of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_tree_is_made_again_from_a_log_that_holds_everything() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = ServerOptions::new(folder.path());
    flushed(&options).await;
    fs::remove_dir_all(tree_dir(folder.path())).expect("a folder can be removed");
    assert_survived(&options, ZNODES, LEN).await;
}

/// Length of the data that fill the log in [`purged`].
const LONG: usize = 100_000;
/// More of them than it takes until the log gives its first file up.
const LONG_ZNODES_MAX: usize = 3_000;

/// A data folder whose log holds but the end of what the tree holds; says how many znodes of [`LONG`] bytes.
async fn purged(folder: &Path) -> (ServerOptions<'static>, usize) {
    let options = ServerOptions::new(folder).set("treekeeper.logRetention", "1M");
    let server = options.start();
    let client = connect(server.address()).await;
    let first = with_suffix(&log_dir(folder), ".log").remove(0);
    let mut count = 0;
    while first.exists() && count < LONG_ZNODES_MAX {
        assert_eq!(fill(&client, count, 10, LONG).await, 10);
        count += 10;
    }
    assert!(
        !first.exists(),
        "the log keeps everything after {count} znodes of {LONG} bytes"
    );
    client.close().await.expect("a session can be closed");
    server.stop();
    (options, count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_tree_is_an_error_when_the_log_no_longer_holds_everything() {
    let folder = tempfile::tempdir().expect("a folder");
    let (options, count) = purged(folder.path()).await;
    let (tree, aside) = (tree_dir(folder.path()), folder.path().join("aside"));
    fs::rename(&tree, &aside).expect("a folder can be moved");
    options.run_to_end().assert_failed_with(&["purged"]);
    fs::remove_dir_all(&tree).expect("a folder can be removed");
    fs::rename(&aside, &tree).expect("a folder can be moved");
    assert_survived(&options, count, LONG).await;
}

/// Without CURRENT and its empty log RocksDB takes the folder for a new one, and the files in it for rubbish.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_that_looks_new_is_refused_and_its_files_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let (options, count) = purged(folder.path()).await;
    let (tree, aside) = (tree_dir(folder.path()), folder.path().join("aside"));
    fs::create_dir(&aside).expect("a folder can be made");
    let mut missing = with_suffix(&tree, ".log");
    missing.push(tree.join("CURRENT"));
    for file in &missing {
        fs::rename(file, aside.join(file.file_name().expect("a name")))
            .expect("a file can be moved");
    }
    let before = with_suffix(&tree, ".sst");
    assert!(!before.is_empty(), "a flushed tree has files");

    let ended = options.run_to_end();
    let after = with_suffix(&tree, ".sst");
    assert!(
        before.iter().all(|file| after.contains(file)),
        "of {before:?} there are {after:?} after\n{}",
        ended.stderr
    );
    ended.assert_failed_with(&[&tree.display().to_string(), "CURRENT"]);
    for file in &missing {
        fs::rename(aside.join(file.file_name().expect("a name")), file)
            .expect("a file can be moved");
    }
    assert_survived(&options, count, LONG).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flipped_bits_in_the_store_stop_the_server_before_it_tells_anything_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = ServerOptions::new(folder.path());
    flushed(&options).await;
    let tree = tree_dir(folder.path());
    let files = with_suffix(&tree, ".sst");
    let largest = files
        .iter()
        .max_by_key(|file| fs::metadata(file).map_or(0, |data| data.len()));
    let largest = largest.expect("a flushed tree has files");
    let len = fs::metadata(largest).expect("a file has a length").len();
    for part in 0..4 {
        let offset = len * (2 * part + 1) / 10;
        flip_bit(largest, offset);
        let server = options.spawn();
        if server
            .line_within(
                "listening for clients",
                treekeeper_tests::process::server::PATIENCE,
            )
            .is_some()
        {
            // Only what is read is checked; reading everything must come upon it.
            let client = connect(server.address()).await;
            let read = tokio::spawn(async move { assert_filled(&client, ZNODES, LEN).await });
            assert!(
                read.await.is_err(),
                "bit {offset} of {} is flipped and nobody noticed",
                largest.display()
            );
        }
        let ended = server.wait_for_end();
        ended.assert_failed_with(&[&tree.display().to_string(), "Corruption"]);
        flip_bit(largest, offset);
    }
    assert_survived(&options, ZNODES, LEN).await;
}
