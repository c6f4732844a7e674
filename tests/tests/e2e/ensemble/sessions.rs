//! Sessions belong to the ensemble: they move between members, last as long as their clients are heard of, whichever
//! member hears them, and expire otherwise, whoever leads.

use std::time::Duration;

use tokio::runtime;
use tokio::time::{Instant, timeout};
use treekeeper_client::{Client, CreateMode, CreateOptions, Error, SessionInfo};
use treekeeper_tests::process::Ensemble;

use super::{LONG, SHORT, connect, connect_to, create, gone, insist, synced_stat};

/// Longer than any session of [`SHORT`] lasts without a word.
const SEVERAL_TIMEOUTS: Duration = SHORT.saturating_mul(4);

/// Creates an ephemeral znode.
async fn own(client: &Client, path: &str) {
    let ephemeral = CreateOptions::new(CreateMode::Ephemeral);
    let created = client.create(path, "", &ephemeral).await;
    created.unwrap_or_else(|error| panic!("create {path}: {error}"));
}

/// Opens a session that owns `path` and vanishes without closing it, as a client does that is killed.
fn abandoned(member: String, path: &'static str, session_timeout: Duration) -> SessionInfo {
    let thread = std::thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        let client = runtime.block_on(async {
            let client = connect(&member, session_timeout).await;
            own(&client, path).await;
            client
        });
        // The runtime goes first, and the connection with it: nobody is left who could say goodbye.
        drop(runtime);
        client.session()
    });
    thread.join().expect("a session was opened")
}

/// Checks that a member does not go on with the session.
async fn assert_refused(ensemble: &Ensemble, id: usize, session: SessionInfo) {
    let builder = Client::builder().session(session);
    let again = builder.connect(&ensemble.address(id).to_string()).await;
    assert_eq!(
        again.map(|client| client.session().id),
        Err(Error::SessionExpired),
        "at member {id}"
    );
}

/// Waits for several time-outs, in which the client says nothing but that it is there.
async fn only_ping(client: &Client) {
    let mut states = client.states();
    let ended = states.wait_for(|state| state.is_final());
    let ended = timeout(SEVERAL_TIMEOUTS, ended).await;
    assert!(ended.is_err(), "the session is over, its client was there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_goes_on_at_another_member_when_its_own_is_killed() {
    let mut ensemble = Ensemble::start(3);
    let leader = ensemble.leader();
    let followers = ensemble.others(leader);
    let (first, second) = (followers[0], followers[1]);
    // The client knows both followers, of which one runs.
    ensemble.kill(second);
    let client = connect(&ensemble.connect_string_of(&followers), LONG).await;
    let session = client.session();
    own(&client, "/mine").await;
    ensemble.start_member(second);
    ensemble.settle();

    ensemble.kill(first);
    let found = insist(async || client.exists("/mine").await).await;
    assert_eq!(
        found.map(|stat| stat.ephemeral_owner),
        Some(session.id),
        "the ephemeral stays, and who wrote it sees it"
    );
    assert_eq!(client.session().id, session.id);
    let theirs = insist(async || client.get_ephemerals("/").await).await;
    assert_eq!(theirs, ["/mine"]);
    create(&client, "/after", "").await;

    // What is closed at one member is closed at all.
    client.close().await.expect("a session can be closed");
    let other = connect_to(&ensemble, leader).await;
    assert_eq!(synced_stat(&other, "/mine").await, None);
    assert_refused(&ensemble, leader, session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_client_goes_on_with_a_session_at_another_member() {
    let ensemble = Ensemble::start(3);
    let session = abandoned(ensemble.address(1).to_string(), "/mine", LONG);
    for id in ensemble.others(1) {
        let mut wrong = session.clone();
        wrong.password[0] ^= 1;
        assert_refused(&ensemble, id, wrong).await;
    }
    let member = ensemble.address(2).to_string();
    let builder = Client::builder().session_timeout(LONG);
    let taken = builder.session(session.clone()).connect(&member).await;
    let taken = taken.expect("the session goes on");
    assert_eq!(taken.session().id, session.id);
    let found = synced_stat(&taken, "/mine").await;
    assert_eq!(found.map(|stat| stat.ephemeral_owner), Some(session.id));
    taken.close().await.expect("a session can be closed");
    let other = connect_to(&ensemble, 3).await;
    assert_eq!(synced_stat(&other, "/mine").await, None);
}

/// Two clients with the same time-out at a follower, one of which vanishes.
async fn expires(kill_the_leader: bool) {
    let mut ensemble = Ensemble::start(3);
    let leader = ensemble.leader();
    let followers = ensemble.others(leader);
    let address = ensemble.address(followers[0]).to_string();
    let faithful = connect(&ensemble.connect_string_of(&followers), SHORT).await;
    own(&faithful, "/faithful").await;

    let began = Instant::now();
    let session = abandoned(address, "/abandoned", SHORT);
    let other = connect(&ensemble.connect_string_of(&followers), LONG).await;
    if kill_the_leader {
        ensemble.kill(leader);
    }
    gone(&other, "/abandoned").await;
    assert!(
        began.elapsed() >= session.timeout,
        "expired before its time-out: {:?}",
        began.elapsed()
    );
    let found = synced_stat(&other, "/faithful").await;
    assert_eq!(
        found.map(|stat| stat.ephemeral_owner),
        Some(faithful.session().id),
        "its client is there"
    );
    for id in ensemble.running() {
        assert_refused(&ensemble, id, session.clone()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_whose_client_is_gone_expires() {
    expires(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_whose_client_is_gone_expires_when_the_leader_is_killed_too() {
    expires(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_to_a_follower_keep_a_session_across_an_election() {
    let mut ensemble = Ensemble::start(3);
    let leader = ensemble.leader();
    let follower = ensemble.others(leader)[0];
    let client = connect(&ensemble.address(follower).to_string(), SHORT).await;
    let session = client.session();
    assert_eq!(session.timeout, SHORT);
    own(&client, "/mine").await;
    only_ping(&client).await;

    ensemble.kill(leader);
    ensemble.settle();
    only_ping(&client).await;
    let other = connect_to(&ensemble, ensemble.others(follower)[0]).await;
    let found = synced_stat(&other, "/mine").await;
    assert_eq!(found.map(|stat| stat.ephemeral_owner), Some(session.id));
    let found = insist(async || client.exists("/mine").await).await;
    assert!(found.is_some(), "the client reads what it owns");
    assert_eq!(client.session().id, session.id);
}
