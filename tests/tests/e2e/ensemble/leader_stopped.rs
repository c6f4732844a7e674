//! Leaders that are told to stop, one after the other: each hands over first, and none of them reports an error.

use treekeeper_tests::process::Ensemble;

use super::{LONG, Numbers, assert_holds, connect, same_tree};

/// Leaders that are stopped.
const ROUNDS: u32 = 3;
/// Writes between two events.
const BATCH: u64 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_stopped_under_writes_hands_over_and_reports_no_error() {
    let mut ensemble = Ensemble::start(3);
    let client = connect(&ensemble.connect_string(), LONG).await;
    let mut numbers = Numbers::start(client.clone());
    for round in 0..ROUNDS {
        numbers.advance(BATCH).await;
        let leader = ensemble.leader();
        let said = ensemble.stop(leader).stderr;
        assert!(said.contains("handing the lead over"), "{round}:\n{said}");
        assert!(!said.contains("ERROR"), "round {round}:\n{said}");
        numbers.advance(BATCH).await;
        ensemble.start_member(leader);
        ensemble.settle();
    }
    let acknowledged = numbers.finish().await;
    assert_holds(&same_tree(&ensemble).await, &acknowledged);
}
