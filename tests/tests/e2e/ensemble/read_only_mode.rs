//! `readonlymode.enabled`: whoever is cut off from the majority serves those who make do with reading, and nobody else.

use std::time::Duration;

use tokio::time::timeout;
use treekeeper_client::{
    Client, CreateMode, CreateOptions, Error, ErrorCode, EventType, Op, SessionState,
};
use treekeeper_tests::process::Ensemble;
use treekeeper_tests::process::server::PATIENCE;

use super::local_sessions::{until_local, vanished};
use super::{CONNECT_TIMEOUT, LONG, SHORT, connect_to, create, disconnected, insist, synced_data};

const SETTING: &str = "readonlymode.enabled=true";
/// How long a handshake is tried that must not succeed.
const REFUSED_FOR: Duration = Duration::from_secs(2);

/// Opens a session with this member, whether it writes or not.
async fn reader(ensemble: &Ensemble, id: usize) -> Client {
    let builder = Client::builder()
        .read_only(true)
        .session_timeout(LONG)
        .connect_timeout(CONNECT_TIMEOUT);
    let connected = builder.connect(&ensemble.address(id).to_string()).await;
    connected.expect("a session")
}

/// Waits until the client is in this state.
async fn until(client: &Client, wanted: SessionState) {
    let mut states = client.states();
    let reached = timeout(PATIENCE, states.wait_for(|state| *state == wanted)).await;
    drop(
        reached
            .unwrap_or_else(|_| panic!("never {wanted:?}"))
            .expect("the client goes on"),
    );
}

/// Checks that a member opens no session for a client that wants to write.
async fn assert_refused(ensemble: &Ensemble, id: usize) {
    let builder = Client::builder().connect_timeout(REFUSED_FOR);
    let opened = builder.connect(&ensemble.address(id).to_string()).await;
    assert_eq!(
        opened.map(|client| client.session().id),
        Err(Error::Timeout)
    );
}

