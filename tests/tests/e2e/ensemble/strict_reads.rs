//! Options of an ensemble: reads that see everything acknowledged, and a leader that only leads.

use treekeeper_client::Client;
use treekeeper_tests::process::Ensemble;

use super::{LONG, connect, connect_to, create, same_tree};

/// Enough writes for a read at another member to come too early now and then, without strict reads.
const WRITES: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strict_read_sees_what_another_member_has_acknowledged() {
    let ensemble = Ensemble::start_with_setting(3, "treekeeper.strictReads=true");
    let (writer, reader) = (
        connect_to(&ensemble, 1).await,
        connect_to(&ensemble, 2).await,
    );
    create(&writer, "/value", "").await;
    for number in 0..WRITES {
        let value = number.to_string();
        let written = writer.set_data("/value", value.clone(), None).await;
        written.expect("it is there");
        let (read, _) = reader.get_data("/value").await.expect("it is there");
        assert_eq!(read.as_deref(), Some(value.as_bytes()));
    }
    // A pipeline: each read sees the session's own writes in front of it, and none behind it.
    let mut pairs = Vec::new();
    for number in 0..WRITES {
        let value = format!("own {number}");
        pairs.push(set_and_get(&reader, value));
    }
    for pair in futures::future::join_all(pairs).await {
        let (written, read) = pair;
        assert_eq!(read, written);
    }
}

/// Sends both at once; gives back what was written and what was read.
async fn set_and_get(client: &Client, value: String) -> (String, String) {
    let (written, read) = futures::future::join(
        client.set_data("/value", value.clone(), None),
        client.get_data("/value"),
    )
    .await;
    written.expect("it is there");
    let (read, _) = read.expect("it is there");
    let read = String::from_utf8_lossy(read.as_deref().unwrap_or_default()).into_owned();
    (value, read)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_does_not_serve_sends_its_clients_to_the_others() {
    let mut ensemble = Ensemble::start_with_setting(3, "leaderServes=no");
    let leader = ensemble.leader();
    let client = connect(&ensemble.connect_string(), LONG).await;
    create(&client, "/a", "").await;
    let address = ensemble.address(leader).to_string();
    let alone = Client::builder().connect_timeout(std::time::Duration::from_millis(500));
    let alone = alone.connect(&address).await;
    assert!(alone.is_err(), "the leader took a client");
    ensemble.kill(leader);
    super::insist(async || client.set_data("/a", "after", None).await).await;
    let next = ensemble.leader();
    assert_ne!(next, leader);
    ensemble.start_member(leader);
    ensemble.settle();
    drop(client);
    ensemble.stop(next);
    for id in ensemble.running() {
        ensemble.stop(id);
    }
    // Whoever leads now serves again.
    for id in ensemble.ids() {
        ensemble.write_config(id, ensemble.lines());
        ensemble.start_member(id);
    }
    ensemble.settle();
    assert!(same_tree(&ensemble).await.contains_key("/a"));
}
