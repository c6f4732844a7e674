//! One start of a member's process: the real node, state machine, connections and proposer, with the tasks of the
//! server around them. What tokio's timers and the links do there is done here by simulated ones, in the same order.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::channel::mpsc;
use futures::future::BoxFuture;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::vote::RaftLeaderId;
use openraft::{
    AsyncRuntime, Config as RaftConfig, Instant as _, Raft, ReadPolicy, ServerState, SnapshotPolicy,
};
use openraft_rt_sim::{SimInstant, SimRuntime};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::DuplexStream;
use tokio::sync::{Notify, oneshot};
use treekeeper_server::apply::{Batch, Command, State};
use treekeeper_server::config::{Config, Ensemble, Flags};
use treekeeper_server::connection::serve_stream;
use treekeeper_server::consensus::{LinearizeError, Options, Rounds, Stopped};
use treekeeper_server::members;
use treekeeper_server::publish::{
    Clock, FlushPolicy, Flusher, Linearizer, Machine, Node, Origin, TreeFolders,
};

use crate::disk::DiskFault;
use crate::history::What;
use crate::life::Life;
use crate::machine::MachineAdapter;
use crate::members::tend;
use crate::network::{Links, call};
use crate::stream::ServerEnd;
use crate::time::now;
use crate::types::{Command as RaftCommand, Outcome, Types};
use crate::world::World;

/// `tickTime` of simulated members.
const TICK_MS: u64 = 1000;
/// The shortest session time-out, as a stock server derives it from the tick.
pub(crate) const SESSION_TIMEOUT_MS_MIN: i32 = 2000;
/// How long a confirmation of the leader counts at most: a third of the shortest session time-out.
pub(crate) const CONTACT_LIMIT: Duration = Duration::from_millis(667);
/// Memory of a tree, in bytes: little, so that reads miss it.
const CACHE_BYTES: u64 = 256 << 10;
/// As in `members`: reports in the time for which a confirmation counts.
const REPORTS_PER_LIMIT: u32 = 8;
/// As in `members`: a pause before what was refused is sent again.
const AGAIN_PAUSE: Duration = Duration::from_millis(10);
/// As in `members`: a batch that is on its way for so long is sent again.
const STUCK: Duration = Duration::from_secs(1);
/// As in the server: how long a round of reading the leader's index may take.
const ROUND_MAX: Duration = Duration::from_secs(3);
/// Bytes on their way between a client and its server.
const STREAM_BYTES: usize = 64 << 10;
/// How long a process may take to let go of everything after it was killed.
const END_MAX: Duration = Duration::from_secs(20);

/// A running process.
pub(crate) struct Running {
    pub(crate) member: u64,
    pub(crate) incarnation: u64,
    pub(crate) raft: Raft<Types, MachineAdapter>,
    pub(crate) node: Arc<Node>,
    pub(crate) life: Arc<Life>,
    refused: Arc<Notify>,
    /// Held while this member, as the leader, changes the members.
    pub(crate) changing: tokio::sync::Mutex<()>,
    /// Does it know who it is, so that it may be asked?
    begun: AtomicBool,
}

/// Who leads, as a member knows it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Leadership {
    leader: Option<u64>,
    /// The term in which this member leads.
    leads: Option<u64>,
}

impl Running {
    /// The sets of voters of which each must agree: two during a change.
    pub(crate) fn voters(&self) -> Vec<BTreeSet<u64>> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        membership.get_joint_config().clone()
    }

    /// All members, with votes or without.
    pub(crate) fn members(&self) -> BTreeSet<u64> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        membership.nodes().map(|(node, _)| *node).collect()
    }

    fn leadership(&self) -> Leadership {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let leads = metrics.state == ServerState::Leader;
        Leadership {
            leader: metrics.current_leader,
            leads: leads.then(|| metrics.vote.leader_id.term()),
        }
    }

    fn leader_elsewhere(&self) -> Option<u64> {
        let leader = self.leadership().leader;
        leader.filter(|leader| *leader != self.member)
    }

    fn id(&self) -> (u64, u64) {
        (self.member, self.incarnation)
    }

    /// How long ago a quorum confirmed that this member leads.
    fn quorum_age(&self) -> Option<Duration> {
        let acked = self.raft.as_leader().ok()?.last_quorum_acked()?;
        Some(SimInstant::now() - acked)
    }

    /// Has it applied as much as it knows of, and does somebody lead?
    pub(crate) fn is_settled(&self) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let applied = metrics.last_applied.map(|at| at.index);
        metrics.current_leader.is_some()
            && applied == metrics.last_log_index
            && self.node.proposer.outstanding() == 0
            && self.begun.load(Ordering::Relaxed)
    }

    /// How far it is, in words.
    pub(crate) fn describe(&self) -> String {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        format!(
            "member {} {:?} of {:?} in term {}, voters {:?} of {:?}, log {:?}, applied {:?}, on their way {}, begun {}",
            self.member,
            metrics.state,
            metrics.current_leader,
            metrics.current_term,
            metrics.membership_config.membership().get_joint_config(),
            self.members(),
            metrics.last_log_index,
            metrics.last_applied.map(|at| at.index),
            self.node.proposer.outstanding(),
            self.begun.load(Ordering::Relaxed)
        )
    }

    /// The last entry that it has applied.
    pub(crate) fn applied(&self) -> u64 {
        self.node.state.read().meta.index
    }
}

