//! Sessions over lost links and dead servers: kept, moved, refused, expired.

use std::sync::Arc;
use std::time::{Duration, Instant};

use zookeeper_client::{Acls, AddWatchMode, CreateMode, Error, EventType, SessionState};

use crate::cases;
use crate::harness::{Outcome, check, gives, same};
use crate::link::Link;
use crate::scene::{EPHEMERAL, PERSISTENT, Scene, connector, eventually, fires, reaches, soon};

cases! {
    "session-survives-kill-of-the-server" => survives_kill_of_the_server,
    "session-survives-stop-of-the-server" => survives_stop_of_the_server,
    "acknowledged-writes-survive-kill-of-the-server" => acknowledged_writes_survive_kill_of_the_server,
    "session-survives-a-lost-link" => survives_a_lost_link,
    "watches-see-what-happened-while-away" => watches_see_what_happened_while_away,
    "persistent-watch-is-told-of-the-lost-link" => persistent_watch_is_told_of_the_lost_link,
    "session-expires" => expires,
    "idle-session-lives-by-its-pings" => idle_session_lives_by_its_pings,
    "paused-server-is-noticed-and-used-again" => paused_server_is_noticed_and_used_again,
    "session-is-taken-over" => is_taken_over,
    "closed-session-is-refused" => closed_session_is_refused,
    "read-only-client-gets-a-full-server" => read_only_client_gets_a_full_server,
    "many-clients-at-once" => many_clients_at_once,
}

async fn survives_kill_of_the_server(scene: Arc<Scene>) -> Outcome {
    survives(scene, true).await
}

async fn survives_stop_of_the_server(scene: Arc<Scene>) -> Outcome {
    survives(scene, false).await
}

/// What a client keeps while the server goes down and comes back.
async fn survives(scene: Arc<Scene>, kill: bool) -> Outcome {
    // Apache ZooKeeper never answers and never closes a connection that it accepts while it starts. The client then
    // gives up after two fifths of the session time-out, so this one is short.
    let client = scene
        .connect(connector(Duration::from_secs(9)).with_auth("digest", b"ann:pw"))
        .await?;
    client.create(&scene.root, b"", &PERSISTENT).await?;
    client.create(&scene.at("/e"), b"", &EPHEMERAL).await?;
    client
        .create(
            &scene.at("/secret"),
            b"x",
            &CreateMode::Persistent.with_acls(Acls::creator_all()),
        )
        .await?;
    let session = client.session_id();
    let mut states = client.state_watcher();
    let (_, _, data) = client.get_and_watch_data(&scene.root).await?;
    let (_, exist) = client.check_and_watch_stat(&scene.at("/new")).await?;
    let (_, children) = client.list_and_watch_children(&scene.root).await?;

    if kill {
        scene.control.kill().await?;
    } else {
        scene.control.stop().await?;
    }
    reaches(&mut states, SessionState::Disconnected).await?;
    scene.control.start().await?;
    reaches(&mut states, SessionState::SyncConnected).await?;
    let stat = client.check_stat(&scene.at("/e")).await?;
    same(
        "owner",
        stat.map(|stat| stat.ephemeral_owner),
        Some(session.0),
    )?;
    same(
        "secret",
        client.get_data(&scene.at("/secret")).await?.0,
        b"x".to_vec(),
    )?;

    let writer = scene.client().await?;
    writer.set_data(&scene.root, b"x", None).await?;
    writer.create(&scene.at("/new"), b"", &PERSISTENT).await?;
    fires(data, EventType::NodeDataChanged, &scene.root).await?;
    fires(exist, EventType::NodeCreated, &scene.at("/new")).await?;
    fires(children, EventType::NodeChildrenChanged, &scene.root).await?;
    Ok(())
}

