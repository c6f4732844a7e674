//! The create modes: sequential, ephemeral, container, time to live.

use std::sync::Arc;
use std::time::{Duration, Instant};

use zookeeper_client::{Acls, CreateMode, CreateOptions, EventType};

use crate::cases;
use crate::harness::{Outcome, check, same};
use crate::scene::{EPHEMERAL, PERSISTENT, Scene, eventually, fires};

cases! {
    "create-sequential" => create_sequential,
    "ephemeral-ends-with-its-session" => ephemeral_ends_with_its_session,
    "ephemerals-of-the-session-are-listed" => ephemerals_of_the_session_are_listed,
    "container-is-removed-when-emptied" => container_is_removed_when_emptied,
    "time-to-live" => time_to_live,
    "set-data-extends-the-time-to-live" => set_data_extends_the_time_to_live,
}

async fn create_sequential(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let prefix = scene.at("/s-");
    let persistent = CreateMode::PersistentSequential.with_acls(Acls::anyone_all());
    let ephemeral = CreateMode::EphemeralSequential.with_acls(Acls::anyone_all());
    let (_, first) = client.create(&prefix, b"", &persistent).await?;
    let (stat, second) = client.create(&prefix, b"", &ephemeral).await?;
    same("numbers", (first.into_i64(), second.into_i64()), (0, 1))?;
    same("owner", stat.ephemeral_owner, client.session_id().0)?;
    client.delete(&format!("{prefix}{second}"), None).await?;
    client.create(&scene.at("/plain"), b"", &PERSISTENT).await?;
    let (_, fourth) = client.create(&prefix, b"", &persistent).await?;
    same("the number of the fourth creation", fourth.into_i64(), 3)
}

async fn ephemeral_ends_with_its_session(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let owner = scene.client().await?;
    let path = scene.at("/e");
    owner.create(&path, b"", &EPHEMERAL).await?;
    let (stat, watcher) = client.check_and_watch_stat(&path).await?;
    same(
        "owner",
        stat.map(|stat| stat.ephemeral_owner),
        Some(owner.session_id().0),
    )?;
    drop(owner);
    fires(watcher, EventType::NodeDeleted, &path).await?;
    Ok(())
}

async fn ephemerals_of_the_session_are_listed(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let other = scene.client().await?;
    for name in ["/a", "/b"] {
        client.create(&scene.at(name), b"", &EPHEMERAL).await?;
    }
    other.create(&scene.at("/c"), b"", &EPHEMERAL).await?;
    let mut paths = client.list_ephemerals(&scene.root).await?;
    paths.sort();
    same("mine", paths, vec![scene.at("/a"), scene.at("/b")])?;
    same(
        "below b",
        client.list_ephemerals(&scene.at("/b")).await?,
        vec![scene.at("/b")],
    )?;
    same(
        "below nothing",
        client.list_ephemerals(&scene.at("/none")).await?,
        vec![],
    )
}

async fn container_is_removed_when_emptied(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let path = scene.at("/c");
    let container = CreateMode::Container.with_acls(Acls::anyone_all());
    let (stat, _) = client.create(&path, b"x", &container).await?;
    same("owner", stat.ephemeral_owner, 0)?;
    client
        .create(&scene.at("/c/child"), b"", &PERSISTENT)
        .await?;
    let (_, watcher) = client.check_and_watch_stat(&path).await?;
    client.delete(&scene.at("/c/child"), None).await?;
    fires(watcher, EventType::NodeDeleted, &path).await?;
    Ok(())
}

async fn time_to_live(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let path = scene.at("/t");
    let began = Instant::now();
    let (stat, _) = client
        .create(&path, b"", &PERSISTENT.with_ttl(Duration::from_secs(1)))
        .await?;
    same("owner", stat.ephemeral_owner, 0)?;
    let (_, watcher) = client.check_and_watch_stat(&path).await?;
    fires(watcher, EventType::NodeDeleted, &path).await?;
    check(
        "it lived a second",
        began.elapsed() > Duration::from_millis(900),
    )
}

async fn set_data_extends_the_time_to_live(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let (path, witness) = (scene.at("/t"), scene.at("/witness"));
    let options: CreateOptions<'_> = PERSISTENT.with_ttl(Duration::from_millis(1500));
    client.create(&path, b"", &options).await?;
    client.create(&witness, b"", &options).await?;
    // Touched until one that is not touched is gone: it must have outlived its own time.
    eventually("the untouched one is removed", || async {
        client.set_data(&path, b"x", None).await?;
        Ok(client.check_stat(&witness).await?.is_none())
    })
    .await?;
    check(
        "the touched one is there",
        client.check_stat(&path).await?.is_some(),
    )
}
