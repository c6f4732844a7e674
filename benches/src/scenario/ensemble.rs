//! What only several servers together can do: a leader that is killed or stopped, and a follower that was away.
//!
//! In: an [`Ensemble`] that serves. Out: samples; the ensemble serves again. Throughput is measured as on one server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use treekeeper_protocol::{Request, SetDataRequest};

use crate::load::Measured;
use crate::load::closed_loop::{ClosedLoop, Until};
use crate::load::requests::Requests;
use crate::load::roaming::{Accepted, Roaming};
use crate::scenario::apart::beside;
use crate::scenario::footprint::populate;
use crate::scenario::throughput::{Operation, THROUGHPUTS, Throughput};
use crate::scenario::tree::{LISTED, Value};
use crate::scenario::{Sample, ScenarioError, Settings, accept};
use crate::server::ensemble::{Ensemble, MEMBERS};

/// Connections of the load on the leader, each with one request in flight.
const CONNECTIONS: u64 = 50;
/// How long the client writes before the leader goes.
const CALM: Duration = Duration::from_millis(500);
/// How often it is looked whether the leader is gone.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// Nobody waits longer for a write.
const GIVE_UP_AFTER: Duration = Duration::from_secs(120);

/// How a leader goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Departure {
    /// `kill -9`.
    Killed,
    /// SIGTERM.
    Stopped,
}

/// Something to measure on an ensemble.
#[derive(Clone, Copy, Debug)]
pub enum EnsembleScenario {
    /// One kind of operation as fast as it goes, on all members.
    Throughput(&'static Throughput),
    /// The leader is killed.
    Failover,
    /// The leader is stopped.
    Stop,
    /// A follower comes back.
    Rejoin,
}

impl EnsembleScenario {
    /// All of them, in the order in which they run: the last fills the tree.
    pub fn all() -> impl Iterator<Item = Self> {
        THROUGHPUTS
            .iter()
            .map(Self::Throughput)
            .chain([Self::Failover, Self::Stop, Self::Rejoin])
    }

    /// The lines that it fills.
    pub fn lines(self) -> Vec<&'static str> {
        match self {
            Self::Throughput(throughput) => vec![throughput.line],
            Self::Failover => vec!["failover", "failover-worst"],
            Self::Stop => vec!["stop", "stop-worst"],
            Self::Rejoin => vec!["rejoin-set-without", "rejoin", "rejoin-set", "rejoin-share"],
        }
    }

    /// It takes long, or has many values of its own: measured in the first round only.
    pub fn is_once(self) -> bool {
        !matches!(self, Self::Throughput(_))
    }

    /// Measures on `ensemble`, whose tree is made.
    ///
    /// # Errors
    /// When a server or the load fails, or any request does.
    pub fn run(
        self,
        ensemble: &mut Ensemble,
        settings: &Settings,
    ) -> Result<Vec<Sample>, ScenarioError> {
        match self {
            Self::Throughput(throughput) => throughput.run(&ensemble.targets()?, settings),
            Self::Failover => {
                departures(ensemble, Departure::Killed, settings.kills, &self.lines())
            }
            Self::Stop => departures(ensemble, Departure::Stopped, settings.kills, &self.lines()),
            Self::Rejoin => rejoin(ensemble, settings),
        }
    }
}

