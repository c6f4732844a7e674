//! `localSessionsEnabled`: sessions that their member alone knows, and that the log never sees.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use futures::join;
use tokio::runtime;
use tokio::time::{Instant, sleep, timeout};
use treekeeper_client::{
    Client, CreateMode, CreateOptions, Error, ErrorCode, EventType, Op, SessionInfo,
};
use treekeeper_tests::process::Ensemble;
use treekeeper_tests::process::server::PATIENCE;

use super::{
    LONG, LOOK_EVERY, SHORT, connect, connect_to, create, gone, insist, synced_data, synced_stat,
};

const LOCAL: &str = "localSessionsEnabled=true\n4lw.commands.whitelist=*";
const UPGRADING: &str =
    "localSessionsEnabled=true\nlocalSessionsUpgradingEnabled=true\n4lw.commands.whitelist=*";

/// The value of a line of `mntr`.
fn gauge(ensemble: &Ensemble, id: usize, name: &str) -> Option<u64> {
    let text = ensemble.word(id, "mntr").ok()?;
    let line = |line: &str| line.strip_prefix(name)?.trim().parse().ok();
    text.lines().find_map(line)
}

/// Waits until a member has so many local sessions.
pub(super) async fn until_local(ensemble: &Ensemble, id: usize, wanted: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let count = gauge(ensemble, id, "zk_local_sessions");
        if count == Some(wanted) {
            return;
        }
        assert!(Instant::now() < deadline, "{count:?} for {wanted}");
        sleep(LOOK_EVERY).await;
    }
}

fn zxid(ensemble: &Ensemble, id: usize) -> String {
    let text = ensemble.word(id, "srvr").expect("it answers");
    let line = text.lines().find_map(|line| line.strip_prefix("Zxid: "));
    line.expect("srvr tells it").to_owned()
}

/// Opens a session, and vanishes without closing it, as a client does that is killed.
pub(super) fn vanished(member: String, read_only: bool, session_timeout: Duration) -> SessionInfo {
    vanished_after(member, read_only, session_timeout, async |_| {})
}

fn vanished_after(
    member: String,
    read_only: bool,
    session_timeout: Duration,
    act: impl AsyncFnOnce(&Client) + Send + 'static,
) -> SessionInfo {
    let thread = std::thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        let client = runtime.block_on(async {
            let builder = Client::builder()
                .read_only(read_only)
                .session_timeout(session_timeout)
                .connect_timeout(super::CONNECT_TIMEOUT);
            let client = builder.connect(&member).await.expect("a session");
            act(&client).await;
            client
        });
        // The runtime goes first, and the connection with it: nobody is left who could say goodbye.
        drop(runtime);
        client.session()
    });
    thread.join().expect("a session was opened")
}

async fn again(ensemble: &Ensemble, id: usize, session: &SessionInfo) -> Result<Client, Error> {
    let builder = Client::builder()
        .session_timeout(session.timeout)
        .session(session.clone());
    builder.connect(&ensemble.address(id).to_string()).await
}

