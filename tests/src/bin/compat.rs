//! `compat`: runs the compatibility suites and says where treekeeper and Apache ZooKeeper differ.
//!
//! In: which servers, which suites. Out: a line per case, the matrix, and an exit code that is 0 only if nothing is red.
//! Not here: how a suite is run (`treekeeper_tests::compat`).

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use clap::{Parser, ValueEnum};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use treekeeper_tests::compat::matrix::Matrix;
use treekeeper_tests::compat::run::{Report, run};
use treekeeper_tests::compat::server::{Program, ServerKind};
use treekeeper_tests::compat::suite::{Suite, discover};

/// Runs real ZooKeeper clients against treekeeper and against Apache ZooKeeper.
#[derive(Parser)]
struct Args {
    /// Which server the suites meet.
    #[arg(long, value_enum, default_value_t = Servers::Treekeeper)]
    server: Servers,
    /// A suite to run, by the name of its folder; may be given several times. Default: all of them.
    #[arg(long = "suite", value_name = "NAME")]
    suites: Vec<String>,
    /// treekeeper's executable. Default: the one beside this program.
    #[arg(long, value_name = "PATH")]
    treekeeper_binary: Option<PathBuf>,
    /// Writes docs/compatibility.md from this run.
    #[arg(long, conflicts_with = "suites")]
    write_docs: bool,
    /// Prints the names of the suites and runs none.
    #[arg(long)]
    list: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Servers {
    Treekeeper,
    Zookeeper,
    Both,
    /// An observer beside three treekeepers, whose leader is killed every few seconds
    Ensemble,
}

impl Servers {
    fn kinds(self) -> &'static [ServerKind] {
        match self {
            Servers::Treekeeper => &[ServerKind::Treekeeper],
            Servers::Zookeeper => &[ServerKind::Zookeeper],
            Servers::Both => &[ServerKind::Zookeeper, ServerKind::Treekeeper],
            Servers::Ensemble => &[ServerKind::Ensemble],
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    // A signal drops the run, and with it every process that the run has started.
    let outcome = tokio::select! {
        outcome = run_all(&args) => outcome,
        signal = asked_to_end() => Err(signal),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("compat: {error}");
            ExitCode::from(2)
        }
    }
}

/// Waits for Ctrl-C, or for the SIGTERM with which a CI ends what takes too long.
async fn asked_to_end() -> String {
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => "interrupted".to_owned(),
            _ = terminate.recv() => "terminated".to_owned(),
        },
        Err(error) => format!("signals cannot be heard: {error}"),
    }
}

async fn run_all(args: &Args) -> Result<ExitCode, String> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = tests.join("compat");
    let all = discover(&root).map_err(|e| format!("{}: {e}", root.display()))?;
    if args.list {
        for suite in &all {
            println!("{}", suite.name);
        }
        return Ok(ExitCode::SUCCESS);
    }

    let suites = chosen(all, &args.suites)?;
    let mut programs = Vec::new();
    for kind in args.server.kinds() {
        programs.push(match kind {
            ServerKind::Zookeeper => fetch_zookeeper(&root).await?,
            ServerKind::Treekeeper => Program::Treekeeper {
                binary: find_treekeeper(args.treekeeper_binary.as_deref())?,
            },
            ServerKind::Ensemble => Program::Ensemble {
                binary: find_treekeeper(args.treekeeper_binary.as_deref())?,
            },
        });
    }

    let mut reports: Vec<Report> = Vec::new();
    for suite in &suites {
        for program in &programs {
            println!("{} on {}", suite.name, program.kind());
            let report = run(suite, program).await;
            println!(
                "  {} cases in {:.1} s",
                report.cases.len(),
                report.duration.as_secs_f64()
            );
            reports.push(report);
        }
    }

    let matrix = Matrix::new(reports);
    println!("\n{}", matrix.to_text());
    if args.write_docs {
        write_docs(
            &tests.join("../docs/compatibility.md"),
            &matrix.to_markdown(),
        )?;
    }
    let totals = matrix.totals();
    println!(
        "compat: {} passed, {} failed, {} skipped",
        totals.passed, totals.failed, totals.skipped
    );
    println!(
        "{} passed, {} failed, {} skipped",
        totals.passed, totals.failed, totals.skipped
    );
    Ok(if totals.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn chosen(all: Vec<Suite>, names: &[String]) -> Result<Vec<Suite>, String> {
    if let Some(unknown) = names
        .iter()
        .find(|name| all.iter().all(|suite| suite.name != **name))
    {
        let known: Vec<_> = all.into_iter().map(|suite| suite.name).collect();
        return Err(format!(
            "no suite {unknown:?}; there are: {}",
            known.join(", ")
        ));
    }
    let suites: Vec<_> = all
        .into_iter()
        .filter(|suite| names.is_empty() || names.contains(&suite.name))
        .collect();
    if suites.is_empty() {
        Err("no suite was found".to_owned())
    } else {
        Ok(suites)
    }
}

async fn fetch_zookeeper(root: &Path) -> Result<Program, String> {
    let fetch = root.join("zookeeper/fetch");
    let output = Command::new(&fetch)
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|e| format!("{}: {e}", fetch.display()))?;
    if !output.status.success() {
        return Err(format!(
            "Apache ZooKeeper could not be fetched: {}",
            output.status
        ));
    }
    let class_path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(Program::Zookeeper { class_path })
}

fn find_treekeeper(given: Option<&Path>) -> Result<PathBuf, String> {
    let binary = match given {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()
            .map_err(|e| format!("own path: {e}"))?
            .with_file_name("treekeeper"),
    };
    // The server is started from a folder of its own, so its path has to be absolute.
    binary.canonicalize().map_err(|e| {
        format!(
            "{}: {e}; build it with cargo build --release --bin treekeeper",
            binary.display()
        )
    })
}

fn write_docs(path: &Path, page: &str) -> Result<(), String> {
    let folder = path.parent().ok_or("a page lies in a folder")?;
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, page))
        .map_err(|e| format!("{}: {e}", path.display()))
}
