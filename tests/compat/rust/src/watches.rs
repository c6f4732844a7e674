//! One-shot, persistent and recursive watches.

use std::sync::Arc;

use zookeeper_client::{AddWatchMode, EventType};

use crate::cases;
use crate::harness::{Failure, Outcome, check, same};
use crate::scene::{PERSISTENT, Scene, fires, next, ready, soon};

cases! {
    "watch-of-stat" => watch_of_stat,
    "watch-of-data" => watch_of_data,
    "watch-of-children" => watch_of_children,
    "event-carries-the-zxid" => event_carries_the_zxid,
    "own-event-comes-before-the-reply" => own_event_comes_before_the_reply,
    "persistent-watch" => persistent_watch,
    "persistent-watch-outlives-the-znode" => persistent_watch_outlives_the_znode,
    "recursive-watch" => recursive_watch,
    "recursive-watch-of-the-whole-tree" => recursive_watch_of_the_whole_tree,
    "watches-of-all-kinds-on-one-path" => watches_of_all_kinds_on_one_path,
    "dropped-watcher-leaves-the-others" => dropped_watcher_leaves_the_others,
    "multi-fires-for-each-operation" => multi_fires_for_each_operation,
}

async fn watch_of_stat(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let writer = scene.client().await?;
    let path = scene.at("/a");
    let (stat, watcher) = client.check_and_watch_stat(&path).await?;
    same("stat", stat, None)?;
    writer.create(&path, b"", &PERSISTENT).await?;
    fires(watcher, EventType::NodeCreated, &path).await?;
    let (_, watcher) = client.check_and_watch_stat(&path).await?;
    writer.set_data(&path, b"x", None).await?;
    fires(watcher, EventType::NodeDataChanged, &path).await?;
    let (_, watcher) = client.check_and_watch_stat(&path).await?;
    writer.delete(&path, None).await?;
    fires(watcher, EventType::NodeDeleted, &path).await?;
    Ok(())
}

async fn watch_of_data(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let (_, _, watcher) = client.get_and_watch_data(&scene.root).await?;
    client.create(&scene.at("/a"), b"", &PERSISTENT).await?;
    client.set_data(&scene.root, b"x", None).await?;
    fires(watcher, EventType::NodeDataChanged, &scene.root).await?;
    let (_, _, watcher) = client.get_and_watch_data(&scene.at("/a")).await?;
    client.delete(&scene.at("/a"), None).await?;
    fires(watcher, EventType::NodeDeleted, &scene.at("/a")).await?;
    Ok(())
}

async fn watch_of_children(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let (_, watcher) = client.list_and_watch_children(&scene.root).await?;
    client.set_data(&scene.root, b"x", None).await?;
    client.create(&scene.at("/a"), b"", &PERSISTENT).await?;
    fires(watcher, EventType::NodeChildrenChanged, &scene.root).await?;
    let (_, _, watcher) = client.get_and_watch_children(&scene.root).await?;
    client
        .create(&scene.at("/a/grandchild"), b"", &PERSISTENT)
        .await?;
    client.delete(&scene.at("/a/grandchild"), None).await?;
    client.delete(&scene.at("/a"), None).await?;
    fires(watcher, EventType::NodeChildrenChanged, &scene.root).await?;
    let (_, watcher) = client.list_and_watch_children(&scene.root).await?;
    client.delete(&scene.root, None).await?;
    fires(watcher, EventType::NodeDeleted, &scene.root).await?;
    Ok(())
}

async fn event_carries_the_zxid(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let (_, _, watcher) = client.get_and_watch_data(&scene.root).await?;
    let stat = client.set_data(&scene.root, b"x", None).await?;
    let event = fires(watcher, EventType::NodeDataChanged, &scene.root).await?;
    same("zxid", event.zxid, stat.mzxid)
}

async fn own_event_comes_before_the_reply(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    for _ in 0..20 {
        let (_, _, watcher) = client.get_and_watch_data(&scene.root).await?;
        client.set_data(&scene.root, b"x", None).await?;
        let event = ready(watcher.changed())
            .await
            .ok_or_else(|| Failure::new("the reply came first"))?;
        same("event", event.event_type, EventType::NodeDataChanged)?;
    }
    Ok(())
}

async fn persistent_watch(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let (root, child) = (&scene.root, scene.at("/a"));
    let mut watcher = client.watch(root, AddWatchMode::Persistent).await?;
    client.set_data(root, b"1", None).await?;
    client.set_data(root, b"2", None).await?;
    client.create(&child, b"", &PERSISTENT).await?;
    client.set_data(&child, b"x", None).await?;
    client.create(&scene.at("/a/b"), b"", &PERSISTENT).await?;
    client.delete(&scene.at("/a/b"), None).await?;
    client.delete(&child, None).await?;
    client.delete(root, None).await?;
    for event in [
        EventType::NodeDataChanged,
        EventType::NodeDataChanged,
        EventType::NodeChildrenChanged,
        EventType::NodeChildrenChanged,
        EventType::NodeDeleted,
    ] {
        next(&mut watcher, event, root).await?;
    }
    Ok(())
}