async fn assert_expired(ensemble: &Ensemble, id: usize, session: &SessionInfo) {
    let again = again(ensemble, id, session).await;
    assert_eq!(
        again.map(|client| client.session().id),
        Err(Error::SessionExpired),
        "at member {id}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_session_reads_writes_and_costs_nothing() {
    let ensemble = Ensemble::start_with_setting(3, LOCAL);
    let leader = ensemble.leader();
    let follower = ensemble.others(leader)[0];
    for member in [follower, leader] {
        let first = connect_to(&ensemble, member).await;
        first.sync("/").await.expect("a leader");
        first.close().await.expect("a session can be closed");
        let before = zxid(&ensemble, member);
        let address = ensemble.address(member).to_string();
        let clients = join_all((0..20).map(|_| connect(&address, LONG))).await;
        until_local(&ensemble, member, 20).await;
        assert_eq!(gauge(&ensemble, member, "zk_global_sessions"), Some(0));
        let ids: BTreeSet<_> = clients.iter().map(|client| client.session().id).collect();
        assert_eq!(ids.len(), 20);
        let dump = ensemble.word(member, "dump").expect("it answers");
        assert!(dump.contains("\nLocal Session Sets ("), "{dump}");
        for id in &ids {
            assert!(dump.contains(&format!("\t0x{id:x}\n")), "{id:x} in {dump}");
        }
        for closed in join_all(clients.iter().map(Client::close)).await {
            closed.expect("a session can be closed");
        }
        until_local(&ensemble, member, 0).await;
        assert_eq!(zxid(&ensemble, member), before, "nothing was logged");
    }

    let client = connect_to(&ensemble, follower).await;
    let other = connect_to(&ensemble, leader).await;
    create(&client, "/value", "one").await;
    let (data, _, changed) = client.get_data_and_watch("/value").await.expect("there");
    assert_eq!(data.as_deref(), Some(&b"one"[..]));
    other.sync("/").await.expect("a leader");
    other
        .set_data("/value", "two", Some(0))
        .await
        .expect("it is there");
    let event = timeout(PATIENCE, changed).await.expect("an event in time");
    assert_eq!(event.event_type, EventType::NodeDataChanged);
    client
        .set_data("/value", "three", Some(1))
        .await
        .expect("there");
    let (data, stat) = client.get_data("/value").await.expect("there");
    assert_eq!(
        data.as_deref(),
        Some(&b"three"[..]),
        "it reads its own write"
    );
    assert_eq!(stat.version, 2);

    // It owns nothing.
    let refused = Error::Api(ErrorCode::EphemeralOnLocalSession);
    for mode in [CreateMode::Ephemeral, CreateMode::EphemeralSequential] {
        let created = client.create("/mine", "", &CreateOptions::new(mode)).await;
        assert_eq!(created, Err(refused.clone()), "{mode:?}");
    }
    assert_eq!(client.get_ephemerals("/").await.expect("none"), [""; 0]);
    client.delete("/value", Some(2)).await.expect("it is there");
    let read = synced_data(&other, "/value").await;
    assert_eq!(read, Err(Error::Api(ErrorCode::NoNode)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_session_lives_at_its_member_alone() {
    let mut ensemble = Ensemble::start_with_setting(3, LOCAL);
    let session = vanished(ensemble.address(1).to_string(), false, LONG);
    for id in [2, 3] {
        assert_expired(&ensemble, id, &session).await;
    }
    let client = again(&ensemble, 1, &session).await;
    let client = client.expect("its own member knows it");
    assert_eq!(client.session().id, session.id);
    let mut wrong = session.clone();
    wrong.password[0] ^= 1;
    assert_expired(&ensemble, 1, &wrong).await;
    create(&client, "/value", "").await;

    // It is over with its member.
    drop(client);
    ensemble.kill(1);
    ensemble.start_member(1);
    ensemble.settle();
    assert_expired(&ensemble, 1, &session).await;
    let next = connect_to(&ensemble, 1).await;
    assert_ne!(next.session().id, session.id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_session_whose_client_is_gone_expires_at_its_member() {
    let ensemble = Ensemble::start_with_setting(3, LOCAL);
    let follower = ensemble.others(ensemble.leader())[0];
    let before = zxid(&ensemble, follower);
    let silent = connect(&ensemble.address(follower).to_string(), SHORT).await;
    let session = vanished(ensemble.address(follower).to_string(), false, SHORT);
    until_local(&ensemble, follower, 2).await;
    until_local(&ensemble, follower, 1).await;
    assert_expired(&ensemble, follower, &session).await;
    assert_eq!(zxid(&ensemble, follower), before, "nothing was logged");
    assert!(silent.state().is_connected(), "whose client pings lives on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_session_outlives_its_members_loss_of_the_quorum() {
    let mut ensemble = Ensemble::start_with_setting(3, LOCAL);
    let leader = ensemble.leader();
    let survivor = ensemble.others(leader)[0];
    let client = connect_to(&ensemble, survivor).await;
    let session = client.session();
    create(&client, "/value", "").await;
    let others = ensemble.others(survivor);
    for other in &others {
        ensemble.pause(*other);
    }
    super::disconnected(&client).await;
    for other in &others {
        ensemble.resume(*other);
    }
    ensemble.settle();
    insist(async || client.set_data("/value", "x", None).await).await;
    assert_eq!(client.session().id, session.id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ephemeral_znode_makes_a_local_session_global() {
    let ensemble = Ensemble::start_with_setting(3, UPGRADING);
    let leader = ensemble.leader();
    let (first, second) = (ensemble.others(leader)[0], ensemble.others(leader)[1]);
    let session = vanished_after(
        ensemble.address(first).to_string(),
        false,
        LONG,
        async |client| {
            let ephemeral = CreateOptions::new(CreateMode::Ephemeral);
            let persistent = CreateOptions::default();
            // All on their way together: they are carried out in this order.
            let (a, mine, set, more, removed) = join!(
                client.create("/a", "", &persistent),
                client.create("/mine", "", &ephemeral),
                client.set_data("/a", "x", Some(0)),
                client.create("/more", "", &ephemeral),
                client.delete("/a", Some(1)),
            );
            let (a, mine) = (a.expect("new").1, mine.expect("upgraded").1);
            let (set, more) = (set.expect("there"), more.expect("global").1);
            removed.expect("there");
            let order = [a.czxid, mine.czxid, set.mzxid, more.czxid];
            assert!(order.is_sorted_by(|one, next| one < next), "{order:?}");
            assert_eq!(mine.ephemeral_owner, client.session().id);
            assert_eq!(more.ephemeral_owner, client.session().id);
        },
    );
    until_local(&ensemble, first, 0).await;
    assert_eq!(gauge(&ensemble, first, "zk_global_sessions"), Some(1));

    let moved = again(&ensemble, second, &session).await;
    let moved = moved.expect("every member knows it");
    assert_eq!(moved.session().id, session.id);
    let theirs = moved.get_ephemerals("/").await.expect("a reply");
    assert_eq!(theirs, ["/mine", "/more"]);
    moved.close().await.expect("a session can be closed");
    let other = connect_to(&ensemble, leader).await;
    assert_eq!(synced_stat(&other, "/mine").await, None);
    assert_expired(&ensemble, first, &session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgraded_session_lives_by_its_pings_and_expires_without() {
    let ensemble = Ensemble::start_with_setting(3, UPGRADING);
    let leader = ensemble.leader();
    let follower = ensemble.others(leader)[0];
    let address = ensemble.address(follower).to_string();
    let own = async |client: &Client, path: &str| {
        let create = Op::Create {
            path: path.to_owned(),
            data: "".into(),
            options: CreateOptions::new(CreateMode::Ephemeral),
        };
        client.multi(vec![create]).await.expect("upgraded");
    };
    let pinging = connect(&address, SHORT).await;
    own(&pinging, "/pinging").await;
    vanished_after(address, false, SHORT, async |client: &Client| {
        let ephemeral = CreateOptions::new(CreateMode::Ephemeral);
        let created = client.create("/silent", "", &ephemeral).await;
        created.expect("upgraded");
    });
    let other = connect_to(&ensemble, leader).await;
    assert!(synced_stat(&other, "/silent").await.is_some());
    gone(&other, "/silent").await;
    // For as long as the silent one lasted, and once more.
    let mut states = pinging.states();
    let ended = timeout(SHORT * 2, states.wait_for(|state| state.is_final())).await;
    assert!(ended.is_err(), "the session is over, its client was there");
    assert!(synced_stat(&other, "/pinging").await.is_some());
    assert!(pinging.state().is_connected());
    pinging.close().await.expect("a session can be closed");
    assert_eq!(synced_stat(&other, "/pinging").await, None);
}
