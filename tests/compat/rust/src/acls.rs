//! Who may do what.

use std::sync::Arc;
use std::time::Duration;

use zookeeper_client::{
    Acl, Acls, AuthId, AuthUser, CreateMode, CreateOptions, Error, Permission, SessionState,
};

use crate::cases;
use crate::harness::{Outcome, gives, same};
use crate::scene::{PERSISTENT, Scene, connector, reaches};

cases! {
    "acl-get-and-set" => get_and_set,
    "acl-digest" => digest,
    "acl-of-the-creator" => of_the_creator,
    "acl-shows-no-digest-to-readers" => shows_no_digest_to_readers,
    "acl-ip" => ip,
    "super-passes-everywhere" => super_passes_everywhere,
    "who-am-i" => who_am_i,
    "unknown-auth-scheme-fails" => unknown_auth_scheme_fails,
}

/// User "ann" with the password "pw": base64 of the SHA-1 of "ann:pw".
const ANN: &str = "ann:RYbu6l5aZwqon8VWmkcGvezdzfc=";
const CREATOR: CreateOptions<'static> = CreateMode::Persistent.with_acls(Acls::creator_all());

fn ann() -> Acl {
    Acl::new(Permission::ALL, AuthId::new("digest", ANN))
}

async fn get_and_set(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    let (acl, stat) = client.get_acl(&scene.root).await?;
    same(
        "acl",
        (acl.as_slice(), stat.aversion),
        (&*Acls::anyone_all(), 0),
    )?;
    let stat = client
        .set_acl(&scene.root, &Acls::anyone_read(), Some(0))
        .await?;
    same("versions", (stat.aversion, stat.version), (1, 0))?;
    gives(client.set_data(&scene.root, b"", None).await, Error::NoAuth)?;
    gives(
        client.create(&scene.at("/a"), b"", &PERSISTENT).await,
        Error::NoAuth,
    )?;
    gives(
        client.set_acl(&scene.root, &Acls::anyone_all(), None).await,
        Error::NoAuth,
    )?;
    client.get_data(&scene.root).await?;
    Ok(())
}

async fn digest(scene: Arc<Scene>) -> Outcome {
    let client = scene.client().await?;
    let acl = [ann()];
    client
        .create(
            &scene.root,
            b"secret",
            &CreateMode::Persistent.with_acls(Acls::new(&acl)),
        )
        .await?;
    gives(client.get_data(&scene.root).await, Error::NoAuth)?;
    gives(
        client.get_and_watch_data(&scene.root).await.map(drop),
        Error::NoAuth,
    )?;
    gives(client.list_children(&scene.root).await, Error::NoAuth)?;
    client.auth("digest", b"ann:wrong").await?;
    gives(client.get_data(&scene.root).await, Error::NoAuth)?;
    client.auth("digest", b"ann:pw").await?;
    same(
        "data",
        client.get_data(&scene.root).await?.0,
        b"secret".to_vec(),
    )
}

async fn of_the_creator(scene: Arc<Scene>) -> Outcome {
    let owner = scene
        .connect(connector(Duration::from_secs(20)).with_auth("digest", b"ann:pw"))
        .await?;
    owner.create(&scene.root, b"", &CREATOR).await?;
    same("acl", owner.get_acl(&scene.root).await?.0, vec![ann()])?;
    gives(
        scene.client().await?.get_data(&scene.root).await,
        Error::NoAuth,
    )
}

async fn shows_no_digest_to_readers(scene: Arc<Scene>) -> Outcome {
    let client = scene.client().await?;
    let acl = [Acl::new(Permission::READ, AuthId::anyone()), ann()];
    client
        .create(
            &scene.root,
            b"",
            &CreateMode::Persistent.with_acls(Acls::new(&acl)),
        )
        .await?;
    let (seen, _) = client.get_acl(&scene.root).await?;
    same(
        "ids",
        seen.iter().map(Acl::id).collect(),
        vec!["anyone", "ann:x"],
    )
}

async fn ip(scene: Arc<Scene>) -> Outcome {
    let client = scene.rooted().await?;
    for (name, network, wanted) in [
        ("/here", "127.0.0.1", None),
        ("/net", "127.0.0.0/8", None),
        ("/there", "10.0.0.0/8", Some(Error::NoAuth)),
    ] {
        let acl = [Acl::new(Permission::ALL, AuthId::new("ip", network))];
        client
            .create(
                &scene.at(name),
                b"",
                &CreateMode::Persistent.with_acls(Acls::new(&acl)),
            )
            .await?;
        same(
            network,
            client.get_data(&scene.at(name)).await.err(),
            wanted,
        )?;
    }
    Ok(())
}

async fn super_passes_everywhere(scene: Arc<Scene>) -> Outcome {
    let client = scene.client().await?;
    let acl = [Acl::new(Permission::READ, AuthId::new("digest", ANN))];
    client
        .create(
            &scene.root,
            b"",
            &CreateMode::Persistent.with_acls(Acls::new(&acl)),
        )
        .await?;
    client.auth("digest", b"super:secret").await?;
    client.set_data(&scene.root, b"x", None).await?;
    Ok(())
}

async fn who_am_i(scene: Arc<Scene>) -> Outcome {
    let client = scene.client().await?;
    same(
        "users",
        client.list_auth_users().await?,
        vec![AuthUser::new("ip", "127.0.0.1")],
    )?;
    client.auth("digest", b"ann:pw").await?;
    let users = client.list_auth_users().await?;
    same("number of users", users.len(), 2)?;
    same(
        "ann is there",
        users.contains(&AuthUser::new("digest", "ann")),
        true,
    )
}

async fn unknown_auth_scheme_fails(scene: Arc<Scene>) -> Outcome {
    let client = scene.client().await?;
    let mut states = client.state_watcher();
    gives(client.auth("nonsense", b"x").await, Error::AuthFailed)?;
    reaches(&mut states, SessionState::AuthFailed).await
}
