//! An ensemble of real servers under random faults and load, and a check of all that its clients saw.
//!
//! In: a seed, a time, a number of members. Out: a timeline of what went wrong, counts, and every violation with the
//! calls that show it, in a folder with all logs. What goes wrong: `nemesis`; between the members: `network`; with a
//! member's clock and disk: `preload`; who calls what: `load`, and clients of others, `stock`; what must hold: `check` and `linear` for the history,
//! `finale` for what is there in the end.
//! Not here: tests of single cases, which are in `tests/e2e/ensemble`.

pub mod check;
pub mod cluster;
pub mod finale;
pub mod history;
pub mod linear;
pub mod load;
pub mod namespaces;
pub mod nemesis;
pub mod network;
pub mod preload;
pub mod proxy;
pub mod stock;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::timeout;
use treekeeper_client::CreateOptions;

use cluster::{Cluster, Plan};
use history::{Action, Call, Outcome, Recorder, Violation};
use load::{EPHEMERALS, INITIAL, LIST, Load, PHASE, REGISTERS, Shared, register_path};
use nemesis::{Kind, Nemesis};
use network::{Network, Wanted};
use preload::Preload;
use stock::Stock;

/// How long the clients and the last checks may take when everything runs again.
const END_MAX: Duration = Duration::from_secs(300);
/// Violations that are printed; all of them are in the folder.
const PRINTED_MAX: usize = 20;

/// What a run is to be like.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long things go wrong.
    pub time: Duration,
    /// What chooses them.
    pub seed: u64,
    /// How many members.
    pub members: usize,
    /// What may go wrong; everything if there is none.
    pub only: Vec<Kind>,
    /// Without clients that others wrote.
    pub alone: bool,
    /// Which network is between the members.
    pub network: Wanted,
    /// Where everything is kept; a folder that is removed when nothing is wrong if there is none.
    pub keep: Option<PathBuf>,
    /// treekeeper's binary.
    pub binary: PathBuf,
    /// That of an older release, with older rules of apply.
    pub older: PathBuf,
}

/// Runs; true if nothing was wrong.
///
/// # Errors
/// When the run could not be made.
pub async fn run(options: &Options) -> Result<bool, String> {
    println!(
        "seed {}, {} members, {} s",
        options.seed,
        options.members,
        options.time.as_secs()
    );
    let temporary = tempfile::Builder::new()
        .prefix("treekeeper-faults-")
        .tempdir()
        .map_err(|error| format!("no temporary folder: {error}"))?;
    let folder = match &options.keep {
        Some(keep) => {
            let all = fs::create_dir_all(keep).and_then(|()| keep.canonicalize());
            let folder = all.map_err(|error| format!("{}: {error}", keep.display()))?;
            if folder.join("member1").exists() {
                return Err(format!("{} holds an earlier run", folder.display()));
            }
            folder
        }
        None => temporary.path().to_owned(),
    };
    let outcome = run_in(options, &folder).await;
    if !matches!(outcome, Ok(true)) && options.keep.is_none() {
        println!("everything is in {}", temporary.keep().display());
    }
    outcome
}

