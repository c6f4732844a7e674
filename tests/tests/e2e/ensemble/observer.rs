//! An observer serves clients as every member does, and counts for nothing.

use tokio::time::timeout;
use treekeeper_client::EventType;
use treekeeper_tests::process::server::PATIENCE;
use treekeeper_tests::process::{Ensemble, Mode};

use super::{connect_to, create, disconnected, same_tree, synced_data};

/// The last of the members.
const OBSERVER: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_serves_reads_and_writes_and_is_not_missed() {
    let mut ensemble = Ensemble::start_with_observer(3);
    assert_eq!(ensemble.mode(OBSERVER), Some(Mode::Observer));
    let voter = connect_to(&ensemble, 1).await;
    let client = connect_to(&ensemble, OBSERVER).await;
    create(&voter, "/value", "through a voter").await;
    let read = synced_data(&client, "/value").await.expect("a leader");
    assert_eq!(read.as_deref(), Some(&b"through a voter"[..]));
    let watched = client.get_data_and_watch("/value").await;
    let (_, _, event) = watched.expect("it is there");
    let written = voter.set_data("/value", "again", None).await;
    written.expect("it is there");
    let event = timeout(PATIENCE, event).await.expect("an event in time");
    assert_eq!(event.event_type, EventType::NodeDataChanged);

    create(&client, "/forwarded", "through the observer").await;
    let read = synced_data(&voter, "/forwarded").await.expect("a leader");
    assert_eq!(read.as_deref(), Some(&b"through the observer"[..]));

    let said = ensemble.kill(OBSERVER);
    assert!(!said.contains("panicked"), "{said}");
    create(&voter, "/without", "it").await;
    assert!(voter.state().is_connected());
    ensemble.start_member(OBSERVER);
    ensemble.settle();
    assert_eq!(ensemble.mode(OBSERVER), Some(Mode::Observer));
    assert!(same_tree(&ensemble).await.contains_key("/without"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_makes_no_majority() {
    let mut ensemble = Ensemble::start_with_observer(3);
    let client = connect_to(&ensemble, OBSERVER).await;
    let leader = ensemble.leader();
    let followers: Vec<_> = ensemble
        .others(leader)
        .into_iter()
        .filter(|id| *id != OBSERVER)
        .collect();
    for follower in &followers {
        ensemble.pause(*follower);
    }
    // Two of four processes, and one of three votes.
    disconnected(&client).await;
    ensemble.wait_until_leaderless(leader);
    ensemble.wait_until_leaderless(OBSERVER);
    for follower in &followers {
        ensemble.resume(*follower);
    }
    assert_ne!(ensemble.settle(), OBSERVER);
    assert_eq!(ensemble.mode(OBSERVER), Some(Mode::Observer));
    create(&connect_to(&ensemble, OBSERVER).await, "/again", "").await;
}
