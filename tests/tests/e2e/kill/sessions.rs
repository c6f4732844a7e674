//! Sessions over a kill: those whose clients come back go on, the others expire with what they own.

use std::time::Duration;

use treekeeper_client::{AddWatchMode, Client, CreateMode, CreateOptions, Error, EventType};
use treekeeper_tests::process::ServerOptions;
use treekeeper_tests::process::server::PATIENCE;

/// With ticks of half a second the shortest session lasts one.
const TICK_MS: u32 = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ephemerals_stay_with_clients_that_come_back_and_go_with_those_that_do_not() {
    let folder = tempfile::tempdir().expect("a folder for the data");
    let options = ServerOptions::new(folder.path()).set("tickTime", TICK_MS);
    let server = options.start();
    let address = server.address().to_string();
    let short = || Client::builder().session_timeout(Duration::from_secs(2));
    let ephemeral = CreateOptions::new(CreateMode::Ephemeral);

    let faithful = short().connect(&address).await.expect("a session");
    faithful
        .create("/faithful", "", &ephemeral)
        .await
        .expect("an ephemeral");
    let lost = short().connect(&address).await.expect("a session");
    lost.create("/lost", "", &ephemeral)
        .await
        .expect("an ephemeral");
    let closed = short().connect(&address).await.expect("a session");
    closed
        .create("/closed", "", &ephemeral)
        .await
        .expect("an ephemeral");
    let (closed_session, lost_session) = (closed.session(), lost.session());
    closed.close().await.expect("a session can be closed");
    let faithful_id = faithful.session().id;

    server.kill();
    // The client is gone before the server is back.
    let mut states = lost.states();
    drop(lost);
    while states.changed().await.is_ok() {}
    let server = options.start();

    // By itself, with its password; an operation waits for the connection.
    let stat = loop {
        match faithful.exists("/faithful").await {
            Err(Error::ConnectionLoss) => {}
            stat => {
                break stat
                    .expect("the session goes on")
                    .expect("the ephemeral stayed");
            }
        }
    };
    assert_eq!(
        (stat.ephemeral_owner, faithful.session().id),
        (faithful_id, faithful_id)
    );
    let observer = Client::connect(&address).await.expect("a session");
    assert_eq!(
        observer.exists("/closed").await,
        Ok(None),
        "its session was closed before the kill"
    );
    let mut watcher = observer
        .add_watch("/lost", AddWatchMode::Persistent)
        .await
        .expect("a watch");
    if observer.exists("/lost").await.expect("an answer").is_some() {
        let event = tokio::time::timeout(PATIENCE, watcher.next_event())
            .await
            .expect("an event in time");
        let event = event.expect("the watch lasts");
        assert_eq!(
            (event.event_type, event.path.as_str()),
            (EventType::NodeDeleted, "/lost")
        );
    }
    assert_eq!(observer.exists("/lost").await, Ok(None));
    for over in [closed_session, lost_session] {
        let again = Client::builder().session(over).connect(&address).await;
        assert_eq!(
            again.map(|client| client.session().id),
            Err(Error::SessionExpired)
        );
    }
    let stat = faithful
        .exists("/faithful")
        .await
        .expect("an answer")
        .expect("its client is alive");
    assert_eq!(stat.ephemeral_owner, faithful_id);
    faithful.close().await.expect("a session can be closed");
    assert_eq!(observer.exists("/faithful").await, Ok(None));
    drop(server);
}
