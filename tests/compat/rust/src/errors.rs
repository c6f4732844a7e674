//! The errors a request may be answered with.

use std::sync::Arc;

use zookeeper_client::{Acl, Acls, AuthId, CreateMode, EnsembleUpdate, Error, Permission};

use crate::cases;
use crate::harness::{Outcome, check, gives};
use crate::scene::{EPHEMERAL, PERSISTENT, Scene};

cases! {
    "error-no-node" => no_node,
    "error-node-exists-bad-version-not-empty" => node_exists_bad_version_not_empty,
    "error-no-children-for-ephemerals" => no_children_for_ephemerals,
    "error-invalid-acl" => invalid_acl,
    "error-reconfig-disabled" => reconfig_disabled,
}

async fn no_node(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let missing = scene.at("/missing");
    gives(client.get_data(&missing).await, Error::NoNode)?;
    gives(client.set_data(&missing, b"", None).await, Error::NoNode)?;
    gives(client.delete(&missing, None).await, Error::NoNode)?;
    gives(client.list_children(&missing).await, Error::NoNode)?;
    gives(client.get_children(&missing).await, Error::NoNode)?;
    gives(client.get_acl(&missing).await, Error::NoNode)?;
    gives(
        client.set_acl(&missing, &Acls::anyone_all(), None).await,
        Error::NoNode,
    )?;
    gives(
        client.count_descendants_number(&missing).await,
        Error::NoNode,
    )?;
    gives(
        client.get_and_watch_data(&missing).await.map(drop),
        Error::NoNode,
    )?;
    gives(
        client
            .create(&scene.at("/missing/child"), b"", &PERSISTENT)
            .await,
        Error::NoNode,
    )
}

async fn node_exists_bad_version_not_empty(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    client.create(&scene.at("/child"), b"", &PERSISTENT).await?;
    gives(
        client.create(&scene.root, b"", &PERSISTENT).await,
        Error::NodeExists,
    )?;
    gives(
        client.set_data(&scene.root, b"", Some(7)).await,
        Error::BadVersion,
    )?;
    gives(client.delete(&scene.root, Some(7)).await, Error::BadVersion)?;
    gives(
        client
            .set_acl(&scene.root, &Acls::anyone_all(), Some(7))
            .await,
        Error::BadVersion,
    )?;
    gives(client.delete(&scene.root, None).await, Error::NotEmpty)
}

async fn no_children_for_ephemerals(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    client.create(&scene.at("/e"), b"", &EPHEMERAL).await?;
    let container = CreateMode::Container.with_acls(Acls::anyone_all());
    for options in [&PERSISTENT, &EPHEMERAL, &container] {
        gives(
            client.create(&scene.at("/e/child"), b"", options).await,
            Error::NoChildrenForEphemerals,
        )?;
    }
    Ok(())
}

async fn invalid_acl(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    for (scheme, id) in [
        ("nonsense", "x"),
        ("digest", "no-colon"),
        ("ip", "300.1.2.3"),
        ("auth", ""),
    ] {
        let acl = [Acl::new(Permission::ALL, AuthId::new(scheme, id))];
        let options = CreateMode::Persistent.with_acls(Acls::new(&acl));
        gives(
            client.create(&scene.at("/a"), b"", &options).await,
            Error::InvalidAcl,
        )?;
    }
    Ok(())
}

async fn reconfig_disabled(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let update = EnsembleUpdate::New {
        ensemble: ["server.2=localhost:2888:3888;2181"].into_iter(),
    };
    gives(
        client.update_ensemble(update, None).await,
        Error::ReconfigDisabled,
    )?;
    check(
        "the client lives on",
        client.check_stat(&scene.root).await?.is_some(),
    )
}
