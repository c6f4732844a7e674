//! Several members as one: what is acknowledged by one is there at all, whoever of them is killed or paused.
//!
//! What the topics share: clients of one member or of all, whole trees to compare, and a session that goes on writing
//! through whatever happens ([`Numbers`]).

mod behind;
mod commands;
mod everyone_killed;
mod forms_and_serves;
mod hanging_disk;
mod join;
mod leader_killed;
mod leader_stopped;
mod local_sessions;
mod members;
mod minority;
mod mismatch;
mod observer;
mod read_only_mode;
mod recover;
mod rules;
mod sessions;
mod strict_reads;
mod tls;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use treekeeper_client::{Client, CreateMode, CreateOptions, Error, Stat};
use treekeeper_tests::process::Ensemble;
use treekeeper_tests::process::server::PATIENCE;

use crate::kill::model::Data;

/// A session that lasts through elections and restarts.
pub(crate) const LONG: Duration = Duration::from_secs(60);
/// A session that a test can see the end of: six ticks.
pub(crate) const SHORT: Duration = Duration::from_secs(3);
/// How long a client tries to open a session with members that run.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Lines of a zoo.cfg with which anybody may change the members.
pub(crate) const OPEN: &str = "reconfigEnabled=true\nskipACL=yes\n";
/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Of this many numbered znodes one is ephemeral.
const EPHEMERAL_EVERY: u64 = 10;
/// Bytes of data of a numbered znode.
const DATA_LEN: usize = 100;

/// Opens a session with one of these members.
pub(crate) async fn connect(members: &str, session_timeout: Duration) -> Client {
    let builder = Client::builder()
        .session_timeout(session_timeout)
        .connect_timeout(CONNECT_TIMEOUT);
    let connected = builder.connect(members).await;
    connected.unwrap_or_else(|error| panic!("a session with {members}: {error}"))
}

/// Opens a session with this member alone.
pub(crate) async fn connect_to(ensemble: &Ensemble, id: usize) -> Client {
    connect(&ensemble.address(id).to_string(), LONG).await
}

/// Creates a persistent znode.
pub(crate) async fn create(client: &Client, path: &str, data: &'static str) {
    let created = client.create(path, data, &CreateOptions::default()).await;
    created.unwrap_or_else(|error| panic!("create {path}: {error}"));
}

/// The data that a member has after it has heard of all that was acknowledged before.
pub(crate) async fn synced_data(client: &Client, path: &str) -> Result<Option<Bytes>, Error> {
    client.sync(path).await?;
    Ok(client.get_data(path).await?.0)
}

/// Repeats a call until its connection is not lost. It must do no harm when it is carried out twice.
pub(crate) async fn insist<T>(mut call: impl AsyncFnMut() -> Result<T, Error>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match call().await {
            Err(Error::ConnectionLoss) if Instant::now() < deadline => sleep(LOOK_EVERY).await,
            outcome => return outcome.expect("the session goes on"),
        }
    }
}

/// Starts a member with the lines of all, which the others do not have yet: it waits until it is added.
pub(crate) fn start_waiting(ensemble: &mut Ensemble, id: usize) {
    ensemble.write_config(id, &format!("{OPEN}{}", ensemble.lines()));
    ensemble.start_member(id);
    let waits = ensemble
        .server(id)
        .line_within("waiting to be added", PATIENCE);
    assert!(waits.is_some(), "it joins without having been asked");
}

/// Waits until the client has no connection.
pub(crate) async fn disconnected(client: &Client) {
    let mut states = client.states();
    let lost = states.wait_for(|state| !state.is_connected());
    let lost = timeout(PATIENCE, lost).await;
    drop(
        lost.expect("the connection is closed")
            .expect("the client goes on"),
    );
}

/// Looks whether a znode is there after all that was acknowledged before, as often as its connection is lost.
pub(crate) async fn synced_stat(client: &Client, path: &str) -> Option<Stat> {
    insist(async || sync_and_look(client, path).await).await
}

async fn sync_and_look(client: &Client, path: &str) -> Result<Option<Stat>, Error> {
    client.sync(path).await?;
    client.exists(path).await
}

/// Waits until the znode is gone.
pub(crate) async fn gone(client: &Client, path: &str) {
    let deadline = Instant::now() + PATIENCE;
    while synced_stat(client, path).await.is_some() {
        assert!(Instant::now() < deadline, "{path} stays");
        sleep(LOOK_EVERY).await;
    }
}

