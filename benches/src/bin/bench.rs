//! `bench`: runs the servers in turn, prints the table of medians, ratios and budgets, and writes it as JSON.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use treekeeper_benches::comparison::Comparison;
use treekeeper_benches::growth::plan::PlanOptions;
use treekeeper_benches::growth::results::Results;
use treekeeper_benches::limit::echo::{self, EchoOptions};
use treekeeper_benches::line::{ENSEMBLE_LINES, LINES, Line, named_or_all};
use treekeeper_benches::machine::Machine;
use treekeeper_benches::report::{growth as growth_report, json, text};
use treekeeper_benches::scenario::Settings;
use treekeeper_benches::server;
use treekeeper_benches::server::products::Product;

/// Measures treekeeper and Apache ZooKeeper side by side, and the limits of this machine beside them.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Other>,
    #[command(flatten)]
    compare: Compare,
}

#[derive(Debug, Subcommand)]
enum Other {
    /// Measure how the servers fare as tree, connections, watches and directories grow
    Growth(Growth),
    /// Compare ensembles of three servers, all on this machine
    Ensemble(Ensemble),
    /// Answer every request at once, without a server's work: the limit, started by the comparison itself
    #[command(hide = true)]
    Echo(EchoOptions),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Servers {
    Zookeeper,
    Treekeeper,
    Both,
    /// Only those of `--server-cmd`
    None,
}

/// Which servers there are, and where they run.
#[derive(Debug, Args)]
struct Installed {
    /// Which servers to run
    #[arg(long, value_enum, default_value = "both")]
    server: Servers,
    /// A further server: NAME=COMMAND, in which {config}, {data}, {address} and {port} are filled in
    #[arg(long, value_name = "NAME=COMMAND", value_parser = name_and_command)]
    server_cmd: Vec<(String, String)>,
    /// The treekeeper to measure [default: release/treekeeper in cargo's target folder]
    #[arg(long, value_name = "PATH")]
    treekeeper_binary: Option<PathBuf>,
    /// Class path of Apache ZooKeeper [default: fetched once from Maven Central]
    #[arg(long, value_name = "PATHS")]
    zookeeper_class_path: Option<String>,
    /// A line of zoo.cfg for every server
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where the servers keep their data: a folder on the disk to measure
    /// [default: ${TREEKEEPER_CACHE:-$HOME/.cache/treekeeper}/bench]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// The heap that zkServer.sh gives to ZooKeeper's JVM.
const ZOOKEEPER_HEAP_MB: u32 = 1000;
/// Requests per second for the tails.
const GET_RATE: u32 = 20_000;
const SET_RATE: u32 = 10_000;

#[derive(Debug, Args)]
struct Growth {
    #[command(flatten)]
    installed: Installed,
    #[command(flatten)]
    plan: PlanOptions,
    /// Draw the values of this file, without measuring
    #[arg(long, value_name = "growth.json")]
    from: Option<PathBuf>,
    /// Write plots, values and the section "Growth" of performance.md into docs/; series that were not measured again stay
    #[arg(long)]
    write_docs: bool,
    /// The same, into another folder
    #[arg(long, value_name = "DIR")]
    docs: Option<PathBuf>,
}

/// What is compared, how often and for how long, whether one server of each or three.
#[derive(Debug, Args)]
struct Measure {
    #[command(flatten)]
    installed: Installed,
    /// Heap of ZooKeeper's JVM
    #[arg(long, default_value_t = ZOOKEEPER_HEAP_MB, value_name = "MB")]
    zookeeper_heap: u32,
    /// Only these lines of the table, by name or its beginning; see --list. Lines that take long are measured in the
    /// first round only, unless they are named here
    #[arg(long, value_name = "LINE")]
    only: Vec<String>,
    /// Print the names of the lines and end
    #[arg(long)]
    list: bool,
    /// How often each server is started and measured [default: 5, or 1 with --quick]
    #[arg(long)]
    rounds: Option<usize>,
    /// Short and small, to see that everything runs; not to be trusted
    #[arg(long)]
    quick: bool,
    /// How long each line is measured [default: 5, or 1 with --quick]
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Load before each measurement [default: 2, or 1 with --quick]
    #[arg(long, value_name = "N")]
    warm_up_seconds: Option<u64>,
    /// Load on each fresh server before the first measurement [default: 10, or 2 with --quick]
    #[arg(long, value_name = "N")]
    first_warm_up_seconds: Option<u64>,
    /// Threads of the load generator
    #[arg(long, default_value_t = 1)]
    load_threads: usize,
    /// Do not measure the limits
    #[arg(long)]
    no_limits: bool,
    /// Write the report, each round included, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report into docs/performance.md
    #[arg(long)]
    write_docs: bool,
}

#[derive(Debug, Args)]
struct Ensemble {
    #[command(flatten)]
    measure: Measure,
    /// How often the leader is killed, and how often it is stopped, in the first round [default: 20, or 3 with --quick]
    #[arg(long, value_name = "N")]
    kills: Option<usize>,
    /// Znodes that are written while a follower is away [default: 1000000, or 50000 with --quick]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1000..=10_000_000))]
    rejoin_znodes: Option<u64>,
}

#[derive(Debug, Args)]
struct Compare {
    #[command(flatten)]
    measure: Measure,
    /// Znodes for memory and restart [default: 1000000, or 50000 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1000..=10_000_000))]
    znodes: Option<u64>,
    /// Sessions for the memory of an idle one [default: 5000, or 500 with --quick]
    #[arg(long)]
    idle_sessions: Option<u32>,
    /// Sessions in mass, at most as many as a process may have open files [default: 100000, or 1000 with --quick]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    mass_sessions: Option<u32>,
    /// getData per second for its tail
    #[arg(long, default_value_t = GET_RATE, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    get_rate: u32,
    /// setData per second for its tail
    #[arg(long, default_value_t = SET_RATE, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    set_rate: u32,
}

fn name_and_command(text: &str) -> Result<(String, String), String> {
    let (name, command) = text.split_once('=').ok_or("expected NAME=COMMAND")?;
    Ok((name.to_owned(), command.to_owned()))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Some(Other::Growth(arguments)) => growth(&arguments),
        Some(Other::Ensemble(arguments)) => ensemble(&arguments),
        Some(Other::Echo(options)) => echo::serve(&options)
            .map(|()| ExitCode::SUCCESS)
            .map_err(Into::into),
        None => compare(&arguments.compare),
    };
    result.unwrap_or_else(|error| {
        eprintln!("bench: {error}");
        ExitCode::FAILURE
    })
}

fn compare(arguments: &Compare) -> Result<ExitCode, Box<dyn Error>> {
    let measure = &arguments.measure;
    if measure.list {
        return Ok(list(LINES));
    }
    let comparison = Comparison {
        settings: settings(arguments),
        ..measure.comparison(LINES)?
    };
    run(measure, &comparison)
}

fn ensemble(arguments: &Ensemble) -> Result<ExitCode, Box<dyn Error>> {
    let measure = &arguments.measure;
    if measure.list {
        return Ok(list(ENSEMBLE_LINES));
    }
    let usual = measure.settings();
    let comparison = Comparison {
        settings: Settings {
            znodes: arguments.rejoin_znodes.unwrap_or(usual.znodes),
            kills: arguments.kills.unwrap_or(usual.kills),
            ..usual
        },
        ensemble: true,
        ..measure.comparison(ENSEMBLE_LINES)?
    };
    run(measure, &comparison)
}

fn list(lines: &[Line]) -> ExitCode {
    for line in lines {
        let once = if line.once { "; first round only" } else { "" };
        println!("{:<19} {}{once}", line.name, line.title);
    }
    ExitCode::SUCCESS
}

fn run(arguments: &Measure, comparison: &Comparison) -> Result<ExitCode, Box<dyn Error>> {
    let machine = Machine::here(&data_folder(&arguments.installed)?);
    open_files_max()?;
    end_cleanly_when_interrupted(comparison.folder.clone())?;

    let results = comparison.run(&mut |step| eprintln!("{step}"))?;
    println!("{}", text::render(comparison, &machine, &results));
    if let Some(path) = &arguments.json {
        fs::write(path, json::render(comparison, &machine, &results)?)?;
    }
    if arguments.write_docs {
        let page = docs_folder().join(growth_report::PAGE);
        text::write(&page, comparison, &machine, &results)?;
    }
    Ok(if results.failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn growth(arguments: &Growth) -> Result<ExitCode, Box<dyn Error>> {
    let docs = match (&arguments.docs, arguments.write_docs) {
        (Some(folder), _) => Some(folder.clone()),
        (None, true) => Some(docs_folder()),
        (None, false) => None,
    };
    let (mut results, failures) = match &arguments.from {
        Some(path) => {
            let read = Results::read(path);
            let results = read.map_err(|error| format!("{}: {error}", path.display()))?;
            (results, 0)
        }
        None => measure_growth(arguments)?,
    };
    println!("{}", growth_report::text(&results));
    if let Some(docs) = docs {
        let kept = growth_report::json_path(&docs);
        if kept.exists() && arguments.from.is_none() {
            results = results.or(Results::read(&kept)?);
        }
        growth_report::write(&docs, &results)?;
    }
    Ok(if failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn measure_growth(arguments: &Growth) -> Result<(Results, usize), Box<dyn Error>> {
    let folder = data_folder(&arguments.installed)?;
    let machine = Machine::here(&folder);
    let products = products(&arguments.installed, ZOOKEEPER_HEAP_MB)?;
    let files_max = open_files_max()?;
    let plan = arguments
        .plan
        .plan(products, files_max, own_folder(&folder)?);
    end_cleanly_when_interrupted(plan.folder.clone())?;
    let outcome = plan.run(&machine, &mut |step| eprintln!("{step}"))?;
    Ok((outcome.results, outcome.failures))
}

/// The folder in which every bench has one of its own.
fn data_folder(installed: &Installed) -> Result<PathBuf, Box<dyn Error>> {
    let folder = installed
        .folder
        .clone()
        .map_or_else(|| cache().map(|cache| cache.join("bench")), Ok)?;
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Two benches at once disturb each other, but not each other's files.
fn own_folder(folder: &Path) -> std::io::Result<PathBuf> {
    Ok(folder.canonicalize()?.join(std::process::id().to_string()))
}

/// Lets this process and its servers open as many files as they may, and returns how many that is.
fn open_files_max() -> std::io::Result<u64> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, limit)?;
    // Without a limit there are more than any bench needs.
    Ok(maximum.unwrap_or(u64::MAX))
}

impl Measure {
    /// One server of each product, unless more is said.
    fn comparison(&self, lines: &'static [Line]) -> Result<Comparison, Box<dyn Error>> {
        Ok(Comparison {
            products: products(&self.installed, self.zookeeper_heap)?,
            lines: named_or_all(lines, &self.only)
                .map_err(|name| format!("no line is called {name}; see --list"))?,
            lines_named: !self.only.is_empty(),
            rounds: self.rounds.unwrap_or(if self.quick { 1 } else { 5 }),
            settings: self.settings(),
            folder: own_folder(&data_folder(&self.installed)?)?,
            limits: !self.no_limits,
            ensemble: false,
        })
    }

    fn settings(&self) -> Settings {
        let quick = self.quick;
        let seconds = |given: Option<u64>, quickly, usually| {
            Duration::from_secs(given.unwrap_or(if quick { quickly } else { usually }))
        };
        Settings {
            first_warm_up: seconds(self.first_warm_up_seconds, 2, 10),
            warm_up: seconds(self.warm_up_seconds, 1, 2),
            measure: seconds(self.seconds, 1, 5),
            load_threads: self.load_threads,
            znodes: if quick { 50_000 } else { 1_000_000 },
            idle_sessions: if quick { 500 } else { 5000 },
            watchers: 1000,
            changes: if quick { 10 } else { 50 },
            mass_sessions: if quick { 1000 } else { 100_000 },
            get_rate: GET_RATE,
            set_rate: SET_RATE,
            kills: if quick { 3 } else { 20 },
            settle: seconds(None, 1, 3),
        }
    }
}

fn settings(arguments: &Compare) -> Settings {
    let usual = arguments.measure.settings();
    Settings {
        znodes: arguments.znodes.unwrap_or(usual.znodes),
        idle_sessions: arguments.idle_sessions.unwrap_or(usual.idle_sessions),
        mass_sessions: arguments
            .mass_sessions
            .map_or(usual.mass_sessions, |count| count as usize),
        get_rate: arguments.get_rate,
        set_rate: arguments.set_rate,
        ..usual
    }
}

fn products(arguments: &Installed, heap_mb: u32) -> Result<Vec<Product>, Box<dyn Error>> {
    let settings = || arguments.set.clone();
    let mut products = Vec::new();
    if matches!(arguments.server, Servers::Zookeeper | Servers::Both) {
        let class_path = arguments
            .zookeeper_class_path
            .clone()
            .map_or_else(fetch_zookeeper, Ok)?;
        products.push(Product::zookeeper(class_path, heap_mb, settings()));
    }
    if matches!(arguments.server, Servers::Treekeeper | Servers::Both) {
        let binary = arguments
            .treekeeper_binary
            .clone()
            .map_or_else(built_treekeeper, Ok)?;
        let binary = binary
            .canonicalize()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        products.push(Product::treekeeper(binary, settings()));
    }
    for (name, command) in &arguments.server_cmd {
        products.push(Product::shell(name.clone(), command.clone(), settings()));
    }
    Ok(products)
}

/// The treekeeper beside this program: both are built into the same folder.
fn built_treekeeper() -> Result<PathBuf, Box<dyn Error>> {
    Ok(std::env::current_exe()?.with_file_name("treekeeper"))
}

fn docs_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// The class path that the compatibility tests use.
fn fetch_zookeeper() -> Result<String, Box<dyn Error>> {
    let fetch = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/compat/zookeeper/fetch");
    let output = Command::new(&fetch)
        .output()
        .map_err(|error| format!("{}: {error}", fetch.display()))?;
    if !output.status.success() {
        return Err(format!(
            "{}: {}",
            fetch.display(),
            String::from_utf8_lossy(&output.stderr)
        )
        .into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn cache() -> Result<PathBuf, Box<dyn Error>> {
    match (
        std::env::var_os("TREEKEEPER_CACHE"),
        std::env::var_os("HOME"),
    ) {
        (Some(cache), _) if !cache.is_empty() => Ok(cache.into()),
        (_, Some(home)) => Ok(Path::new(&home).join(".cache/treekeeper")),
        _ => Err("neither TREEKEEPER_CACHE nor HOME is set; give --folder".into()),
    }
}

/// On Ctrl-C and SIGTERM: no server and no data are left behind.
fn end_cleanly_when_interrupted(folder: PathBuf) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        let signal = |kind| tokio::signal::unix::signal(kind);
        (
            signal(tokio::signal::unix::SignalKind::interrupt())?,
            signal(tokio::signal::unix::SignalKind::terminate())?,
        )
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        server::kill_all();
        // The next bench uses another folder; what cannot be removed is only in the way of the disk.
        let _ = fs::remove_dir_all(folder);
        std::process::exit(130);
    });
    Ok(())
}