fn config(world: &World, member: u64) -> Config {
    let place = world.place(member);
    let flags = Flags {
        data_dir: Some(place.folder.clone()),
        set: vec![
            format!("tickTime={TICK_MS}"),
            format!("treekeeper.strictReads={}", world.setup.strict_reads),
            format!("treekeeper.rulesVersion={}", world.setup.rules),
        ],
        ..Flags::default()
    };
    let (mut config, _notices) = Config::load(&flags).expect("the flags are right");
    config.ensemble = Some(Ensemble {
        my_id: u8::try_from(member).expect("members are few"),
        members: std::collections::BTreeMap::new(),
        init_limit: Duration::from_secs(10),
        sync_limit: Duration::from_secs(5),
        reconfig_enabled: false,
        leader_serves: true,
    });
    config
}

/// As the server configures openraft.
fn raft_config() -> RaftConfig {
    let defaults = Options::new("", Arc::new(|_| {}));
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let config = RaftConfig {
        cluster_name: "treekeeper".to_owned(),
        heartbeat_interval: millis(defaults.heartbeat),
        election_timeout_min: millis(defaults.election_timeout_min),
        election_timeout_max: millis(defaults.election_timeout_max),
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        enable_pre_vote: Some(true),
        enable_leader_restore: Some(false),
        ..RaftConfig::default()
    };
    config.validate().expect("the server starts with it")
}

/// Starts a member's process on what its disk holds.
pub(crate) async fn start(world: &Arc<World>, member: u64) {
    if !world.member_ids().contains(&member) {
        return;
    }
    let place = world.place(member);
    let incarnation = place.disk.open();
    world.network.forget(member);
    world.history.note(What::Started {
        member,
        incarnation,
    });
    let config = Arc::new(config(world, member));
    let folders = TreeFolders::new(place.folder.join("tree"));
    let tree = folders.current().expect("the folder can be read").dir;
    std::fs::create_dir_all(&tree).expect("the folder can be made");
    let state = State::open(&tree, CACHE_BYTES).expect("the tree can be opened");
    let applied = (!state.meta.consensus.is_empty()).then_some(state.meta.index);
    if applied > place.disk.last_index() {
        // The server refuses to start (`StartError::NotThisLog`).
        let broken = format!(
            "the tree of member {member} holds entry {applied:?}, and its log ends at {:?}",
            place.disk.last_index()
        );
        world.history.note(What::Broken(broken));
        return;
    }
    let flusher = Flusher::new(FlushPolicy::default(), &state.meta);
    let node = Node::with_clock(Arc::clone(&config), state, Clock::of(place.time));
    let node = Arc::new(node);
    let fatal = {
        let world = Arc::clone(world);
        move |error| {
            world
                .history
                .note(What::Broken(format!("member {member}: {error}")));
        }
    };
    let machine = Machine::new(Arc::clone(&node), flusher.signal(), folders, None, fatal);
    let id = (member, incarnation);
    let machine = MachineAdapter::new(Arc::clone(world), id, Arc::clone(&node), machine);
    let links = Links {
        world: Arc::clone(world),
        member,
        incarnation,
    };
    let store = place.disk.store(incarnation);
    let raft = Raft::new(member, Arc::new(raft_config()), links, store, machine).await;
    let raft = match raft {
        Ok(raft) => raft,
        Err(error) => {
            let broken = format!("member {member} does not start on its own log: {error}");
            world.history.note(What::Broken(broken));
            return;
        }
    };
    let on_panic = {
        let world = Arc::clone(world);
        move || {
            world
                .history
                .note(What::Broken(format!("a task of member {member} panicked")));
        }
    };
    let running = Arc::new(Running {
        member,
        incarnation,
        raft,
        node,
        life: Life::new(on_panic),
        refused: Arc::new(Notify::new()),
        changing: tokio::sync::Mutex::default(),
        begun: AtomicBool::new(false),
    });
    let (rounds, answering) = Rounds::new({
        let (world, running) = (Arc::clone(world), Arc::downgrade(&running));
        move || {
            let (world, running) = (Arc::clone(&world), running.upgrade());
            async move {
                let running = running.ok_or(Stopped)?;
                linearize(&world, &running).await
            }
        }
    });
    running.life.spawn(answering);
    let linearizer: Linearizer = Box::new(move || {
        let rounds = rounds.clone();
        Box::pin(async move { rounds.ask().await.map(drop) })
    });
    if running.node.linearizer.set(linearizer).is_err() {
        unreachable!("the node is new");
    }
    world.run(Arc::clone(&running));
    let life = Arc::clone(&running.life);
    life.spawn(begin(Arc::clone(world), running));
}

