//! kill -9 of the leader, again and again: the others go on, and a client notices no more than a pause.

use treekeeper_client::Stat;
use treekeeper_tests::process::Ensemble;

use super::{LONG, Numbers, Tree, assert_holds, connect, same_tree};

/// Leaders that are killed.
const ROUNDS: u32 = 3;
/// Writes between two events, which contain some ephemerals.
const BATCH: u64 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_goes_on_with_its_session_while_leaders_are_killed() {
    let mut ensemble = Ensemble::start(3);
    let client = connect(&ensemble.connect_string(), LONG).await;
    let session = client.session().id;
    let mut numbers = Numbers::start(client.clone());
    for round in 0..ROUNDS {
        numbers.advance(BATCH).await;
        let killed = ensemble.leader();
        let said = ensemble.kill(killed);
        assert!(
            !said.contains("ERROR") && !said.contains("panicked"),
            "round {round}:\n{said}"
        );
        // The two that are left see that its process is gone, and elect another one.
        numbers.advance(BATCH).await;
        let saw = |id: &usize| {
            let server = ensemble.server(*id);
            server.stderr().contains("the leader's process is gone")
        };
        assert!(ensemble.running().iter().any(saw), "round {round}");
        ensemble.start_member(killed);
        ensemble.settle();
        numbers.advance(BATCH).await;
        assert_eq!(client.session().id, session, "round {round}");
    }
    let acknowledged = numbers.finish().await;
    let owned = |(_, stat): &&(_, Stat)| stat.ephemeral_owner == session;
    assert!(acknowledged.values().filter(owned).count() > 0);
    assert_holds(&same_tree(&ensemble).await, &acknowledged);

    client.close().await.expect("a session can be closed");
    let tree = same_tree(&ensemble).await;
    assert_eq!(
        tree.values().filter(owned).count(),
        0,
        "its session is over"
    );
    let lasting: Tree = acknowledged
        .into_iter()
        .filter(|(_, (_, stat))| stat.ephemeral_owner == 0)
        .collect();
    assert_holds(&tree, &lasting);
}
