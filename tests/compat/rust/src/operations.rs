//! Znodes: create, read, write, delete, and what their Stat says.

use std::sync::Arc;
use std::time::Duration;

use zookeeper_client::{EventType, SessionState, Stat};

use crate::cases;
use crate::control::{connect_address, is_alone};
use crate::harness::{Outcome, check, same};
use crate::scene::{PERSISTENT, Scene, connector, fires};

cases! {
    "connect" => connect,
    "session-time-out-is-negotiated" => session_time_out_is_negotiated,
    "create-get-set-delete" => create_get_set_delete,
    "stat-of-a-znode-and-its-parent" => stat_of_a_znode_and_its_parent,
    "create-as-a-client-of-3-4" => create_as_a_client_of_3_4,
    "mkdir" => mkdir,
    "children-with-and-without-stat" => children_with_and_without_stat,
    "descendants-are-counted" => descendants_are_counted,
    "unicode-paths-and-binary-data" => unicode_paths_and_binary_data,
    "data-close-to-the-limit" => data_close_to_the_limit,
    "pipelined-requests-keep-their-order" => pipelined_requests_keep_their_order,
    "sync-and-config" => sync_and_config,
    "chroot" => chroot,
}

async fn connect(scene: Arc<Scene>) -> Outcome {
    let client = scene.client().await?;
    check("a session id", client.session_id().0 != 0)?;
    check(
        "the session is not read-only",
        !client.session().is_readonly(),
    )?;
    same("state", client.state(), SessionState::SyncConnected)
}

async fn session_time_out_is_negotiated(scene: Arc<Scene>) -> Outcome {
    for (asked_ms, got_ms) in [(100, 1000), (7000, 7000), (1_000_000, 60_000)] {
        let client = scene
            .connect(connector(Duration::from_millis(asked_ms)))
            .await?;
        same(
            "time-out",
            client.session_timeout(),
            Duration::from_millis(got_ms),
        )?;
    }
    Ok(())
}

async fn create_get_set_delete(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let path = scene.at("/a");
    let (made, _) = client.create(&path, b"one", &PERSISTENT).await?;
    same(
        "what was made",
        client.get_data(&path).await?,
        (b"one".to_vec(), made),
    )?;
    let stat = client.set_data(&path, b"two", Some(0)).await?;
    same("version", stat.version, 1)?;
    same(
        "what was set",
        client.get_data(&path).await?,
        (b"two".to_vec(), stat),
    )?;
    client.delete(&path, Some(1)).await?;
    same("stat", client.check_stat(&path).await?, None)
}

async fn stat_of_a_znode_and_its_parent(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let path = scene.at("/a");
    let (born, _) = client.create(&path, b"1234", &PERSISTENT).await?;
    let wanted = Stat {
        mzxid: born.czxid,
        pzxid: born.czxid,
        mtime: born.ctime,
        version: 0,
        cversion: 0,
        aversion: 0,
        ephemeral_owner: 0,
        data_length: 4,
        num_children: 0,
        ..born
    };
    same("stat at birth", born, wanted)?;
    let (_, parent) = client.get_children(&scene.root).await?;
    same(
        "parent",
        (parent.pzxid, parent.cversion, parent.num_children),
        (born.czxid, 1, 1),
    )?;
    let changed = client.set_data(&path, b"12", None).await?;
    check("mzxid grows", changed.mzxid > born.mzxid)?;
    same(
        "what stays",
        (changed.czxid, changed.ctime, changed.pzxid),
        (born.czxid, born.ctime, born.pzxid),
    )?;
    client.delete(&path, None).await?;
    let (_, parent) = client.get_children(&scene.root).await?;
    same("parent", (parent.cversion, parent.num_children), (2, 0))?;
    check("the parent's pzxid grows", parent.pzxid > changed.mzxid)
}

async fn create_as_a_client_of_3_4(scene: Arc<Scene>) -> Outcome {
    let client = scene
        .connect(connector(Duration::from_secs(20)).with_server_version(3, 4, 14))
        .await?;
    let (stat, _) = client.create(&scene.root, b"x", &PERSISTENT).await?;
    check("the old answer has no stat", stat.is_invalid())?;
    same("data", client.get_data(&scene.root).await?.0, b"x".to_vec())
}