/// Forms the ensemble the first time, registers the process, and then does what a member does.
async fn begin(world: Arc<World>, running: Arc<Running>) {
    let Running { node, raft, .. } = &*running;
    // As in the server one forms it, and the others wait.
    if running.member == 1 && raft.is_initialized().await == Ok(false) {
        // An error means that it was formed meanwhile, or that the process has ended.
        let _ = raft.initialize(world.first_nodes()).await;
    }
    running.life.spawn(send_again(Arc::clone(&running)));
    running
        .life
        .spawn(flush(Arc::clone(&world), Arc::clone(&running)));
    let (incarnation, formed, settings) = {
        let state = node.state.read();
        let meta = &state.meta;
        (
            meta.next_incarnation(running.member)
                .max(running.incarnation),
            meta.cluster_id != 0,
            meta.settings,
        )
    };
    node.proposer
        .connect(running.member, incarnation, hand_over(&world, &running));
    if !formed {
        let form = Command::Form {
            cluster_id: 7,
            secret: [7; 32],
        };
        node.proposer.command(&form, Origin::Timer(None));
    }
    let wanted = node.config.replicated;
    if settings != wanted {
        node.proposer
            .command(&Command::Settings(wanted), Origin::Timer(None));
    }
    let (sender, started) = oneshot::channel();
    node.proposer
        .command(&Command::Settings(wanted), Origin::Start(sender));
    if started.await.is_err() {
        return;
    }
    {
        let now_ms = node.clock.now_ms();
        let state = node.state.read();
        let mut expiry = node.expiry.lock();
        for (id, session) in &state.sessions {
            expiry.open(*id, session.generation, session.timeout_ms, now_ms);
        }
    }
    running.begun.store(true, Ordering::Relaxed);
    running.life.spawn(expire_sessions(Arc::clone(&running)));
    running.life.spawn(tend(Arc::clone(&running)));
    keep_contact(world, Arc::clone(&running)).await;
}

/// Takes batches from the proposer to the leader. Each travels by itself, so they may overtake each other.
fn hand_over(world: &Arc<World>, running: &Arc<Running>) -> impl Fn(Bytes) + Send + Sync + use<> {
    // The proposer bounds the entries on their way.
    let (sender, mut queue) = mpsc::unbounded::<Bytes>();
    let (world, running) = (Arc::clone(world), Arc::downgrade(running));
    let life = running.upgrade().map(|running| Arc::clone(&running.life));
    if let Some(life) = life {
        life.spawn(async move {
            while let Some(batch) = queue.next().await {
                let Some(running) = running.upgrade() else {
                    return;
                };
                let Some(leader) = running.leader_elsewhere() else {
                    propose(&running, batch).await;
                    continue;
                };
                let (world, asking) = (Arc::clone(&world), Arc::clone(&running));
                running.life.spawn(async move {
                    if !forward(&world, &asking, leader, batch).await {
                        asking.refused.notify_one();
                    }
                });
            }
        });
    }
    move |batch| {
        // The receiver lives as long as the process.
        let _ = sender.unbounded_send(batch);
    }
}

async fn propose(running: &Arc<Running>, batch: Bytes) {
    let (sender, applied) = oneshot::channel();
    let outcome = Outcome::new(sender);
    let handed = running
        .raft
        .client_write_ff(RaftCommand(batch), Some(outcome))
        .await;
    let refused = Arc::clone(&running.refused);
    running.life.spawn(async move {
        if handed.is_err() || applied.await != Ok(true) {
            refused.notify_one();
        }
    });
}

