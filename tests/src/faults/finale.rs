//! What must hold when everything runs again: the registers' and the list's last words, ephemerals, equal trees.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use tokio::time::sleep;
use treekeeper_client::{Client, Error, Stat};

use super::cluster::Cluster;
use super::load::{LIST, Live, Owner, Shared, number_of, text};

/// How long a session opened for the checks lasts.
const SESSION: Duration = Duration::from_secs(30);
/// How long the ephemerals of sessions that are over may take to go.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Reads on their way at once.
const READS_AHEAD: usize = 256;

type Tree = BTreeMap<String, (Option<Bytes>, Stat)>;

/// Looks at everything, records what is wrong, and gives back the list's items.
///
/// # Errors
/// When the members do not answer.
pub async fn look(
    shared: &Shared,
    cluster: &Cluster,
    live: &[Live],
    others: &[Owner],
) -> Result<BTreeMap<i64, String>, String> {
    let client = shared.connect(SESSION).await;
    for register in 0..shared.registers {
        let deadline = Instant::now() + PATIENCE;
        while shared.read(&client, register, true).await.is_none() {
            if Instant::now() > deadline {
                return Err(format!("register {register} cannot be read"));
            }
            sleep(LOOK_EVERY).await;
        }
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let tree = read_tree(&client).await?;
        let ours = live.iter().map(|live| live.client.session().id);
        let owners: BTreeSet<_> = ours
            .chain(others.iter().map(|owner| owner.session))
            .collect();
        let left: Vec<_> = tree
            .iter()
            .filter(|(_, (_, stat))| stat.ephemeral_owner != 0)
            .filter(|(_, (_, stat))| !owners.contains(&stat.ephemeral_owner))
            .map(|(path, (_, stat))| format!("{path} of session {:#x}", stat.ephemeral_owner))
            .collect();
        if left.is_empty() {
            break;
        }
        if Instant::now() > deadline {
            let text = format!("ephemerals of sessions that are over stay: {left:?}");
            shared.recorder.violation(text);
            break;
        }
        sleep(LOOK_EVERY).await;
    }
    // What expired late is the same everywhere from here on.
    let mut trees = Vec::new();
    for id in cluster.ids() {
        let member = member_client(cluster, id).await?;
        let tree = read_tree(&member).await;
        trees.push((id, tree.map_err(|error| format!("member {id}: {error}"))?));
        // The session ends by itself as well.
        let _ = member.close().await;
    }
    let Some(((first_id, first), further)) = trees.split_first() else {
        return Err("there are no members".to_owned());
    };
    for (id, tree) in further {
        let paths: BTreeSet<_> = first.keys().chain(tree.keys()).collect();
        for path in paths {
            let (here, there) = (first.get(path), tree.get(path));
            if here != there {
                shared.recorder.violation(format!(
                    "members {first_id} and {id} differ in {path}: {here:?} and {there:?}"
                ));
            }
        }
    }
    let ours = live.iter().filter(|live| !live.client.state().is_final());
    let ours = ours.map(|live| (live.client.session().id, &live.ephemerals));
    let others = others
        .iter()
        .map(|owner| (owner.session, &owner.ephemerals));
    for (session, ephemerals) in ours.chain(others) {
        for path in ephemerals {
            let owner = first.get(path).map(|(_, stat)| stat.ephemeral_owner);
            if owner != Some(session) {
                shared.recorder.violation(format!(
                    "{path} of the live session {session:#x} has the owner {owner:x?}"
                ));
            }
        }
    }
    let prefix = format!("{LIST}/");
    let items = first.iter().filter(|(path, _)| path.starts_with(&prefix));
    Ok(items
        .map(|(path, (data, _))| (number_of(path).unwrap_or(-1), text(data.as_ref())))
        .collect())
}

async fn member_client(cluster: &Cluster, id: usize) -> Result<Client, String> {
    let builder = Client::builder()
        .session_timeout(SESSION)
        .connect_timeout(PATIENCE);
    let connected = builder.connect(&cluster.address(id).to_string()).await;
    connected.map_err(|error| format!("no session with member {id}: {error}"))
}

/// The whole tree as the client's member has it after a sync; tried again when the connection is lost.
async fn read_tree(client: &Client) -> Result<Tree, String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match try_read_tree(client).await {
            Ok(tree) => return Ok(tree),
            // A znode may go while the tree is read, with its session.
            Err(error) if Instant::now() > deadline => {
                return Err(format!("the tree cannot be read: {error}"));
            }
            Err(_) => sleep(LOOK_EVERY).await,
        }
    }
}

async fn try_read_tree(client: &Client) -> Result<Tree, Error> {
    client.sync("/").await?;
    let mut tree = Tree::new();
    let mut level = vec!["/".to_owned()];
    while !level.is_empty() {
        let mut below = Vec::new();
        for paths in level.chunks(READS_AHEAD) {
            let reads = paths.iter().map(|path| async move {
                let (names, _) = client.get_children(path).await?;
                let (data, stat) = client.get_data(path).await?;
                Ok::<_, Error>((names, data, stat))
            });
            for (path, read) in paths.iter().zip(join_all(reads).await) {
                let (names, data, stat) = read?;
                let parent = path.trim_end_matches('/');
                below.extend(names.iter().map(|name| format!("{parent}/{name}")));
                tree.insert(path.clone(), (data, stat));
            }
        }
        level = below;
    }
    Ok(tree)
}
