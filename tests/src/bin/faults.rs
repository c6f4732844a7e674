//! `faults`: several servers under random faults and load; see `treekeeper_tests::faults`.
//!
//! Out: exit code 0 if nothing was wrong, 1 if something was, 2 if the run could not be made.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use treekeeper_tests::faults::nemesis::Kind;
use treekeeper_tests::faults::network::Wanted;
use treekeeper_tests::faults::{Options, run};

/// Random faults of an ensemble under load, and a check of all that its clients saw.
#[derive(Parser)]
struct Args {
    /// How many minutes things go wrong.
    #[arg(long, conflicts_with = "seconds")]
    minutes: Option<u64>,
    /// How many seconds things go wrong. Default: 60.
    #[arg(long)]
    seconds: Option<u64>,
    /// What chooses the faults. Default: a random one, which is printed.
    #[arg(long)]
    seed: Option<u64>,
    /// How many members.
    #[arg(long, default_value = "3", value_parser = ["3", "5"])]
    members: String,
    /// What may go wrong, separated by commas. Default: everything that can be made here.
    #[arg(long, value_delimiter = ',', value_name = "KIND")]
    only: Vec<Kind>,
    /// Without the clients that others wrote, which need Python and Java.
    #[arg(long)]
    alone: bool,
    /// What is between the members.
    #[arg(long, default_value = "auto")]
    network: Wanted,
    /// An empty folder in which everything is kept. Default: kept in a temporary one when something is wrong.
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
    /// treekeeper's executable. Default: the one beside this program.
    #[arg(long, value_name = "PATH")]
    treekeeper_binary: Option<PathBuf>,
    /// The executable that upgrades begin with, of older rules of apply. Default: the one beside this program.
    #[arg(long, value_name = "PATH")]
    older_binary: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    // A signal drops the run, and with it every process that the run has started.
    let outcome = tokio::select! {
        outcome = run_with(args) => outcome,
        () = asked_to_end() => Err("asked to end".to_owned()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("faults: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run_with(args: Args) -> Result<bool, String> {
    let binary = executable(args.treekeeper_binary, "treekeeper")?;
    let older = executable(args.older_binary, "treekeeper-rules-1")?;
    let minutes = args.minutes.map(|minutes| minutes * 60);
    let options = Options {
        time: Duration::from_secs(minutes.or(args.seconds).unwrap_or(60)),
        seed: args.seed.unwrap_or_else(rand::random),
        members: if args.members == "5" { 5 } else { 3 },
        only: args.only,
        alone: args.alone,
        network: args.network,
        keep: args.keep,
        binary,
        older,
    };
    run(&options).await
}

/// The executable that was named, or the one beside this program.
fn executable(named: Option<PathBuf>, name: &str) -> Result<PathBuf, String> {
    let beside = || std::env::current_exe().map(|own| own.with_file_name(name));
    let path = named.map_or_else(beside, Ok);
    path.and_then(|path| path.canonicalize())
        .map_err(|error| format!("{name}: {error}; run `make build older`"))
}

/// Waits for Ctrl-C or SIGTERM.
async fn asked_to_end() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
