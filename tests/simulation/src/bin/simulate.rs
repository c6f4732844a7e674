//! `simulate`: ensembles in simulated time, one a seed; see `treekeeper_simulation`.
//!
//! Out: exit code 0 if every promise was kept, 1 if one was not, 2 if a run could not be made.

#![forbid(unsafe_code)]

use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use treekeeper_simulation::{DiskFault, Options, Run, What, run};

/// Runs ensembles under faults in simulated time, and checks all that their clients were told.
#[derive(Parser)]
struct Args {
    /// Which seeds: `1..300`, the last one among them.
    #[arg(long, default_value = "1..300", value_parser = seeds)]
    seeds: RangeInclusive<u64>,
    /// One seed alone, with its whole history.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// How long things go wrong, in simulated seconds.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Runs at once. Default: one for each core.
    #[arg(long)]
    threads: Option<usize>,
    /// What the disks do: as they should; lose what they have synced, which the checks must notice; or keep a tree
    /// before the log that it came from.
    #[arg(long, value_enum, default_value = "sound")]
    disks: Disks,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Disks {
    Sound,
    Forgetful,
    TreeBeforeLog,
}

fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is no number"));
    Ok(number(first)?..=number(last)?)
}

fn main() -> ExitCode {
    let args = Args::parse();
    let options = |seed| Options {
        seed,
        time: Duration::from_secs(args.seconds),
        disk_fault: match args.disks {
            Disks::Sound => DiskFault::None,
            Disks::Forgetful => DiskFault::ForgetsSynced,
            Disks::TreeBeforeLog => DiskFault::TreeBeforeLog,
        },
    };
    if let Some(seed) = args.seed {
        return match run(&options(seed)) {
            Ok(run) => one(seed, &run),
            Err(error) => unable(&error),
        };
    }
    let began = Instant::now();
    let (first, last) = (*args.seeds.start(), *args.seeds.end());
    let (next, failed, requests) = (AtomicU64::new(first), AtomicU64::new(0), AtomicU64::new(0));
    let threads = args
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let work = || -> std::io::Result<()> {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > last {
                return Ok(());
            }
            let run = run(&options(seed))?;
            requests.fetch_add(told(&run), Ordering::Relaxed);
            if !run.violations.is_empty() {
                failed.fetch_add(1, Ordering::Relaxed);
                complain(seed, args.seconds, &run);
            }
        }
    };
    let ended: Vec<std::io::Result<()>> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        running
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(std::io::Error::other("a run panicked")))
            })
            .collect()
    });
    if let Some(Err(error)) = ended.into_iter().find(Result::is_err) {
        return unable(&error);
    }
    let failed = failed.into_inner();
    println!(
        "simulated seeds {first} to {last}, {} s each, in {:.1} s: {} answers checked, {failed} seeds failed",
        args.seconds,
        began.elapsed().as_secs_f64(),
        requests.into_inner(),
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn told(run: &Run) -> u64 {
    let told = |what: &What| matches!(what, What::Told { .. });
    let count = run.history.iter().filter(|record| told(&record.what));
    count.count() as u64
}

fn complain(seed: u64, seconds: u64, run: &Run) {
    println!("seed {seed} failed:");
    for violation in run.violations.iter().take(5) {
        println!("  {violation}");
    }
    println!("  replay it with: make simulate ARGS=\"--seed {seed} --seconds {seconds}\"");
}

fn one(seed: u64, run: &Run) -> ExitCode {
    for record in &run.history {
        println!("{:>12.6} {:?}", record.at.as_secs_f64(), record.what);
    }
    println!(
        "seed {seed}: {} answers, history {:016x}",
        told(run),
        run.fingerprint
    );
    for violation in &run.violations {
        println!("{violation}");
    }
    if run.violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn unable(error: &std::io::Error) -> ExitCode {
    eprintln!("simulate: {error}");
    ExitCode::from(2)
}
