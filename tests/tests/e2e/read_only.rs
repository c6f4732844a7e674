//! A data folder on a file system that is read-only, from the start or all of a sudden.

use treekeeper_tests::process::{Namespace, ServerOptions};

use crate::fill::{assert_survived, connect, fill};

const ZNODES: usize = 50;
const LEN: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_folder_is_refused_and_nothing_in_it_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = folder.path();
    let namespace = Namespace::with_tmpfs(disk, "64m");
    let options = ServerOptions::new(disk.join("data")).inside(&namespace);
    let server = options.start();
    let client = connect(server.address()).await;
    assert_eq!(fill(&client, 0, ZNODES, LEN).await, ZNODES);
    server.kill();

    namespace.remount("ro", disk);
    let ended = options.run_to_end();
    ended.assert_failed_with(&[&disk.display().to_string(), "Read-only file system"]);

    namespace.remount("rw", disk);
    assert_survived(&options, ZNODES, LEN).await;
}

#[test]
fn a_new_folder_on_a_read_only_file_system_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = folder.path();
    let namespace = Namespace::with_tmpfs(disk, "64m");
    namespace.remount("ro", disk);
    let options = ServerOptions::new(disk.join("data")).inside(&namespace);
    options
        .run_to_end()
        .assert_failed_with(&[&disk.display().to_string(), "Read-only file system"]);
}