/// Gives a batch to the leader, which stamps it with its own time. False if it was refused, or nobody knows.
async fn forward(world: &Arc<World>, running: &Running, leader: u64, batch: Bytes) -> bool {
    let answer = call(world, running.id(), leader, move |leading| {
        let batch = batch.clone();
        Box::pin(async move {
            let batch = Batch::stamped(batch, leading.node.clock.wall_ms()).ok()?;
            let (sender, applied) = oneshot::channel();
            let outcome = Outcome::new(sender);
            let command = RaftCommand(batch);
            let handed = leading.raft.client_write_ff(command, Some(outcome)).await;
            Some(handed.is_ok() && applied.await == Ok(true))
        })
    });
    answer.await.unwrap_or(false)
}

/// As `members::send_again`.
async fn send_again(running: Arc<Running>) {
    let mut metrics = running.raft.server_metrics();
    let mut known = running.leadership().leader;
    let mut oldest = None;
    loop {
        let changed = async {
            while metrics.changed().await.is_ok() {
                if running.leadership().leader != known {
                    return true;
                }
            }
            false
        };
        let refused = async {
            running.refused.notified().await;
            SimRuntime::sleep(AGAIN_PAUSE).await;
            true
        };
        let stuck = SimRuntime::sleep(STUCK);
        let stuck = tokio::select! {
            biased;
            goes_on = changed => {
                if !goes_on {
                    return;
                }
                false
            }
            _ = refused => false,
            () = stuck => true,
        };
        let proposed = running.node.proposer.oldest();
        let is_due = !stuck || (proposed.is_some() && proposed == oldest);
        oldest = proposed;
        known = running.leadership().leader;
        if is_due && known.is_some() {
            running.node.proposer.send_again();
        }
    }
}

/// As a round of `consensus::ReadIndex`.
async fn linearize(world: &Arc<World>, running: &Arc<Running>) -> Result<u64, LinearizeError> {
    let until = now() + ROUND_MAX;
    loop {
        let read = read_index(world, running).await;
        if let Some(index) = read {
            return Ok(index);
        }
        if now() >= until {
            return Err(LinearizeError::NoQuorum);
        }
        SimRuntime::sleep(AGAIN_PAUSE).await;
    }
}

async fn read_index(world: &Arc<World>, running: &Arc<Running>) -> Option<u64> {
    let leader = running.leadership().leader?;
    if leader == running.member {
        let read = running.raft.ensure_linearizable(ReadPolicy::ReadIndex);
        return read.await.ok().map(|read| read.log_id().index);
    }
    let asked = call(world, running.id(), leader, |leading| {
        let read = async move {
            let read = leading.raft.get_read_log_id(ReadPolicy::ReadIndex).await;
            read.ok().map(|(at, _applied)| at.log_id().index)
        };
        Box::pin(read) as BoxFuture<'static, Option<u64>>
    });
    let index = asked.await.ok()?;
    let wait = running.raft.wait(None);
    let applied = wait.applied_index_at_least(Some(index), "what the leader has committed");
    applied.await.ok().map(|_applied| index)
}

/// As `members::keep_contact`.
async fn keep_contact(world: Arc<World>, running: Arc<Running>) {
    let node = &running.node;
    let limit = node.contact.limit().expect("it is one of several");
    let interval = (limit / REPORTS_PER_LIMIT).min(Duration::from_millis(250));
    let shortest = node.config.client.min_session_timeout;
    let touch_interval = (node.config.tick_time / 2).min(shortest / 4);
    let (mut touched, mut touched_ms) = (now(), node.clock.now_ms());
    let mut was_current = false;
    loop {
        SimRuntime::sleep(interval).await;
        let names_sessions = now() - touched >= touch_interval;
        let at = (now(), node.clock.now_ms());
        let sessions = if names_sessions {
            members::heard_since(node, touched_ms)
        } else {
            Vec::new()
        };
        let heard = match running.leader_elsewhere() {
            None => running.quorum_age(),
            Some(leader) => {
                let mark = node.divergence.lock().newest();
                report(&world, &running, leader, members::encode(mark, &sessions)).await
            }
        };
        if let Some(ago) = heard {
            node.contact.confirmed(ago);
            if names_sessions {
                (touched, touched_ms) = at;
            }
        }
        if running.leadership().leads.is_none() {
            node.divergence.lock().follow();
        }
        let is_current = node.contact.is_current();
        if was_current && !is_current {
            for connection in node.registry.all() {
                connection.close();
            }
        }
        was_current = is_current;
    }
}

