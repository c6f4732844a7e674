//! One run from its seed to its verdict.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openraft::AsyncRuntime;
use openraft_rt_sim::SimRuntime;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use treekeeper_server::apply::{RULES_MAX, State};
use treekeeper_server::consensus::member_lines;

use crate::client::Client;
use crate::disk::DiskFault;
use crate::history::{FinalZnode, Record, What, fingerprint};
use crate::member::{Running, crash, start};
use crate::nemesis;
use crate::properties::{Violation, check_all};
use crate::time::now;
use crate::world::{Setup, World};

/// Clients of one run.
const CLIENTS: u32 = 6;
/// How long the members may take to agree once everything is well.
const SETTLE_MAX: Duration = Duration::from_secs(60);

/// How to run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Everything follows from it.
    pub seed: u64,
    /// How long clients come and things go wrong, in simulated time.
    pub time: Duration,
    /// What the disks do wrong.
    pub disk_fault: DiskFault,
}

/// What came of a run.
#[derive(Debug)]
pub struct Run {
    /// Everything that happened.
    pub history: Vec<Record>,
    /// Promises that were not kept.
    pub violations: Vec<Violation>,
    /// Equal for equal histories.
    pub fingerprint: u64,
}

/// Runs an ensemble under faults, and checks what its clients were told.
///
/// # Errors
/// When the machine has no folder or runtime for it.
///
/// # Panics
/// When the simulation itself is wrong.
pub fn run(options: &Options) -> std::io::Result<Run> {
    // Connections ask tokio for timers. Nobody drives this runtime, so they never fire: no client here is as slow.
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let _context = tokio.enter();
    let folder = tempfile::Builder::new()
        .prefix("treekeeper-simulation-")
        .tempdir_in(folder())?;
    let mut rng = StdRng::seed_from_u64(options.seed);
    let setup = Setup {
        seed: options.seed,
        members: if rng.random_ratio(1, 4) { 5 } else { 3 },
        disk_fault: options.disk_fault,
        strict_reads: rng.random_ratio(1, 3),
        rules: if rng.random_ratio(1, 4) { 1 } else { RULES_MAX },
    };
    let options = *options;
    let mut runtime = SimRuntime::with_seed(options.seed);
    let world = Arc::new(World::new(setup, folder.path()));
    let ran = Arc::clone(&world);
    runtime.block_on(async move { live(&world, &options).await });
    drop(runtime);
    folder.close()?;
    let history = ran.history.take();
    Ok(Run {
        violations: check_all(&history),
        fingerprint: fingerprint(&history),
        history,
    })
}

/// Where trees are kept: in memory if the system has a folder there.
fn folder() -> std::path::PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}

async fn live(world: &Arc<World>, options: &Options) {
    world.history.note(What::Began {
        members: world.count(),
        strict_reads: world.setup.strict_reads,
    });
    for member in world.member_ids() {
        start(world, member).await;
    }
    let mut tasks = Vec::new();
    for number in 1..=CLIENTS {
        let client = Client::new(Arc::clone(world), number, options.seed);
        tasks.push(SimRuntime::spawn(client.run(options.time)));
    }
    let struck = nemesis::run(Arc::clone(world), options.seed, options.time);
    tasks.push(SimRuntime::spawn(struck));
    for task in tasks {
        if let Err(error) = task.await {
            world.history.note(What::Broken(error.to_string()));
        }
    }
    settle(world).await;
    // Who runs holds on to the world, its disks and its folder.
    for member in 1..=world.count() as u64 {
        crash(world, member).await;
    }
    // What their end has woken, such as the other ends of their streams, runs once more, in simulated time.
    SimRuntime::sleep(Duration::from_secs(1)).await;
}

/// Waits until all members have the same, and notes what that is.
async fn settle(world: &Arc<World>) {
    let until = now() + SETTLE_MAX;
    loop {
        SimRuntime::sleep(Duration::from_millis(50)).await;
        let running = world.all_running();
        if let Some(members) = settled(world, &running) {
            for member in members {
                conclude(world, member);
            }
            return;
        }
        if now() > until {
            let state: Vec<String> = running.iter().map(|running| running.describe()).collect();
            let broken = format!("the members do not settle: {}", state.join("; "));
            world.history.note(What::Broken(broken));
            return;
        }
    }
}

/// The members, if all are there and have the same, and no change of them is half done.
fn settled<'a>(world: &World, running: &'a [Arc<Running>]) -> Option<Vec<&'a Running>> {
    let leader = running.iter().find(|running| running.raft.is_leader())?;
    let members = leader.members().into_iter().map(|member| {
        let running = running.iter().find(|running| running.member == member);
        running.map(|running| &**running)
    });
    let members = members.collect::<Option<Vec<_>>>()?;
    let has_same = |member: &&Running| {
        member.is_settled()
            && member.applied() == leader.applied()
            && member.voters() == leader.voters()
    };
    let settled = members.iter().all(has_same)
        && leader.voters().len() == 1
        && !leader.node.state.read().hides_members()
        && !world.changing.load(Ordering::Relaxed);
    settled.then_some(members)
}

fn conclude(world: &World, running: &Running) {
    let member = running.member;
    let state = running.node.state.read();
    let valid = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| state.validate()));
    if !matches!(valid, Ok(Ok(()))) {
        let broken = format!("the tree of member {member} breaks its own rules");
        world.history.note(What::Broken(broken));
    }
    match znodes(&state) {
        Ok(znodes) => world.history.note(What::Final {
            member,
            members: member_lines(&state.meta.consensus).unwrap_or_default(),
            znodes,
        }),
        Err(error) => world.history.note(What::Broken(error.to_string())),
    }
}

fn znodes(state: &State) -> Result<Vec<FinalZnode>, treekeeper_server::tree::StoreError> {
    let mut znodes = Vec::new();
    state.tree.for_each_descendant("/", |path, znode| {
        let data = znode.data.as_deref().unwrap_or_default();
        znodes.push(FinalZnode {
            path: path.to_owned(),
            data: String::from_utf8_lossy(data).into_owned(),
            stat: znode.stat(),
        });
    })?;
    znodes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(znodes)
}
