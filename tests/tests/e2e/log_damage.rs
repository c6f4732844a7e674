//! Bytes of the log that are not what was written.

use std::fs;
use std::path::Path;

use treekeeper_tests::process::ServerOptions;
use treekeeper_tests::process::files::{SEGMENT_HEADER_LEN, flip_bit, newest_segment, truncate};

use crate::fill::{assert_filled, assert_survived, connect, fill};

const ZNODES: usize = 100;
const LEN: usize = 500;

/// Fills a new data folder with one write after the other, then kills the server.
async fn filled(options: &ServerOptions<'_>) {
    let server = options.start();
    let client = connect(server.address()).await;
    assert_eq!(fill(&client, 0, ZNODES, LEN).await, ZNODES);
    server.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_below_the_durable_point_stops_the_server_which_names_the_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = ServerOptions::new(folder.path());
    filled(&options).await;
    let (segment, end) = newest_segment(folder.path());
    for part in 1..8 {
        let flipped = SEGMENT_HEADER_LEN + (end - SEGMENT_HEADER_LEN) * part / 10;
        flip_bit(&segment, flipped);
        let ended = options.run_to_end();
        ended.assert_failed_with(&[&segment.display().to_string(), "is damaged at offset "]);
        let offset = ended
            .message()
            .split("at offset ")
            .nth(1)
            .and_then(|rest| rest.split(':').next());
        let offset: u64 = offset.expect("an offset").parse().expect("a number");
        let record = flipped.saturating_sub(2 * LEN as u64)..=flipped;
        assert!(
            record.contains(&offset),
            "bit flipped at {flipped}: {}",
            ended.message()
        );
        flip_bit(&segment, flipped);
    }
    assert_survived(&options, ZNODES, LEN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_header_stops_the_server_which_names_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = ServerOptions::new(folder.path());
    filled(&options).await;
    let (segment, _) = newest_segment(folder.path());
    flip_bit(&segment, 20);
    options
        .run_to_end()
        .assert_failed_with(&[&segment.display().to_string(), "is damaged at offset 0"]);
    flip_bit(&segment, 20);
    assert_survived(&options, ZNODES, LEN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_segment_stops_the_server_or_the_tree_does_not_need_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = ServerOptions::new(folder.path());
    filled(&options).await;
    let (segment, _) = newest_segment(folder.path());
    let aside = folder.path().join("aside");
    fs::rename(&segment, &aside).expect("a file can be moved");
    let ended = options.run_to_end();
    assert_eq!(
        ended.status.code(),
        Some(1),
        "acknowledged writes are missing:\n{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    fs::rename(&aside, &segment).expect("a file can be moved");
    assert_survived(&options, ZNODES, LEN).await;
}

/// A tail that a power cut tore, in two ways: the file ends early, or its last bytes are not there.
async fn torn_tail(tear: impl Fn(&Path, u64)) {
    let folder = tempfile::tempdir().expect("a folder");
    let options = ServerOptions::new(folder.path());
    filled(&options).await;
    let (segment, end) = newest_segment(folder.path());
    tear(&segment, end);

    let server = options.start();
    assert!(
        server
            .stderr()
            .contains("cut an incomplete write off the log"),
        "{}",
        server.stderr()
    );
    let client = connect(server.address()).await;
    // The disk holds all but the last.
    assert_filled(&client, ZNODES - 1, LEN).await;
    assert_eq!(fill(&client, ZNODES, 10, LEN).await, 10, "it goes on");
    server.kill();
    assert_survived(&options, ZNODES - 1, LEN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_file_that_ends_early_is_cut_with_a_warning() {
    torn_tail(|segment, end| truncate(segment, end - 20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_last_write_that_is_there_in_part_is_cut_with_a_warning() {
    torn_tail(|segment, end| {
        let mut bytes = fs::read(segment).expect("a segment can be read");
        let end = usize::try_from(end).expect("a short file");
        bytes[end - 300..end].fill(0);
        fs::write(segment, bytes).expect("a segment can be written");
    })
    .await;
}
