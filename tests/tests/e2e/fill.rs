//! Filling a tree with one write after the other, and finding every one of them again.

use std::net::SocketAddr;

use treekeeper_client::{Client, CreateOptions};

use treekeeper_tests::process::ServerOptions;

use crate::kill::model::Data;

/// Connects to a server that runs.
pub(crate) async fn connect(address: SocketAddr) -> Client {
    let connected = Client::connect(&address.to_string()).await;
    connected.expect("a running server opens a session")
}

/// The path of the numbered znode.
fn path(number: usize) -> String {
    format!("/znode{number:06}")
}

/// The data of the numbered znode.
fn data(number: usize, len: usize) -> Data {
    Data {
        seed: number as u64 + 1,
        len,
    }
}

/// Creates znodes with `len` bytes each, one after the other, numbered from `from`, until `count` are acknowledged or
/// one is not; gives back how many were.
pub(crate) async fn fill(client: &Client, from: usize, count: usize, len: usize) -> usize {
    for number in from..from + count {
        let created = client
            .create(
                &path(number),
                data(number, len).bytes(),
                &CreateOptions::default(),
            )
            .await;
        if created.is_err() {
            return number - from;
        }
    }
    count
}

/// Checks that the first `count` numbered znodes are there as they were created.
pub(crate) async fn assert_filled(client: &Client, count: usize, len: usize) {
    for number in 0..count {
        let path = path(number);
        let read = client.get_data(&path).await;
        let (found, stat) =
            read.unwrap_or_else(|error| panic!("{path} of {count} was acknowledged: {error}"));
        assert_eq!(stat.version, 0, "{path}");
        assert_eq!(found, Some(data(number, len).bytes()), "data of {path}");
    }
}

/// Starts the server, checks that the first `count` numbered znodes are there, and that it takes one more.
pub(crate) async fn assert_survived(options: &ServerOptions<'_>, count: usize, len: usize) {
    let server = options.start();
    let client = connect(server.address()).await;
    assert_filled(&client, count, len).await;
    assert_eq!(
        fill(&client, count + 1_000, 1, len).await,
        1,
        "it takes new writes"
    );
    client.close().await.expect("a session can be closed");
    server.stop();
}