async fn acknowledged_writes_survive_kill_of_the_server(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let paths: Vec<_> = (0..300).map(|n| scene.at(format_args!("/{n}"))).collect();
    let pending: Vec<_> = paths
        .iter()
        .map(|path| client.create(path, b"x", &PERSISTENT))
        .collect();
    for created in pending {
        created.await?;
    }
    scene.control.kill().await?;
    scene.control.start().await?;
    same(
        "children",
        scene
            .client()
            .await?
            .list_children(&scene.root)
            .await?
            .len(),
        300,
    )
}

async fn survives_a_lost_link(scene: Arc<Scene>) -> Outcome {
    let link = Link::open().await?;
    let client = connector(Duration::from_secs(20))
        .connect(&link.address)
        .await?;
    let session = client.session_id();
    client.create(&scene.root, b"", &EPHEMERAL).await?;
    let mut states = client.state_watcher();
    for _ in 0..3 {
        link.cut();
        reaches(&mut states, SessionState::Disconnected).await?;
        link.mend();
        reaches(&mut states, SessionState::SyncConnected).await?;
    }
    let stat = client.check_stat(&scene.root).await?;
    same(
        "owner",
        stat.map(|stat| stat.ephemeral_owner),
        Some(session.0),
    )
}

async fn watches_see_what_happened_while_away(scene: Arc<Scene>) -> Outcome {
    let writer = scene.rooted().await?;
    let link = Link::open().await?;
    let client = connector(Duration::from_secs(20))
        .connect(&link.address)
        .await?;
    for name in ["/changed", "/deleted", "/parent", "/same"] {
        writer.create(&scene.at(name), b"", &PERSISTENT).await?;
    }
    let (_, _, changed) = client.get_and_watch_data(&scene.at("/changed")).await?;
    let (_, _, deleted) = client.get_and_watch_data(&scene.at("/deleted")).await?;
    let (_, _, untouched) = client.get_and_watch_data(&scene.at("/same")).await?;
    let (_, children) = client.list_and_watch_children(&scene.at("/parent")).await?;
    let (_, created) = client.check_and_watch_stat(&scene.at("/created")).await?;
    let mut states = client.state_watcher();
    link.cut();
    reaches(&mut states, SessionState::Disconnected).await?;
    writer.set_data(&scene.at("/changed"), b"x", None).await?;
    writer.delete(&scene.at("/deleted"), None).await?;
    writer
        .create(&scene.at("/parent/child"), b"", &PERSISTENT)
        .await?;
    writer
        .create(&scene.at("/created"), b"", &PERSISTENT)
        .await?;
    link.mend();
    fires(changed, EventType::NodeDataChanged, &scene.at("/changed")).await?;
    fires(deleted, EventType::NodeDeleted, &scene.at("/deleted")).await?;
    fires(
        children,
        EventType::NodeChildrenChanged,
        &scene.at("/parent"),
    )
    .await?;
    fires(created, EventType::NodeCreated, &scene.at("/created")).await?;
    writer.delete(&scene.at("/same"), None).await?;
    fires(untouched, EventType::NodeDeleted, &scene.at("/same")).await?;
    Ok(())
}

/// Session events only: this version of the crate registers none but its one-shot watches again.
async fn persistent_watch_is_told_of_the_lost_link(_: Arc<Scene>) -> Outcome {
    let link = Link::open().await?;
    let client = connector(Duration::from_secs(20))
        .connect(&link.address)
        .await?;
    let mut watcher = client.watch("/", AddWatchMode::Persistent).await?;
    let mut states = client.state_watcher();
    link.cut();
    reaches(&mut states, SessionState::Disconnected).await?;
    link.mend();
    for state in [SessionState::Disconnected, SessionState::SyncConnected] {
        let event = soon("a session event", watcher.changed()).await?;
        same(
            "event",
            (event.event_type, event.session_state),
            (EventType::Session, state),
        )?;
    }
    Ok(())
}