/// Checks that nothing can be written through this client.
async fn assert_reads_only(client: &Client) {
    let refused = Error::Api(ErrorCode::NotReadOnly);
    let options = CreateOptions::default();
    let created = client.create("/new", "", &options).await;
    assert_eq!(created, Err(refused.clone()));
    let ephemeral = CreateOptions::new(CreateMode::Ephemeral);
    let created = client.create("/mine", "", &ephemeral).await;
    assert_eq!(created, Err(refused.clone()));
    let set = client.set_data("/value", "x", None).await;
    assert_eq!(set, Err(refused.clone()));
    assert_eq!(client.delete("/value", None).await, Err(refused.clone()));
    assert_eq!(client.sync("/value").await, Err(refused.clone()));
    let check = Op::Check {
        path: "/value".to_owned(),
        version: None,
    };
    assert_eq!(client.multi(vec![check]).await, Err(refused));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_left_alone_serves_who_makes_do_with_reading() {
    let mut ensemble = Ensemble::start_with_setting(3, SETTING);
    let leader = ensemble.leader();
    let survivor = ensemble.others(leader)[0];
    let writer = connect_to(&ensemble, survivor).await;
    create(&writer, "/value", "before").await;
    let reads = reader(&ensemble, survivor).await;
    assert_eq!(reads.state(), SessionState::Connected);
    assert_eq!(ensemble.word(survivor, "isro").unwrap(), "rw");
    reads
        .set_data("/value", "a healthy member", None)
        .await
        .expect("a healthy member writes for everybody");
    reads.close().await.expect("a session can be closed");

    let others = ensemble.others(survivor);
    for other in &others {
        ensemble.pause(*other);
    }
    disconnected(&writer).await;
    let reads = reader(&ensemble, survivor).await;
    assert_eq!(reads.state(), SessionState::ConnectedReadOnly);
    let read_only_session = reads.session();
    let (data, _, changed) = reads.get_data_and_watch("/value").await.expect("there");
    assert_eq!(data.as_deref(), Some(&b"a healthy member"[..]));
    assert_reads_only(&reads).await;
    assert!(reads.exists("/value").await.expect("a reply").is_some());
    assert_refused(&ensemble, survivor).await;
    assert!(!writer.state().is_connected());
    assert_eq!(ensemble.word(survivor, "isro").unwrap(), "ro");
    let srvr = ensemble.word(survivor, "srvr").unwrap();
    assert!(srvr.contains("\nMode: read-only\n"), "{srvr}");
    let second = srvr.lines().nth(1);
    assert_eq!(
        second,
        Some("READ-ONLY mode; serving only read-only clients")
    );
    // Who leaves ends its session in the ordinary way.
    let leaves = reader(&ensemble, survivor).await;
    leaves.close().await.expect("a session can be closed");
    assert_eq!(reads.state(), SessionState::ConnectedReadOnly);

    for other in &others {
        ensemble.resume(*other);
    }
    ensemble.settle();
    until(&reads, SessionState::Connected).await;
    assert_ne!(reads.session().id, read_only_session.id);
    let written = insist(async || writer.set_data("/value", "after", None).await).await;
    assert!(written.version > 0);
    let event = timeout(PATIENCE, changed).await.expect("an event in time");
    assert_eq!(event.event_type, EventType::NodeDataChanged);
    let read = insist(async || synced_data(&reads, "/value").await).await;
    assert_eq!(read.as_deref(), Some(&b"after"[..]));
    assert_eq!(ensemble.word(survivor, "isro").unwrap(), "rw");
    // Nobody knows the session of those days.
    for id in ensemble.ids() {
        let builder = Client::builder().session(read_only_session.clone());
        let again = builder.connect(&ensemble.address(id).to_string()).await;
        assert_eq!(
            again.map(|client| client.session().id),
            Err(Error::SessionExpired),
            "at member {id}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_starts_alone_shows_what_it_has() {
    let mut ensemble = Ensemble::start_with_setting(3, SETTING);
    let writer = connect_to(&ensemble, 1).await;
    create(&writer, "/value", "kept").await;
    let session = writer.session();
    drop(writer);
    ensemble.stop(1);
    ensemble.kill_all();
    ensemble.start_member(1);

    let reads = reader(&ensemble, 1).await;
    assert_eq!(reads.state(), SessionState::ConnectedReadOnly);
    let (data, _) = reads.get_data("/value").await.expect("it was flushed");
    assert_eq!(data.as_deref(), Some(&b"kept"[..]));
    assert_reads_only(&reads).await;
    // What becomes of a session of the ensemble is not for one member to say.
    let builder = Client::builder()
        .read_only(true)
        .session(session.clone())
        .connect_timeout(REFUSED_FOR);
    let held = builder.connect(&ensemble.address(1).to_string()).await;
    assert_eq!(held.map(|client| client.session().id), Err(Error::Timeout));

    ensemble.start_member(2);
    ensemble.start_member(3);
    ensemble.settle();
    until(&reads, SessionState::Connected).await;
    insist(async || reads.set_data("/value", "again", None).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_reader_of_a_lone_member_is_forgotten() {
    let mut ensemble =
        Ensemble::start_with_setting(3, "readonlymode.enabled=true\n4lw.commands.whitelist=*");
    let leader = ensemble.leader();
    let survivor = ensemble.others(leader)[0];
    for other in ensemble.others(survivor) {
        ensemble.pause(other);
    }
    ensemble.wait_until_leaderless(survivor);
    let member = ensemble.address(survivor).to_string();
    vanished(member, true, SHORT);
    until_local(&ensemble, survivor, 1).await;
    until_local(&ensemble, survivor, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_was_not_told_so_serves_nobody() {
    let mut ensemble = Ensemble::start(3);
    let leader = ensemble.leader();
    let survivor = ensemble.others(leader)[0];
    for other in ensemble.others(survivor) {
        ensemble.pause(other);
    }
    ensemble.wait_until_leaderless(survivor);
    let builder = Client::builder()
        .read_only(true)
        .connect_timeout(REFUSED_FOR * 2);
    let opened = builder
        .connect(&ensemble.address(survivor).to_string())
        .await;
    assert_eq!(
        opened.map(|client| client.session().id),
        Err(Error::Timeout)
    );
}
