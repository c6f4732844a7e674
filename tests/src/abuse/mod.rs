//! Abuse: bad input and hostile clients, while an honest client must notice nothing.
//!
//! In: a server's addresses from the environment. Out: one line per case on stdout.
//! Each case runs beside a [`probe`] and by itself. Not here: the frames and the runner, which are `wire`'s.

mod connections;
mod floods;
mod garbage;
mod oversize;
mod probe;
mod slow;

use std::process::ExitCode;
use std::time::Duration;

use crate::wire::outcome::{Outcome, expect};
use crate::wire::suite::{self, Suite};
use crate::wire::target::Case;

use probe::Probe;

/// How long one kind of abuse may go on.
const LIMIT: Duration = Duration::from_secs(150);

/// Runs every case whose name contains one of the command line's words (all without words).
pub fn run() -> ExitCode {
    suite::main(|suite| {
        garbage::register(suite);
        oversize::register(suite);
        slow::register(suite);
        floods::register(suite);
        connections::register(suite);
    })
}

/// Adds a case: the abuse, a probe beside it, and an honest newcomer behind it.
fn abuse(suite: &mut Suite, name: &str, commit: fn(&Case) -> Outcome) {
    suite.alone_within(LIMIT, name, move |case| {
        let probe = Probe::start(case)?;
        let committed = commit(case);
        probe.finish()?;
        committed?;
        let mut newcomer = case.client()?;
        newcomer.make(&case.at("newcomer"), b"", 0)?;
        expect("ruok", case.word("ruok")?, "imok".to_owned())
    });
}