async fn persistent_watch_outlives_the_znode(scene: Arc<Scene>) -> Outcome {
    let client = scene.client().await?;
    let mut watcher = client.watch(&scene.root, AddWatchMode::Persistent).await?;
    for _ in 0..3 {
        client.create(&scene.root, b"", &PERSISTENT).await?;
        client.delete(&scene.root, None).await?;
        next(&mut watcher, EventType::NodeCreated, &scene.root).await?;
        next(&mut watcher, EventType::NodeDeleted, &scene.root).await?;
    }
    Ok(())
}

async fn recursive_watch(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let (child, grandchild) = (scene.at("/a"), scene.at("/a/b"));
    let mut watcher = client
        .watch(&scene.root, AddWatchMode::PersistentRecursive)
        .await?;
    client.create(&child, b"", &PERSISTENT).await?;
    client.create(&grandchild, b"", &PERSISTENT).await?;
    client.set_data(&grandchild, b"x", None).await?;
    client.delete(&grandchild, None).await?;
    client.delete(&child, None).await?;
    client.set_data(&scene.root, b"x", None).await?;
    client.delete(&scene.root, None).await?;
    for (event, path) in [
        (EventType::NodeCreated, &child),
        (EventType::NodeCreated, &grandchild),
        (EventType::NodeDataChanged, &grandchild),
        (EventType::NodeDeleted, &grandchild),
        (EventType::NodeDeleted, &child),
        (EventType::NodeDataChanged, &scene.root),
        (EventType::NodeDeleted, &scene.root),
    ] {
        next(&mut watcher, event, path).await?;
    }
    Ok(())
}

async fn recursive_watch_of_the_whole_tree(scene: Arc<Scene>) -> Outcome {
    let client = scene.client().await?;
    let mut watcher = client.watch("/", AddWatchMode::PersistentRecursive).await?;
    client.create(&scene.root, b"", &PERSISTENT).await?;
    // Others may be at work in the tree as well.
    soon("the event of the new znode", async {
        loop {
            let event = watcher.changed().await;
            if (event.event_type, &event.path) == (EventType::NodeCreated, &scene.root) {
                return;
            }
        }
    })
    .await
}

async fn watches_of_all_kinds_on_one_path(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let mut persistent = client.watch(&scene.root, AddWatchMode::Persistent).await?;
    let mut recursive = client
        .watch(&scene.root, AddWatchMode::PersistentRecursive)
        .await?;
    let (_, _, oneshot) = client.get_and_watch_data(&scene.root).await?;
    client.set_data(&scene.root, b"x", None).await?;
    fires(oneshot, EventType::NodeDataChanged, &scene.root).await?;
    next(&mut persistent, EventType::NodeDataChanged, &scene.root).await?;
    next(&mut recursive, EventType::NodeDataChanged, &scene.root).await?;
    // One event for the connection, not one for each watch.
    client.create(&scene.at("/a"), b"", &PERSISTENT).await?;
    next(&mut persistent, EventType::NodeChildrenChanged, &scene.root).await?;
    next(&mut recursive, EventType::NodeCreated, &scene.at("/a")).await?;
    client.sync(&scene.root).await?;
    check(
        "no event is left",
        ready(persistent.changed()).await.is_none() && ready(recursive.changed()).await.is_none(),
    )
}

async fn dropped_watcher_leaves_the_others(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let dropped = client.watch(&scene.root, AddWatchMode::Persistent).await?;
    let mut kept = client
        .watch(&scene.root, AddWatchMode::PersistentRecursive)
        .await?;
    let (_, _, dropped_too) = client.get_and_watch_data(&scene.root).await?;
    let (_, oneshot) = client.list_and_watch_children(&scene.root).await?;
    drop((dropped, dropped_too));
    client.sync(&scene.root).await?;
    client.set_data(&scene.root, b"x", None).await?;
    client.create(&scene.at("/a"), b"", &PERSISTENT).await?;
    next(&mut kept, EventType::NodeDataChanged, &scene.root).await?;
    next(&mut kept, EventType::NodeCreated, &scene.at("/a")).await?;
    fires(oneshot, EventType::NodeChildrenChanged, &scene.root).await?;
    Ok(())
}

async fn multi_fires_for_each_operation(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let path = scene.at("/a");
    let mut watcher = client.watch(&path, AddWatchMode::Persistent).await?;
    let mut writer = client.new_multi_writer();
    writer.add_create(&path, b"1", &PERSISTENT)?;
    writer.add_set_data(&path, b"2", Some(0))?;
    writer.add_delete(&path, None)?;
    writer.commit().await?;
    let created = next(&mut watcher, EventType::NodeCreated, &path).await?;
    let changed = next(&mut watcher, EventType::NodeDataChanged, &path).await?;
    let deleted = next(&mut watcher, EventType::NodeDeleted, &path).await?;
    same("zxids", (changed, deleted), (created, created))
}