async fn mkdir(scene: Arc<Scene>) -> Outcome {
    let client = scene.client().await?;
    let deep = scene.at("/a/b/c");
    client.mkdir(&deep, &PERSISTENT).await?;
    client.mkdir(&deep, &PERSISTENT).await?;
    check(
        "the deep one is there",
        client.check_stat(&deep).await?.is_some(),
    )
}

async fn children_with_and_without_stat(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    for name in ["/c", "/a", "/b"] {
        client.create(&scene.at(name), b"", &PERSISTENT).await?;
    }
    let mut names = client.list_children(&scene.root).await?;
    names.sort();
    same("children", names.join(" ").as_str(), "a b c")?;
    let (names, stat) = client.get_children(&scene.root).await?;
    same(
        "children",
        (names.len(), stat.num_children, stat.cversion),
        (3, 3, 3),
    )
}

async fn descendants_are_counted(scene: Arc<Scene>) -> Outcome {
    let client = scene.client().await?;
    client.mkdir(&scene.at("/a/b/c"), &PERSISTENT).await?;
    client.mkdir(&scene.at("/d"), &PERSISTENT).await?;
    same(
        "below the root",
        client.count_descendants_number(&scene.root).await?,
        4,
    )?;
    same(
        "below a leaf",
        client.count_descendants_number(&scene.at("/d")).await?,
        0,
    )
}

async fn unicode_paths_and_binary_data(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let data: Vec<u8> = (0..=255).collect();
    for name in ["/žluťoučký kůň", "/服务提供者", "/a%2Fb?c=d&e"] {
        client.create(&scene.at(name), &data, &PERSISTENT).await?;
        same(
            "data",
            client.get_data(&scene.at(name)).await?.0,
            data.clone(),
        )?;
    }
    same(
        "children",
        client.list_children(&scene.root).await?.len(),
        3,
    )
}

async fn data_close_to_the_limit(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let data = vec![7; 1_000_000];
    client.create(&scene.at("/big"), &data, &PERSISTENT).await?;
    check(
        "the data came back",
        client.get_data(&scene.at("/big")).await?.0 == data,
    )
}

async fn pipelined_requests_keep_their_order(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    // Each request is sent when its future is made.
    let pending: Vec<_> = (0..300_i32)
        .map(|n| {
            (
                client.set_data(&scene.root, &n.to_be_bytes(), None),
                client.get_data(&scene.root),
            )
        })
        .collect();
    for (n, (write, read)) in (0..).zip(pending) {
        same("version", write.await?.version, n + 1)?;
        same("data", read.await?.0, n.to_be_bytes().to_vec())?;
    }
    Ok(())
}

async fn sync_and_config(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    client.sync(&scene.root).await?;
    let (data, stat, _watcher) = client.get_and_watch_config().await?;
    same("owner of the config", stat.ephemeral_owner, 0)?;
    same(
        "a config without a line means a server alone",
        (data.is_empty(), data.starts_with(b"server.1=")),
        (is_alone(), !is_alone()),
    )
}

async fn chroot(scene: Arc<Scene>) -> Outcome {
    let outside = scene.rooted().await?;
    let inside = connector(Duration::from_secs(20))
        .connect(&format!("{}{}", connect_address(), scene.root))
        .await?;
    inside.create("/a", b"x", &PERSISTENT).await?;
    same(
        "data",
        outside.get_data(&scene.at("/a")).await?.0,
        b"x".to_vec(),
    )?;
    let (_, _, watcher) = inside.get_and_watch_data("/a").await?;
    outside.delete(&scene.at("/a"), None).await?;
    fires(watcher, EventType::NodeDeleted, "/a").await?;
    let same_session = outside
        .clone()
        .chroot(scene.root.clone())
        .map_err(|_| std::fmt::Error)?;
    same("session", same_session.session_id(), outside.session_id())?;
    same("children", same_session.list_children("/").await?.len(), 0)
}
