//! A clean stop: exit code 0, everything flushed, clients see the end of their connections.

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;
use treekeeper_tests::process::ServerOptions;
use treekeeper_tests::process::server::PATIENCE;

use crate::fill::{assert_survived, connect, fill};

/// Entries of the log that a start writes by itself, and those that a stop may leave behind.
const REPLAYED_MAX: u64 = 10;
/// More than that.
const ZNODES: usize = 200;

async fn stops_cleanly_on(signal: Signal) {
    let folder = tempfile::tempdir().expect("a folder for the data");
    let options = ServerOptions::new(folder.path());
    let server = options.start();
    let client = connect(server.address()).await;
    assert_eq!(fill(&client, 0, ZNODES, 100).await, ZNODES);
    let mut idle = TcpStream::connect(server.address()).expect("the server listens");
    idle.set_read_timeout(Some(PATIENCE))
        .expect("a time-out can be set");

    server.signal(signal);
    let ended = server.wait_for_end();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("stopped"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("ERROR"), "{}", ended.stderr);
    let mut states = client.states();
    let lost = states.wait_for(|state| !state.is_connected());
    let lost = tokio::time::timeout(Duration::from_secs(5), lost).await;
    drop(
        lost.expect("the client sees the end at once")
            .expect("the client goes on"),
    );
    // The end, or a reset: not silence.
    match idle.read(&mut [0; 64]) {
        Ok(count) => assert_eq!(count, 0, "bytes behind the end"),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
    drop(client);

    let server = options.start();
    let replayed = server.number("recovered", "replayed");
    assert!(
        replayed <= REPLAYED_MAX,
        "a clean stop flushes everything, {replayed} entries were replayed"
    );
    server.stop();
    assert_survived(&options, ZNODES, 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_flushes_everything_and_closes_the_clients() {
    stops_cleanly_on(Signal::TERM).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_does_the_same() {
    stops_cleanly_on(Signal::INT).await;
}

#[test]
fn a_server_that_is_stopped_while_it_starts_ends_too() {
    let folder = tempfile::tempdir().expect("a folder for the data");
    let server = ServerOptions::new(folder.path()).spawn();
    server.signal(Signal::TERM);
    let ended = server.wait_for_end();
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}
