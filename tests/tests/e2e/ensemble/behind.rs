//! A member that lacks more than the others keep of the log gets their tree as a whole.

use treekeeper_client::{CreateOptions, Error, ErrorCode};
use treekeeper_tests::process::Ensemble;
use treekeeper_tests::process::server::PATIENCE;

use super::{LONG, connect, connect_to, create, insist, same_tree, synced_data};

/// Bytes of a large value.
const LARGE: usize = 1_000_000;
/// So many of them are more than is written to the tree's store before it is made durable and the log before it goes.
const MANY: usize = 60;

/// Writes until the log holds what was there before no more.
async fn write_much(ensemble: &Ensemble, ids: &[usize]) {
    let client = connect(&ensemble.connect_string_of(ids), LONG).await;
    for number in 0..MANY {
        let value = vec![u8::try_from(number).expect("a byte"); LARGE];
        let path = format!("/large/{number}");
        // So much at once may take a slow disk longer than the two may be out of touch.
        insist(async || {
            let options = CreateOptions::default();
            match client.create(&path, value.clone(), &options).await {
                Ok(_) | Err(Error::Api(ErrorCode::NodeExists)) => Ok(()),
                Err(error) => Err(error),
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_was_away_for_long_receives_the_tree() {
    let mut ensemble = Ensemble::start_with_setting(3, "treekeeper.logRetention=0");
    let client = connect(&ensemble.connect_string(), LONG).await;
    create(&client, "/large", "").await;
    create(&client, "/gone", "").await;
    let leader = ensemble.leader();
    let away = ensemble.others(leader)[0];
    ensemble.kill(away);
    // Its clients first: what is written must not wait for one that comes back.
    ensemble.settle();
    write_much(&ensemble, &ensemble.running()).await;
    insist(async || client.delete("/gone", None).await).await;

    ensemble.start_member(away);
    let said = ensemble
        .server(away)
        .line_within("installing a checkpoint", PATIENCE);
    assert!(
        said.is_some(),
        "it caught up with the log: the others had kept it"
    );
    ensemble.settle();
    let tree = same_tree(&ensemble).await;
    assert!(tree.contains_key("/large/59") && !tree.contains_key("/gone"));

    // What it received is what it starts with, and a watch set on it fires as ever.
    ensemble.kill(away);
    ensemble.start_member(away);
    ensemble.settle();
    let there = connect_to(&ensemble, away).await;
    let (_, _, event) = there
        .get_data_and_watch("/large")
        .await
        .expect("it is there");
    create(&there, "/after", "it").await;
    insist(async || client.set_data("/large", "small", None).await).await;
    let event = tokio::time::timeout(PATIENCE, event).await;
    drop(event.expect("an event in time"));
    let read = synced_data(&there, "/large").await.expect("a leader");
    assert_eq!(read.as_deref(), Some(&b"small"[..]));
    same_tree(&ensemble).await;
}
