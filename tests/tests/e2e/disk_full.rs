//! A disk that fills up under a server that is written to.

use futures::future::join_all;
use treekeeper_client::CreateOptions;
use treekeeper_tests::process::{Ended, Namespace, Server, ServerOptions};

use crate::fill::{assert_survived, connect, fill};
use crate::kill::model::Data;

/// More than fits.
const ZNODES: usize = 10_000;

/// Whatever notices first, the log or the tree's store, says so in words that people look for.
#[track_caller]
fn assert_says_full(ended: &Ended, disk: &std::path::Path) {
    let message = ended.message();
    let says_so = message.contains("disk is full") || message.contains("No space left on device");
    assert!(
        says_so,
        "expected a full disk in its last words:\n{}",
        ended.stderr
    );
    ended.assert_failed_with(&[&disk.display().to_string()]);
}

async fn fills_up(size: &str, len: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = folder.path();
    let namespace = Namespace::with_tmpfs(disk, size);
    let options = ServerOptions::new(disk.join("data")).inside(&namespace);
    let server = options.start();
    let client = connect(server.address()).await;

    let acknowledged = fill(&client, 0, ZNODES, len).await;
    assert!(
        (1..ZNODES).contains(&acknowledged),
        "{acknowledged} znodes of {len} bytes fit into {size}"
    );
    assert_says_full(&server.wait_for_end(), disk);
    drop(client);

    // It may come up to say so again, and may serve reads for a moment: it must not lose anything by trying.
    let again = options.spawn();
    if again
        .line_within(
            "listening for clients",
            treekeeper_tests::process::server::PATIENCE,
        )
        .is_some()
    {
        again.kill();
    } else {
        assert_says_full(&again.wait_for_end(), disk);
    }

    namespace.remount("size=512m", disk);
    assert_survived(&options, acknowledged, len).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_stops_and_says_so_and_every_acknowledged_write_is_there_with_more_space() {
    fills_up("12m", 10_000).await;
}

/// Larger writes reach the end of the disk elsewhere: in the log's next file, in a flush of the tree.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_writes_fill_it_likewise() {
    fills_up("90m", 200_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_at_the_same_time_are_told_nothing_that_is_not_so() {
    const WRITERS: usize = 4;
    let folder = tempfile::tempdir().expect("a folder");
    let disk = folder.path();
    let namespace = Namespace::with_tmpfs(disk, "24m");
    let options = ServerOptions::new(disk.join("data")).inside(&namespace);
    let server = options.start();
    let address = server.address();
    let data = |writer: usize, number: usize| Data {
        seed: (writer << 32 | number) as u64,
        len: 5_000,
    };

    let writers = (0..WRITERS).map(|writer| async move {
        let client = connect(address).await;
        let mut acknowledged = 0;
        loop {
            // A few at once, so that a batch of the log holds several.
            let paths: Vec<_> = (0..16)
                .map(|next| format!("/w{writer}-{}", acknowledged + next))
                .collect();
            let options = CreateOptions::default();
            let creates = paths.iter().enumerate().map(|(next, path)| {
                client.create(path, data(writer, acknowledged + next).bytes(), &options)
            });
            let done = join_all(creates)
                .await
                .iter()
                .take_while(|outcome| outcome.is_ok())
                .count();
            acknowledged += done;
            if done < 16 {
                return acknowledged;
            }
        }
    });
    let acknowledged = join_all(writers).await;
    assert_says_full(&server.wait_for_end(), disk);

    namespace.remount("size=512m", disk);
    let server: Server = options.start();
    let client = connect(server.address()).await;
    for (writer, acknowledged) in acknowledged.into_iter().enumerate() {
        for number in 0..acknowledged {
            let path = format!("/w{writer}-{number}");
            let (found, _) = client
                .get_data(&path)
                .await
                .unwrap_or_else(|error| panic!("{path}: {error}"));
            assert_eq!(found, Some(data(writer, number).bytes()), "{path}");
        }
    }
    server.stop();
}
