//! kill -9 of all members at once, under load: what was acknowledged is there, and nothing else, and sessions go on.
//!
//! The load and its checks are those of a single server's kills ([`crate::kill`]).

use std::time::Duration;

use futures::future::join_all;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::watch;
use tokio::time::timeout;
use treekeeper_client::{CreateMode, CreateOptions};
use treekeeper_tests::process::Ensemble;
use treekeeper_tests::process::server::PATIENCE;

use super::{LONG, connect, create, insist, same_tree};
use crate::kill::writer::{Pace, Writer};

/// How often all are killed.
const ROUNDS: u64 = 3;
/// Sessions that write at the same time.
const WRITERS: u64 = 5;
/// Acknowledgements before the kill, more in each round.
const ENOUGH: u64 = 300;
/// How they write.
const PACE: Pace = Pace {
    window: 16,
    data_len_max: 200,
    close: 0.0005,
    connect_timeout: Duration::from_secs(20),
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_survives_the_kill_of_all_members() {
    let mut ensemble = Ensemble::start(3);
    let members = ensemble.connect_string();
    let client = connect(&members, LONG).await;
    let mut writers = Vec::new();
    for number in 0..WRITERS {
        let root = format!("/writer{number}");
        create(&client, &root, "").await;
        writers.push(Writer::new(root, number, StdRng::seed_from_u64(number)));
    }
    let ephemeral = CreateOptions::new(CreateMode::Ephemeral);
    let created = client.create("/lasting", "", &ephemeral).await;
    let (_, created) = created.expect("an ephemeral");
    let session = client.session().id;

    for round in 1..=ROUNDS {
        let (count, mut acknowledged) = watch::channel(0);
        let writing = writers
            .iter_mut()
            .map(|writer| writer.write(&members, PACE, &count));
        let killing = async {
            let enough = acknowledged.wait_for(|count| *count >= round * ENOUGH);
            let enough = timeout(PATIENCE, enough).await;
            drop(
                enough
                    .expect("writes are acknowledged")
                    .expect("the writers go on"),
            );
            ensemble.kill_all()
        };
        let (_, said) = tokio::join!(join_all(writing), killing);
        assert!(
            !said.contains("ERROR") && !said.contains("panicked"),
            "round {round}:\n{said}"
        );
        for id in ensemble.ids() {
            ensemble.start_member(id);
        }
        ensemble.settle();
        for writer in &mut writers {
            writer.settle(&members).await;
        }
        // The client has come back by itself.
        insist(async || client.sync("/").await).await;
        let found = insist(async || client.exists("/lasting").await).await;
        assert_eq!(found, Some(created), "round {round}");
        assert_eq!(client.session().id, session, "round {round}");
    }
    same_tree(&ensemble).await;
}