/// Every znode with its data and stat.
pub(crate) type Tree = BTreeMap<String, (Option<Bytes>, Stat)>;

/// The tree that a member has, with all that was acknowledged before.
async fn tree_of(ensemble: &Ensemble, id: usize) -> Tree {
    let client = &connect_to(ensemble, id).await;
    client.sync("/").await.expect("the member has a leader");
    let mut tree = Tree::new();
    let mut level = vec!["/".to_owned()];
    while !level.is_empty() {
        let reads = join_all(level.iter().map(|path| async move {
            let (names, _) = client.get_children(path).await?;
            let (data, stat) = client.get_data(path).await?;
            Ok::<_, Error>((names, data, stat))
        }));
        let reads = reads.await;
        let mut below = Vec::new();
        for (path, read) in level.into_iter().zip(reads) {
            let (names, data, stat) =
                read.unwrap_or_else(|error| panic!("{path} of member {id}: {error}"));
            let parent = path.trim_end_matches('/');
            below.extend(names.iter().map(|name| format!("{parent}/{name}")));
            tree.insert(path, (data, stat));
        }
        level = below;
    }
    client.close().await.expect("a session can be closed");
    tree
}

/// Checks that all members that run have the same tree, and gives it back.
pub(crate) async fn same_tree(ensemble: &Ensemble) -> Tree {
    let mut first: Option<(usize, Tree)> = None;
    for id in ensemble.running() {
        let tree = tree_of(ensemble, id).await;
        let Some((other_id, other)) = &first else {
            first = Some((id, tree));
            continue;
        };
        let paths = tree.keys().chain(other.keys());
        let differing: Vec<_> = paths
            .filter(|path| tree.get(*path) != other.get(*path))
            .map(|path| (path, tree.get(path), other.get(path)))
            .collect();
        assert!(
            differing.is_empty(),
            "members {id} and {other_id} differ in {} znodes, such as {:?}",
            differing.len(),
            differing[0]
        );
    }
    first.expect("some member runs").1
}

/// A session that creates numbered znodes one after the other, some of them ephemeral, and goes on when its
/// connection is lost.
pub(crate) struct Numbers {
    count: watch::Receiver<u64>,
    stop: Arc<AtomicBool>,
    task: JoinHandle<Tree>,
}

impl Numbers {
    /// Begins to write.
    pub(crate) fn start(client: Client) -> Self {
        let (count_sender, count) = watch::channel(0);
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(write_numbers(client, Arc::clone(&stop), count_sender));
        Self { count, stop, task }
    }

    /// Waits until some more are acknowledged.
    pub(crate) async fn advance(&mut self, more: u64) {
        let goal = *self.count.borrow_and_update() + more;
        let reached = self.count.wait_for(|count| *count >= goal);
        let reached = timeout(PATIENCE, reached).await;
        drop(
            reached
                .expect("writes are acknowledged")
                .expect("the writer goes on"),
        );
    }

    /// Ends; gives back what was acknowledged.
    pub(crate) async fn finish(self) -> Tree {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("the writer found nothing wrong")
    }
}

async fn write_numbers(client: Client, stop: Arc<AtomicBool>, count: watch::Sender<u64>) -> Tree {
    let mut acknowledged = Tree::new();
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let path = format!("/number{number:06}");
        let data = Data {
            seed: number,
            len: DATA_LEN,
        };
        let options = CreateOptions::new(if number % EPHEMERAL_EVERY == 0 {
            CreateMode::Ephemeral
        } else {
            CreateMode::Persistent
        });
        match client.create(&path, data.bytes(), &options).await {
            Ok((created, stat)) => {
                assert_eq!(created, path);
                acknowledged.insert(path, (Some(data.bytes()), stat));
                count.send_modify(|count| *count += 1);
            }
            // Nobody knows whether it was carried out.
            Err(Error::ConnectionLoss) => {}
            Err(error) => panic!("create {path}: {error}"),
        }
    }
    acknowledged
}

/// Checks that all of `acknowledged` is in the tree, exactly as it was acknowledged.
pub(crate) fn assert_holds(tree: &Tree, acknowledged: &Tree) {
    for (path, written) in acknowledged {
        assert_eq!(
            tree.get(path),
            Some(written),
            "{path} of {} acknowledged",
            acknowledged.len()
        );
    }
}