/// Reports to the leader: how long ago a quorum confirmed it.
async fn report(
    world: &Arc<World>,
    running: &Running,
    leader: u64,
    report: Bytes,
) -> Option<Duration> {
    let sent = now();
    let reporting = u8::try_from(running.member).ok()?;
    let truth = Arc::clone(world);
    let answer = call(world, running.id(), leader, move |leading| {
        let (report, truth) = (report.clone(), Arc::clone(&truth));
        let answer = async move {
            let age = leading.quorum_age()?;
            members::heard(&leading.node, reporting, &report)?;
            let really = truth.last_confirmed(leading.member);
            Some((age, really))
        };
        Box::pin(answer) as BoxFuture<'static, Option<(Duration, Option<Duration>)>>
    });
    let (age, really) = answer.await.ok()?;
    if let Some(then) = really {
        world.network.confirmed(running.member, then);
    }
    Some(age + (now() - sent))
}

/// As `timers::expire_sessions`.
async fn expire_sessions(running: Arc<Running>) {
    let node = &running.node;
    let mut led = None;
    loop {
        SimRuntime::sleep(node.config.tick_time).await;
        let leads = running.leadership().leads;
        let expired = {
            let mut expiry = node.expiry.lock();
            let Some(_term) = leads else {
                expiry.rest();
                led = None;
                continue;
            };
            if led != leads {
                expiry.restart(node.clock.now_ms());
                led = leads;
            }
            expiry.tick(node.clock.now_ms())
        };
        for (session, generation) in expired {
            let work = match node.state.read().sessions.get(&session) {
                Some(open) if open.generation == generation => 1 + open.ephemerals.len(),
                _ => continue,
            };
            let Some(term) = running
                .leadership()
                .leads
                .filter(|term| Some(*term) == leads)
            else {
                break;
            };
            let close = Command::CloseSession {
                session,
                generation,
                term,
            };
            node.proposer
                .large_command(&close, Origin::Timer(None), work);
        }
    }
}

/// As `publish::Flusher`, at random times, so that restarts begin at random indexes.
async fn flush(world: Arc<World>, running: Arc<Running>) {
    let seed = running.member << 32 | running.incarnation;
    let mut rng = StdRng::seed_from_u64(seed);
    let node = &running.node;
    loop {
        SimRuntime::sleep(Duration::from_millis(rng.random_range(50..4000))).await;
        let (frozen, store) = {
            let mut state = node.state.write();
            if state.damaged {
                continue;
            }
            state.store_meta();
            (state.tree.freeze(), Arc::clone(state.tree.store()))
        };
        let Some(frozen) = frozen else { continue };
        let index = node.state.read().meta.index;
        let disk = world.place(running.member).disk.clone();
        while world.setup.disk_fault != DiskFault::TreeBeforeLog
            && disk.synced_index() < Some(index)
        {
            SimRuntime::sleep(Duration::from_millis(1)).await;
        }
        // Apply goes on meanwhile.
        SimRuntime::sleep(Duration::from_millis(rng.random_range(0..20))).await;
        if let Err(error) = store.write(&frozen) {
            world
                .history
                .note(What::Broken(format!("a flush failed: {error}")));
        }
        let emptied = node.state.write().tree.flushed();
        drop((frozen, emptied));
    }
}

/// A client connects to a member: its end of the stream, unless nobody is there.
pub(crate) fn connect(world: &Arc<World>, member: u64, client: u32) -> Option<DuplexStream> {
    let running = world.running(member)?;
    let [_, b, c, d] = client.to_be_bytes();
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, b, c, d)), 1);
    let connection = running.node.registry.admit(address)?;
    let (near, far) = tokio::io::duplex(STREAM_BYTES);
    let stream = ServerEnd::new(Arc::clone(world), member, far);
    let (world, node) = (Arc::clone(world), Arc::clone(&running.node));
    running.life.spawn(async move {
        if let Err(error) = serve_stream(node, connection, stream).await {
            world
                .history
                .note(What::Broken(format!("member {member}: {error}")));
        }
    });
    Some(near)
}

/// Kills a member's process, and takes the power from its disk. Returns when nothing of the process is left.
pub(crate) async fn crash(world: &Arc<World>, member: u64) {
    let Some(running) = world.stop(member) else {
        return;
    };
    world.history.note(What::Crashed { member });
    world.place(member).disk.crash();
    running.life.end();
    let (raft, node) = (running.raft.clone(), Arc::downgrade(&running.node));
    drop(running);
    // A join error only says that it had ended before.
    let _ = raft.shutdown().await;
    drop(raft);
    let until = now() + END_MAX;
    while node.strong_count() > 0 {
        assert!(
            now() < until,
            "something of the process of member {member} goes on"
        );
        SimRuntime::sleep(Duration::from_millis(1)).await;
    }
}