/// A sample of the first of `lines` for each departure, and one of the second for the worst.
fn departures(
    ensemble: &mut Ensemble,
    departure: Departure,
    count: usize,
    lines: &[&'static str],
) -> Result<Vec<Sample>, ScenarioError> {
    let mut all_ms = Vec::new();
    for number in 0..count {
        let without_write = leader_departs(ensemble, departure, number)?;
        all_ms.push(without_write.as_secs_f64() * 1000.0);
    }
    let worst = all_ms.iter().copied().reduce(f64::max);
    let each = all_ms.iter().map(|&ms| Sample::plain(lines[0], ms));
    let worst = worst.map(|ms| Sample::plain(lines[1], ms));
    Ok(each.chain(worst).collect())
}

/// The leader goes while a client writes that is first connected to member `first`, and comes back. How long the client
/// could not write.
fn leader_departs(
    ensemble: &mut Ensemble,
    departure: Departure,
    first: usize,
) -> Result<Duration, ScenarioError> {
    let leader = ensemble.leader()?;
    let write = Request::SetData(SetDataRequest {
        path: LISTED.to_owned(),
        data: Some(Value::Small.data()),
        version: -1,
    });
    let (roaming, client) = Roaming::start(ensemble.addresses(), first)?;
    let (accepted, all_accepted) = mpsc::channel();
    let (written, without_write) = beside(
        move |ended| roaming.write_until(client, &write, ended, &accepted),
        || time_without_write(ensemble, leader, departure, &all_accepted),
    );
    // Who writes ends early only by an error, which tells more than its silence.
    written?;
    let without_write = without_write?;
    let server = ensemble.member(leader);
    // It may have gone by itself, and a process can be waited for twice.
    server.kill()?;
    server.start_again()?;
    ensemble.wait_until_formed()?;
    ensemble.wait_until_equal()?;
    Ok(without_write)
}

/// Killed: from the signal to the first reply to a write that was sent when the leader was gone. Stopped: the longest time
/// without a reply from the signal to then, since a leader that hands over first goes on writing.
fn time_without_write(
    ensemble: &mut Ensemble,
    leader: usize,
    departure: Departure,
    accepted: &Receiver<Accepted>,
) -> Result<Duration, ScenarioError> {
    let calm = Instant::now() + CALM;
    while Instant::now() < calm {
        next(accepted)?;
    }
    let server = ensemble.member(leader);
    let start = Instant::now();
    server.signal(match departure {
        Departure::Killed => Signal::KILL,
        Departure::Stopped => Signal::TERM,
    })?;
    let mut gone = None;
    let (mut last, mut longest) = (start, Duration::ZERO);
    while start.elapsed() < GIVE_UP_AFTER {
        if gone.is_none() && server.has_ended()? {
            gone = Some(Instant::now());
        }
        let Some(write) = next(accepted)? else {
            continue;
        };
        longest = longest.max(write.answered.saturating_duration_since(last));
        last = last.max(write.answered);
        if gone.is_some_and(|gone| write.sent >= gone) {
            return Ok(match departure {
                Departure::Killed => write.answered - start,
                Departure::Stopped => longest,
            });
        }
    }
    Err(ScenarioError::Wrong(format!(
        "no write was accepted in {GIVE_UP_AFTER:?} after the leader went"
    )))
}

/// The next accepted write, if there is one soon.
fn next(accepted: &Receiver<Accepted>) -> Result<Option<Accepted>, ScenarioError> {
    match accepted.recv_timeout(LOOK_EVERY) {
        Ok(write) => Ok(Some(write)),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => {
            Err(ScenarioError::Wrong("the client has ended".to_owned()))
        }
    }
}

/// A follower is stopped, the tree is filled and the follower started again, while clients write on the leader.
fn rejoin(ensemble: &mut Ensemble, settings: &Settings) -> Result<Vec<Sample>, ScenarioError> {
    let leader = ensemble.leader()?;
    let follower = (leader + 1) % MEMBERS;
    ensemble.member(follower).kill()?;
    let target = ensemble.member(leader).target();
    populate(target, 0..settings.znodes, settings.load_threads)?;
    let load = |requests, until| ClosedLoop {
        requests,
        in_flight: 1,
        until,
        threads: settings.load_threads,
    };
    let without = load(
        Operation::Set.requests(CONNECTIONS),
        Until::Measured {
            warm_up: settings.warm_up,
            measure: settings.measure,
        },
    );
    let without = accept(without.run(target)?)?;

    let ended = Arc::new(AtomicBool::new(false));
    let until_ended = |requests| Requests::Until(Arc::clone(&ended), Box::new(requests));
    let requests = Operation::Set.requests(CONNECTIONS);
    let meanwhile = load(
        requests.into_iter().map(until_ended).collect(),
        Until::Exhausted,
    );
    let (meanwhile, caught_up) = beside(
        |_| meanwhile.run(target),
        || {
            let start = Instant::now();
            let caught_up = ensemble
                .member(follower)
                .start_again()
                .and_then(|()| ensemble.wait_until_caught_up(follower, leader));
            ended.store(true, Ordering::Relaxed);
            caught_up.map(|()| start.elapsed())
        },
    );
    let meanwhile = accept(meanwhile?)?;
    let caught_up = caught_up?;
    let share = 100.0 * meanwhile.rate() / without.rate();
    let rate = |line, measured| Sample::of(line, measured, Measured::rate);
    Ok(vec![
        rate("rejoin-set-without", without)?,
        Sample::plain("rejoin", caught_up.as_secs_f64() * 1000.0),
        rate("rejoin-set", meanwhile)?,
        Sample::plain("rejoin-share", share),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::ENSEMBLE_LINES;

    #[test]
    fn every_line_for_ensembles_is_filled() {
        let filled: Vec<&str> = EnsembleScenario::all()
            .flat_map(EnsembleScenario::lines)
            .collect();
        for line in ENSEMBLE_LINES {
            assert!(filled.contains(&line.name), "{}", line.name);
        }
    }

    #[test]
    fn lines_of_one_round_are_filled_by_scenarios_of_one_round() {
        for scenario in EnsembleScenario::all() {
            for line in ENSEMBLE_LINES {
                if scenario.lines().contains(&line.name) {
                    assert_eq!(line.once, scenario.is_once(), "{}", line.name);
                }
            }
        }
    }
}