async fn run_in(options: &Options, folder: &Path) -> Result<bool, String> {
    let programs = if options.alone {
        Vec::new()
    } else {
        stock::prepare().await
    };
    let mut rng = StdRng::seed_from_u64(options.seed);
    let strict = rng.random_bool(0.5);
    let mut network = Network::prepare(options.network, options.members)?;
    let preload = Preload::compile(folder).map_err(|error| {
        println!("no faults of clocks and disks: {error}");
    });
    let begins_older = options.only.is_empty() || options.only.contains(&Kind::Upgrade);
    let plan = Plan {
        binary: options.binary.clone(),
        folder: folder.to_owned(),
        members: options.members,
        settings: format!("treekeeper.strictReads={strict}\n"),
        preload: preload.ok(),
        older: begins_older.then(|| options.older.clone()),
    };
    let mut cluster = Cluster::start(plan, &mut network).await?;
    let (can, cannot): (Vec<_>, Vec<_>) = Kind::value_variants()
        .iter()
        .copied()
        .filter(|kind| options.only.is_empty() || options.only.contains(kind))
        .partition(|kind| kind.is_there(&network, &cluster));
    let place = if network.is_own() {
        "network namespaces"
    } else {
        "one network, with proxies"
    };
    println!("members in {place}, strict reads {strict}");
    for kind in cannot {
        println!("cannot be made here: {kind}");
    }
    if can.is_empty() {
        return Err("none of the wanted faults can be made here".to_owned());
    }
    let phases = usize::try_from(options.time.as_secs() / PHASE.as_secs()).unwrap_or(0) + 1;
    let shared = Arc::new(Shared {
        hosts: cluster.hosts(),
        recorder: Recorder::new(),
        stop: AtomicBool::new(false),
        registers: phases * REGISTERS,
        strict,
        expired: AtomicU64::new(0),
    });
    prepare(&shared).await?;
    let load = Load::start(&shared, &mut rng);
    let stock = Stock::start(&programs, &shared, folder, rng.random())?;
    let harmless = can.iter().all(|kind| *kind == Kind::Clock);
    let mut timeline = Vec::new();
    let looked = finish(
        options.time,
        &shared,
        (&mut cluster, &network),
        (load, stock),
        (rng, can),
        &mut timeline,
    )
    .await;
    let calls = shared.recorder.calls();
    let mut violations = shared.recorder.violations();
    for register in 0..shared.registers {
        violations.extend(check::register(register, INITIAL, &calls));
    }
    let searching = Instant::now();
    for register in 0..shared.registers {
        violations.extend(linear::register(register, INITIAL, &calls));
    }
    let searched = searching.elapsed();
    violations.extend(check::sessions(&calls));
    match looked {
        Ok(items) => violations.extend(check::list(&items, &calls)),
        Err(error) => violations.push(Violation::new(error, &[])),
    }
    for end in cluster.unasked_ends() {
        violations.push(Violation::new(end, &[]));
    }
    for line in cluster.said("panicked") {
        violations.push(Violation::new(line, &[]));
    }
    let expired = shared.expired.load(Ordering::Relaxed);
    if harmless && expired > 0 {
        let text = format!("{expired} sessions expired though only clocks were wrong");
        violations.push(Violation::new(text, &[]));
    }
    println!("{}", counts(&calls));
    println!("sessions that expired: {expired}");
    println!(
        "orders of {} registers searched for {:.1} s",
        shared.registers,
        searched.as_secs_f64()
    );
    println!(
        "errors in the members' logs: {}",
        cluster.said(" ERROR ").len()
    );
    write(folder, "timeline.txt", &timeline)?;
    write(folder, "history.txt", &calls)?;
    write(folder, "violations.txt", &violations)?;
    for violation in violations.iter().take(PRINTED_MAX) {
        println!("{violation}");
    }
    println!(
        "{} violations, seed {}, {}",
        violations.len(),
        options.seed,
        folder.display()
    );
    Ok(violations.is_empty())
}

/// Lets things go wrong, waits until they are right again, and looks at what is there: the list's items.
async fn finish(
    time: Duration,
    shared: &Shared,
    (cluster, network): (&mut Cluster, &Network),
    (load, mut stock): (Load, Stock),
    (rng, kinds): (StdRng, Vec<Kind>),
    timeline: &mut Vec<String>,
) -> Result<BTreeMap<i64, String>, String> {
    let mut nemesis = Nemesis {
        cluster: &mut *cluster,
        network,
        recorder: &shared.recorder,
        rng,
        kinds,
        has_upgraded: false,
        timeline: Vec::new(),
    };
    nemesis.run(time).await;
    nemesis.settle().await;
    *timeline = nemesis.timeline;
    let looked = async {
        let (live, others) = futures::join!(load.finish(shared), stock.finish());
        finale::look(shared, cluster, &live?, &others?).await
    };
    timeout(END_MAX, looked)
        .await
        .unwrap_or_else(|_| Err("the clients cannot end, or nobody answers them".to_owned()))
}

async fn prepare(shared: &Shared) -> Result<(), String> {
    let client = shared.connect(Duration::from_secs(30)).await;
    let options = CreateOptions::default();
    let registers = (0..shared.registers).map(|register| (register_path(register), INITIAL));
    let folders = [LIST, EPHEMERALS].map(|path| (path.to_owned(), ""));
    for (path, data) in registers.chain(folders) {
        let created = client.create(&path, data, &options).await;
        created.map_err(|error| format!("create {path}: {error}"))?;
    }
    Ok(())
}

/// How many calls of each kind ended in which way.
fn counts(calls: &[Call]) -> String {
    let mut counts: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
    for call in calls {
        let kind = match &call.action {
            Action::Set { .. } => "sets",
            Action::Read { synced: true, .. } => "reads behind a sync",
            Action::Read { .. } => "reads",
            Action::Append { .. } => "appends",
            Action::Other(_) => "others",
        };
        let outcome = match call.outcome {
            Outcome::Refused(_) => 1,
            Outcome::Unknown(_) => 2,
            _ => 0,
        };
        counts.entry(kind).or_default()[outcome] += 1;
    }
    let mut text = String::new();
    for (kind, [done, refused, unknown]) in counts {
        // A string takes everything.
        let _ = writeln!(
            text,
            "{kind}: {done} done, {refused} refused, {unknown} unknown"
        );
    }
    text
}

fn write(folder: &Path, name: &str, lines: &[impl std::fmt::Display]) -> Result<(), String> {
    let mut text = String::new();
    for line in lines {
        // A string takes everything.
        let _ = writeln!(text, "{line}");
    }
    let path = folder.join(name);
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}