async fn expires(scene: Arc<Scene>) -> Outcome {
    let observer = scene.rooted().await?;
    let link = Link::open().await?;
    let client = connector(Duration::from_secs(1))
        .connect(&link.address)
        .await?;
    client.create(&scene.at("/e"), b"", &EPHEMERAL).await?;
    let (_, gone) = observer.check_and_watch_stat(&scene.at("/e")).await?;
    let mut states = client.state_watcher();
    link.cut();
    fires(gone, EventType::NodeDeleted, &scene.at("/e")).await?;
    link.mend();
    reaches(&mut states, SessionState::Expired).await?;
    gives(client.check_stat("/").await, Error::SessionExpired)
}

async fn idle_session_lives_by_its_pings(scene: Arc<Scene>) -> Outcome {
    let observer = scene.rooted().await?;
    let idle = scene.connect(connector(Duration::from_secs(1))).await?;
    idle.create(&scene.at("/e"), b"", &EPHEMERAL).await?;
    let began = Instant::now();
    eventually("four time-outs pass", || async {
        Ok(began.elapsed() > Duration::from_secs(4))
    })
    .await?;
    check(
        "the ephemeral is there",
        observer.check_stat(&scene.at("/e")).await?.is_some(),
    )?;
    same("state", idle.state(), SessionState::SyncConnected)
}

async fn paused_server_is_noticed_and_used_again(scene: Arc<Scene>) -> Outcome {
    let client = scene.connect(connector(Duration::from_secs(4))).await?;
    let mut states = client.state_watcher();
    scene.control.pause().await?;
    reaches(&mut states, SessionState::Disconnected).await?;
    scene.control.resume().await?;
    reaches(&mut states, SessionState::SyncConnected).await?;
    check("the tree is there", client.check_stat("/").await?.is_some())
}

async fn is_taken_over(scene: Arc<Scene>) -> Outcome {
    let first = scene
        .connect(connector(Duration::from_secs(20)).with_detached())
        .await?;
    first.create(&scene.root, b"", &EPHEMERAL).await?;
    let session = first.into_session();
    let id = session.id();
    let second = scene
        .connect(connector(Duration::from_secs(20)).with_session(session))
        .await?;
    same("session", second.session_id(), id)?;
    let observer = scene.client().await?;
    let (stat, watcher) = observer.check_and_watch_stat(&scene.root).await?;
    same("owner", stat.map(|stat| stat.ephemeral_owner), Some(id.0))?;
    drop(second);
    fires(watcher, EventType::NodeDeleted, &scene.root).await?;
    Ok(())
}

async fn closed_session_is_refused(scene: Arc<Scene>) -> Outcome {
    let client = scene.client().await?;
    client.create(&scene.root, b"", &EPHEMERAL).await?;
    let observer = scene.client().await?;
    let (_, watcher) = observer.check_and_watch_stat(&scene.root).await?;
    let session = client.into_session();
    fires(watcher, EventType::NodeDeleted, &scene.root).await?;
    let again = connector(Duration::from_secs(20)).with_session(session);
    gives(
        again
            .connect(&crate::control::connect_address())
            .await
            .map(drop),
        Error::SessionExpired,
    )
}

async fn read_only_client_gets_a_full_server(scene: Arc<Scene>) -> Outcome {
    let client = scene
        .connect(connector(Duration::from_secs(20)).with_readonly(true))
        .await?;
    check(
        "the session is not read-only",
        !client.session().is_readonly(),
    )?;
    client.create(&scene.root, b"", &PERSISTENT).await?;
    Ok(())
}

async fn many_clients_at_once(scene: Arc<Scene>) -> Outcome {
    let observer = scene.rooted().await?;
    let sequential = CreateMode::EphemeralSequential.with_acls(Acls::anyone_all());
    let mut clients = Vec::new();
    for _ in 0..50 {
        let client = scene.client().await?;
        client.create(&scene.at("/e-"), b"", &sequential).await?;
        clients.push(client);
    }
    let mut ids: Vec<_> = clients.iter().map(|client| client.session_id().0).collect();
    ids.sort_unstable();
    ids.dedup();
    same("distinct sessions", ids.len(), 50)?;
    same(
        "ephemerals",
        observer.list_children(&scene.root).await?.len(),
        50,
    )
}
