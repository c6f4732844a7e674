//! Scenarios: what is done to a server to fill lines of the table.
//!
//! In: a running server and [`Settings`]. Out: a [`Sample`] per line. Not here: how load is made (`load`), which servers
//! there are (`server`), what several rounds say together (`report`).

pub mod apart;
pub mod ensemble;
pub mod fan_out;
pub mod footprint;
pub mod tail;
pub mod throughput;
pub mod tree;

use std::io;
use std::time::Duration;

use serde::Serialize;

use crate::load::{LoadError, Measured, Target};
use crate::scenario::tail::{TAILS, Tail};
use crate::scenario::throughput::{Operation, THROUGHPUTS, Throughput};
use crate::server::ServerError;

/// How long, how many, how fast: the same for every server.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    /// Load on every fresh server before anything is measured, which lets a JVM compile what is hot.
    pub first_warm_up: Duration,
    /// Load before each measurement.
    pub warm_up: Duration,
    /// Of each measurement.
    pub measure: Duration,
    /// Threads of the load generator.
    pub load_threads: usize,
    /// Znodes for memory and restart, or that a follower misses.
    pub znodes: u64,
    /// Sessions for the memory of an idle one.
    pub idle_sessions: u32,
    /// Connections that watch one znode's children.
    pub watchers: usize,
    /// Changes that the watchers are told of.
    pub changes: usize,
    /// getData per second for its tail.
    pub get_rate: u32,
    /// setData per second for its tail.
    pub set_rate: u32,
    /// Sessions in mass.
    pub mass_sessions: usize,
    /// How often the leader of an ensemble is killed, and how often it is stopped.
    pub kills: usize,
    /// How long a server is left alone before its memory is read.
    pub settle: Duration,
}

/// One line's value in one round on one server.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// The line's name.
    pub line: &'static str,
    /// In the line's unit.
    pub value: f64,
    /// Latency, cost and errors, where the line is about requests.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
}

/// Why a scenario ended early.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The load failed.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The server failed.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// `/proc` or a process could not be used.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Requests that have to work were answered with an error.
    #[error("{errors} requests were answered with an error")]
    Refused {
        /// How many.
        errors: u64,
    },
    /// The server did what no server may do.
    #[error("{0}")]
    Wrong(String),
    /// The server needed more memory than its control group has.
    #[error("the kernel killed it: it took more memory than it may have")]
    KilledForMemory,
}

impl Sample {
    /// A value without requests behind it.
    fn plain(line: &'static str, value: f64) -> Self {
        Self {
            line,
            value,
            measured: None,
        }
    }

    /// A value from requests, all of which must have worked.
    fn of(
        line: &'static str,
        measured: Measured,
        value: impl FnOnce(&Measured) -> f64,
    ) -> Result<Self, ScenarioError> {
        let measured = accept(measured)?;
        Ok(Self {
            line,
            value: value(&measured),
            measured: Some(measured),
        })
    }
}

/// What was measured, if no request was answered with an error.
pub(crate) fn accept(measured: Measured) -> Result<Measured, ScenarioError> {
    match measured.errors {
        0 => Ok(measured),
        errors => Err(ScenarioError::Refused { errors }),
    }
}

/// What runs on one fresh server after another scenario, without disturbing it.
#[derive(Clone, Copy, Debug)]
pub enum Scenario {
    /// One kind of operation as fast as it goes.
    Throughput(&'static Throughput),
    /// One kind of operation at a fixed rate.
    Tail(&'static Tail),
    /// Watchers told, and listing again.
    FanOut,
}

impl Scenario {
    /// All of them, in the order in which they run.
    pub fn all() -> impl Iterator<Item = Self> {
        // Creates come last: they change the tree under everybody else.
        let (creates, others): (Vec<_>, Vec<_>) = THROUGHPUTS
            .iter()
            .partition(|throughput| throughput.operation == Operation::Create);
        let others = others.into_iter().map(Self::Throughput);
        let tails = TAILS.iter().map(Self::Tail);
        others
            .chain(tails)
            .chain([Self::FanOut])
            .chain(creates.into_iter().map(Self::Throughput))
    }

    /// The lines that it fills.
    pub fn lines(self) -> Vec<&'static str> {
        match self {
            Self::Throughput(throughput) => throughput.lines(),
            Self::Tail(tail) => vec![tail.line],
            Self::FanOut => vec!["told", "listed"],
        }
    }

    /// Measures on `target`, whose tree is made.
    ///
    /// # Errors
    /// When the load fails, or any request does.
    pub fn run(self, target: Target, settings: &Settings) -> Result<Vec<Sample>, ScenarioError> {
        match self {
            Self::Throughput(throughput) => throughput.run(&[target], settings),
            Self::Tail(tail) => Ok(vec![tail.run(target, settings)?]),
            Self::FanOut => fan_out::run(target, settings),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Line;

    #[test]
    fn every_scenario_fills_lines_of_the_table() {
        for name in Scenario::all().flat_map(Scenario::lines) {
            assert!(Line::named(name).is_some(), "{name}");
        }
    }
}
