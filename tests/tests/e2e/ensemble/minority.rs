//! Whoever is cut off from the majority answers nobody; whoever comes back shows nothing that is outdated.

use std::time::Duration;

use futures::future::join3;
use futures::poll;
use treekeeper_client::{Client, Error, ErrorCode};
use treekeeper_tests::process::Ensemble;

use super::{connect_to, create, disconnected, insist, synced_data};

/// How long a handshake is tried that must not succeed.
const REFUSED_FOR: Duration = Duration::from_secs(3);

/// Checks that a member opens no session.
pub(super) async fn assert_refused(ensemble: &Ensemble, id: usize) {
    let builder = Client::builder().connect_timeout(REFUSED_FOR);
    let opened = builder.connect(&ensemble.address(id).to_string()).await;
    assert_eq!(
        opened.map(|client| client.session().id),
        Err(Error::Timeout),
        "a handshake with member {id}, which is alone"
    );
}

/// Pauses all members but one, which leads or follows, and lets them go on.
async fn alone(survivor_leads: bool) {
    let mut ensemble = Ensemble::start(3);
    let leader = ensemble.leader();
    let survivor = if survivor_leads {
        leader
    } else {
        ensemble.others(leader)[0]
    };
    let client = connect_to(&ensemble, survivor).await;
    let session = client.session().id;
    create(&client, "/value", "before").await;

    let others = ensemble.others(survivor);
    for other in &others {
        ensemble.pause(*other);
    }
    disconnected(&client).await;
    ensemble.wait_until_leaderless(survivor);
    assert_refused(&ensemble, survivor).await;
    assert!(!client.state().is_connected());

    for other in &others {
        ensemble.resume(*other);
    }
    ensemble.settle();
    let written = insist(async || client.set_data("/value", "after", None).await).await;
    assert!(written.version > 0);
    assert_eq!(client.session().id, session, "the session goes on");
    for id in ensemble.ids() {
        let client = connect_to(&ensemble, id).await;
        let read = synced_data(&client, "/value").await.expect("a leader");
        assert_eq!(read.as_deref(), Some(&b"after"[..]), "member {id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_is_left_alone_serves_nobody() {
    alone(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_left_alone_serves_nobody() {
    alone(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_paused_shows_nothing_outdated() {
    let mut ensemble = Ensemble::start(3);
    let former = ensemble.leader();
    let client = connect_to(&ensemble, former).await;
    create(&client, "/value", "old").await;

    ensemble.pause(former);
    let leader = ensemble.leader();
    assert_ne!(leader, former);
    let other = connect_to(&ensemble, leader).await;
    let written = other.set_data("/value", "new", Some(0)).await;
    assert_eq!(written.expect("two of three").version, 1);

    // On their way before the member goes on, answered by one that still takes itself for the leader, or not at all.
    let mut early = Box::pin(join3(
        client.sync("/value"),
        client.get_data("/value"),
        client.set_data("/value", "late", Some(0)),
    ));
    assert!(poll!(&mut early).is_pending());
    ensemble.resume(former);
    let (synced, read, late) = early.await;
    assert!(
        matches!(
            late,
            Err(Error::ConnectionLoss | Error::Api(ErrorCode::BadVersion))
        ),
        "a write over one that it has not seen: {late:?}"
    );
    // A sync that was lost with its connection has no read behind it: that one went over the next connection.
    if let (Ok(()), Ok((data, _))) = (synced, read) {
        assert_eq!(data.as_deref(), Some(&b"new"[..]), "after a sync");
    }
    let read = insist(async || synced_data(&client, "/value").await).await;
    assert_eq!(read.as_deref(), Some(&b"new"[..]), "after a sync");

    ensemble.settle();
    for id in ensemble.ids() {
        let read = synced_data(&connect_to(&ensemble, id).await, "/value").await;
        let read = read.expect("a leader");
        assert_eq!(read.as_deref(), Some(&b"new"[..]), "member {id}");
    }
}
