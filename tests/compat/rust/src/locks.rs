//! The crate's lock recipe.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::task::JoinSet;
use zookeeper_client::{Acls, Error, LockOptions, LockPrefix};

use crate::cases;
use crate::harness::{Failure, Outcome, gives, same};
use crate::scene::{PERSISTENT, Scene, eventually, ready, soon};

cases! {
    "lock-of-many-contenders" => of_many_contenders,
    "lock-waits-in-line" => waits_in_line,
    "lock-passes-on-when-the-holder-is-gone" => passes_on_when_the_holder_is_gone,
    "lock-guards-writes" => guards_writes,
}

fn options() -> Result<LockOptions<'static>, Error> {
    LockOptions::new(Acls::anyone_all()).with_ancestor_options(PERSISTENT)
}

async fn of_many_contenders(scene: Arc<Scene>) -> Outcome {
    let inside = Arc::new(AtomicU32::new(0));
    let mut contenders = JoinSet::new();
    for _ in 0..6 {
        let (scene, inside, client) = (
            Arc::clone(&scene),
            Arc::clone(&inside),
            scene.client().await?,
        );
        contenders.spawn(async move {
            for _ in 0..5 {
                let lock = client
                    .lock(
                        LockPrefix::new_curator(&scene.root, "lock-")?,
                        b"",
                        options()?,
                    )
                    .await?;
                same("holders", inside.fetch_add(1, Ordering::SeqCst) + 1, 1)?;
                client.check_stat(&scene.root).await?;
                inside.fetch_sub(1, Ordering::SeqCst);
                drop(lock);
            }
            Ok::<_, Failure>(())
        });
    }
    while let Some(ended) = contenders.join_next().await {
        ended??;
    }
    let client = scene.client().await?;
    eventually("nobody is left in line", || async {
        Ok(client.list_children(&scene.root).await?.is_empty())
    })
    .await
}

async fn waits_in_line(scene: Arc<Scene>) -> Outcome {
    let (first, second) = (scene.client().await?, scene.client().await?);
    let prefix = scene.at("/n-");
    let held = first
        .lock(LockPrefix::new_shared(&prefix)?, b"first", options()?)
        .await?;
    let mut waiting =
        Box::pin(second.lock(LockPrefix::new_shared(&prefix)?, b"second", options()?));
    let observer = scene.client().await?;
    let in_line = eventually("two in line", || async {
        Ok(observer.list_children(&scene.root).await?.len() == 2)
    });
    tokio::select! {
        _ = &mut waiting => return Err(Failure::new("two hold the lock")),
        reached = in_line => reached?,
    }
    same("ready", ready(&mut waiting).await.is_some(), false)?;
    drop(held);
    let held = soon("the lock", waiting).await??;
    same("path", held.lock_path(), &scene.at("/n-0000000001"))
}

async fn passes_on_when_the_holder_is_gone(scene: Arc<Scene>) -> Outcome {
    let (first, second) = (scene.client().await?, scene.client().await?);
    let held = first
        .lock(
            LockPrefix::new_curator(&scene.root, "latch-")?,
            b"",
            options()?,
        )
        .await?
        .into_owned();
    // The session ends, and with it the ephemeral: nobody deletes it.
    std::mem::forget(held.clone());
    drop((held, first));
    soon(
        "the lock",
        second.lock(
            LockPrefix::new_curator(&scene.root, "latch-")?,
            b"",
            options()?,
        ),
    )
    .await??;
    Ok(())
}

async fn guards_writes(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let lock = client
        .lock(
            LockPrefix::new_curator(&scene.at("/lock"), "lock-")?,
            b"",
            options()?,
        )
        .await?;
    lock.create(&scene.at("/a"), b"", &PERSISTENT).await?;
    lock.set_data(&scene.at("/a"), b"x", None).await?;
    client.delete(lock.lock_path(), None).await?;
    gives(
        lock.set_data(&scene.at("/a"), b"y", None).await,
        Error::RuntimeInconsistent,
    )?;
    gives(
        lock.delete(&scene.at("/a"), None).await,
        Error::RuntimeInconsistent,
    )
}
