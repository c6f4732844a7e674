//! Transactions, guarded transactions, and reads of many znodes at once.

use std::sync::Arc;

use zookeeper_client::{
    Acls, CheckWriteError, CreateMode, Error, EventType, MultiReadResult, MultiWriteError,
    MultiWriteResult,
};

use crate::cases;
use crate::harness::{Failure, Outcome, check, gives, same};
use crate::scene::{PERSISTENT, Scene, fires};

cases! {
    "multi-success" => success,
    "multi-failure-changes-nothing" => failure_changes_nothing,
    "multi-failures-by-kind" => failures_by_kind,
    "multi-sees-its-own-earlier-operations" => sees_its_own_earlier_operations,
    "multi-creates-containers" => creates_containers,
    "multi-of-many-operations" => of_many_operations,
    "check-writer" => check_writer,
    "multi-read" => multi_read,
}

async fn success(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let (new, old) = (scene.at("/new"), scene.at("/old"));
    client.create(&old, b"", &PERSISTENT).await?;
    let mut writer = client.new_multi_writer();
    writer.add_create(&new, b"x", &PERSISTENT)?;
    writer.add_set_data(&new, b"y", Some(0))?;
    writer.add_check_version(&new, 1)?;
    writer.add_create(
        &scene.at("/s-"),
        b"",
        &CreateMode::EphemeralSequential.with_acls(Acls::anyone_all()),
    )?;
    writer.add_delete(&old, None)?;
    let results = writer.commit().await?;
    let (data, stat) = client.get_data(&new).await?;
    same("data", data, b"y".to_vec())?;
    let [
        MultiWriteResult::Create { path, stat: made },
        MultiWriteResult::SetData { stat: set },
        MultiWriteResult::Check,
        MultiWriteResult::Create {
            path: sequential, ..
        },
        MultiWriteResult::Delete,
    ] = results.as_slice()
    else {
        return Err(Failure::new(format!("unexpected results {results:?}")));
    };
    same(
        "paths",
        (path, sequential),
        (&new, &scene.at("/s-0000000002")),
    )?;
    same("set", *set, stat)?;
    same("made in the same transaction", made.czxid, stat.mzxid)
}

async fn failure_changes_nothing(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let (_, watcher) = client.list_and_watch_children(&scene.root).await?;
    let mut writer = client.new_multi_writer();
    writer.add_create(&scene.at("/a"), b"", &PERSISTENT)?;
    writer.add_set_data(&scene.root, b"changed", None)?;
    writer.add_delete(&scene.at("/missing"), None)?;
    writer.add_create(&scene.at("/b"), b"", &PERSISTENT)?;
    gives(
        writer.commit().await,
        MultiWriteError::OperationFailed {
            index: 2,
            source: Error::NoNode,
        },
    )?;
    let (data, stat) = client.get_data(&scene.root).await?;
    same(
        "root",
        (data.len(), stat.version, stat.num_children),
        (0, 0, 0),
    )?;
    // Had it fired before, it would be the event of "/a".
    let (made, _) = client.create(&scene.at("/c"), b"", &PERSISTENT).await?;
    let event = fires(watcher, EventType::NodeChildrenChanged, &scene.root).await?;
    same("zxid of the event", event.zxid, made.czxid)
}

async fn failures_by_kind(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    client.create(&scene.at("/a"), b"", &PERSISTENT).await?;
    let failed = |source| MultiWriteError::OperationFailed { index: 0, source };
    let mut writer = client.new_multi_writer();
    writer.add_check_version(&scene.root, 5)?;
    gives(writer.commit().await, failed(Error::BadVersion))?;
    writer.add_check_version(&scene.at("/missing"), -1)?;
    gives(writer.commit().await, failed(Error::NoNode))?;
    writer.add_create(&scene.root, b"", &PERSISTENT)?;
    gives(writer.commit().await, failed(Error::NodeExists))?;
    writer.add_set_data(&scene.root, b"", Some(5))?;
    gives(writer.commit().await, failed(Error::BadVersion))?;
    writer.add_delete(&scene.root, None)?;
    gives(writer.commit().await, failed(Error::NotEmpty))
}

async fn sees_its_own_earlier_operations(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let path = scene.at("/a");
    client.create(&path, b"old", &PERSISTENT).await?;
    let mut writer = client.new_multi_writer();
    writer.add_delete(&path, Some(0))?;
    writer.add_create(&path, b"new", &PERSISTENT)?;
    writer.add_create(&scene.at("/a/b"), b"", &PERSISTENT)?;
    same("results", writer.commit().await?.len(), 3)?;
    same("data", client.get_data(&path).await?.0, b"new".to_vec())
}

async fn creates_containers(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let mut writer = client.new_multi_writer();
    writer.add_create(
        &scene.at("/c"),
        b"",
        &CreateMode::Container.with_acls(Acls::anyone_all()),
    )?;
    let results = writer.commit().await?;
    let [MultiWriteResult::Create { path, .. }] = results.as_slice() else {
        return Err(Failure::new(format!("unexpected results {results:?}")));
    };
    same("path", path, &scene.at("/c"))?;
    check("it is there", client.check_stat(path).await?.is_some())
}

async fn of_many_operations(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let mut writer = client.new_multi_writer();
    for n in 0..1000 {
        writer.add_create(&scene.at(format_args!("/{n}")), b"x", &PERSISTENT)?;
    }
    same("results", writer.commit().await?.len(), 1000)?;
    same(
        "children",
        client.list_children(&scene.root).await?.len(),
        1000,
    )
}

async fn check_writer(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let mut writer = client.new_check_writer(&scene.root, Some(0))?;
    writer.add_create(&scene.at("/a"), b"", &PERSISTENT)?;
    same("results", writer.commit().await?.len(), 1)?;
    client.set_data(&scene.root, b"x", None).await?;
    let mut writer = client.new_check_writer(&scene.root, Some(0))?;
    writer.add_create(&scene.at("/b"), b"", &PERSISTENT)?;
    gives(
        writer.commit().await,
        CheckWriteError::CheckFailed {
            source: Error::BadVersion,
        },
    )?;
    same("stat", client.check_stat(&scene.at("/b")).await?, None)
}

async fn multi_read(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let (made, _) = client.create(&scene.at("/a"), b"x", &PERSISTENT).await?;
    let mut reader = client.new_multi_reader();
    reader.add_get_data(&scene.at("/a"))?;
    reader.add_get_data(&scene.at("/missing"))?;
    reader.add_get_children(&scene.root)?;
    reader.add_get_children(&scene.at("/missing"))?;
    let results = reader.commit().await?;
    let [
        MultiReadResult::Data { data, stat },
        MultiReadResult::Error { err: Error::NoNode },
        MultiReadResult::Children { children },
        MultiReadResult::Error { err: Error::NoNode },
    ] = results.as_slice()
    else {
        return Err(Failure::new(format!("unexpected results {results:?}")));
    };
    same("data", (data.as_slice(), *stat), (b"x".as_slice(), made))?;
    same("children", children.join(" ").as_str(), "a")
}
