//! The list of cases and how it is run: a few at a time, each with a time limit, one line each on stdout.

use std::io::Write;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::outcome::{Outcome, Stop};
use super::target::{Case, Target};

/// How many cases share the server at a time.
const CASES_AT_A_TIME: usize = 6;
/// How long a case may take unless it says otherwise.
const CASE_LIMIT: Duration = Duration::from_secs(40);

type Run = Arc<dyn Fn(&Case) -> Outcome + Send + Sync>;

#[derive(Clone)]
struct Entry {
    name: String,
    alone: bool,
    limit: Duration,
    run: Run,
}

/// The cases of a suite, in order.
#[derive(Default)]
pub(crate) struct Suite {
    entries: Vec<Entry>,
}

impl Suite {
    /// Adds a case that minds only its own root.
    pub(crate) fn case(
        &mut self,
        name: impl Into<String>,
        run: impl Fn(&Case) -> Outcome + Send + Sync + 'static,
    ) {
        self.add(name.into(), false, CASE_LIMIT, Arc::new(run));
    }

    /// Adds a case that looks at, or disturbs, the whole server: it runs by itself, after all others.
    pub(crate) fn alone(
        &mut self,
        name: impl Into<String>,
        run: impl Fn(&Case) -> Outcome + Send + Sync + 'static,
    ) {
        self.add(name.into(), true, CASE_LIMIT, Arc::new(run));
    }

    /// The same with a time limit of its own.
    pub(crate) fn alone_within(
        &mut self,
        limit: Duration,
        name: &str,
        run: impl Fn(&Case) -> Outcome + Send + Sync + 'static,
    ) {
        self.add(name.to_owned(), true, limit, Arc::new(run));
    }

    fn add(&mut self, name: String, alone: bool, limit: Duration, run: Run) {
        self.entries.push(Entry {
            name,
            alone,
            limit,
            run,
        });
    }
}

/// Runs one case in a thread of its own, so that a hung one costs its limit and no more.
fn run_entry(target: &Target, entry: &Entry) {
    let (done, outcome) = mpsc::channel();
    let (target, task) = (target.clone(), entry.clone());
    let started = thread::Builder::new()
        .name(entry.name.clone())
        .spawn(move || {
            let outcome = Case::new(&target, &task.name).and_then(|case| (task.run)(&case));
            drop(done.send(outcome));
        });
    let name = &entry.name;
    let line = match (started, outcome.recv_timeout(entry.limit)) {
        (Err(error), _) => format!("not ok {name} # no thread: {error}"),
        (_, Ok(Ok(()))) => format!("ok {name}"),
        (_, Ok(Err(Stop::Failed(reason)))) => {
            format!("not ok {name} # {}", reason.replace('\n', "\\n"))
        }
        (_, Ok(Err(Stop::Skipped(reason)))) => format!("skip {name} # {reason}"),
        (_, Err(RecvTimeoutError::Timeout)) => {
            format!("not ok {name} # expected an end within {:?}", entry.limit)
        }
        (_, Err(RecvTimeoutError::Disconnected)) => {
            format!("not ok {name} # expected a verdict, got a panic")
        }
    };
    let mut stdout = std::io::stdout().lock();
    drop(writeln!(stdout, "{line}").and_then(|()| stdout.flush()));
}

/// Runs the cases that `register` lists and the command line does not exclude.
pub(crate) fn main(register: fn(&mut Suite)) -> ExitCode {
    let target = match Target::from_env() {
        Ok(target) => target,
        Err(reason) => {
            eprintln!("{reason}");
            return ExitCode::FAILURE;
        }
    };
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut suite = Suite::default();
    register(&mut suite);
    suite.entries.retain(|entry| {
        words.is_empty() || words.iter().any(|word| entry.name.contains(word.as_str()))
    });
    let (alone, together): (Vec<_>, Vec<_>) =
        suite.entries.into_iter().partition(|entry| entry.alone);
    let queue = Mutex::new(together.into_iter());
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..CASES_AT_A_TIME {
            scope.spawn(|| {
                while let Some(entry) = take() {
                    run_entry(&target, &entry);
                }
            });
        }
    });
    for entry in &alone {
        run_entry(&target, entry);
    }
    ExitCode::SUCCESS
}
