//! Throughput: closed loops of one kind of operation.

use std::sync::Arc;
use std::time::Duration;

use crate::load::closed_loop::{ClosedLoop, Until};
use crate::load::requests::{Choice, Creates, Requests};
use crate::load::{Measured, Target};
use crate::scenario::tree::{self, CREATES, Value};
use crate::scenario::{Sample, ScenarioError, Settings};

/// What connections do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// getData of 100 bytes.
    Get,
    /// setData of 100 bytes.
    Set,
    /// create with 100 bytes.
    Create,
    /// Nine getData to one setData, 1 KB.
    Mixed,
    /// getChildren of 100.
    List,
    /// multi of ten setData.
    Multi,
}

/// A closed loop that fills one line.
#[derive(Clone, Copy, Debug)]
pub struct Throughput {
    /// The line.
    pub line: &'static str,
    /// The line for the bytes that reach the disk with each request, if there is one.
    pub bytes_line: Option<&'static str>,
    /// What is done.
    pub operation: Operation,
    /// By how many.
    pub connections: u64,
    /// How many requests each has unanswered.
    pub in_flight: usize,
}

/// Every throughput scenario, in the order in which they run.
pub const THROUGHPUTS: &[Throughput] = &[
    Throughput {
        line: "get",
        bytes_line: None,
        operation: Operation::Get,
        connections: 50,
        in_flight: 1,
    },
    Throughput {
        line: "get-pipelined",
        bytes_line: None,
        operation: Operation::Get,
        connections: 50,
        in_flight: 16,
    },
    Throughput {
        line: "set-alone",
        bytes_line: None,
        operation: Operation::Set,
        connections: 1,
        in_flight: 1,
    },
    Throughput {
        line: "set",
        bytes_line: Some("set-bytes"),
        operation: Operation::Set,
        connections: 50,
        in_flight: 1,
    },
    Throughput {
        line: "set-pipelined",
        bytes_line: Some("set-pipelined-bytes"),
        operation: Operation::Set,
        connections: 50,
        in_flight: 16,
    },
    Throughput {
        line: "mixed",
        bytes_line: None,
        operation: Operation::Mixed,
        connections: 50,
        in_flight: 1,
    },
    Throughput {
        line: "list",
        bytes_line: None,
        operation: Operation::List,
        connections: 8,
        in_flight: 1,
    },
    Throughput {
        line: "multi",
        bytes_line: None,
        operation: Operation::Multi,
        connections: 8,
        in_flight: 1,
    },
    Throughput {
        line: "create",
        bytes_line: None,
        operation: Operation::Create,
        connections: tree::CREATE_PARENTS,
        in_flight: 1,
    },
];

/// Znodes that one connection may create: more than any server can in the time.
const CREATES_PER_CONNECTION: u64 = 100_000_000;

impl Operation {
    /// The requests of each of `connections`.
    pub fn requests(self, connections: u64) -> Vec<Requests> {
        let any_of = |frames: Arc<[_]>| -> Vec<Requests> {
            (0..connections)
                .map(|seed| Requests::AnyOf(Choice::new(Arc::clone(&frames), seed)))
                .collect()
        };
        match self {
            Self::Get => any_of(Value::Small.gets()),
            Self::Set => any_of(Value::Small.sets()),
            Self::List => any_of(tree::lists()),
            Self::Multi => any_of(Value::Small.multis()),
            Self::Mixed => {
                let (gets, sets) = (Value::Large.gets(), Value::Large.sets());
                let mixed = |seed| Requests::Mixed {
                    first: Choice::new(Arc::clone(&gets), seed),
                    second: Choice::new(Arc::clone(&sets), seed),
                    second_percent: 10,
                };
                (0..connections).map(mixed).collect()
            }
            Self::Create => (0..connections)
                .map(|parent| {
                    let numbers = 0..CREATES_PER_CONNECTION;
                    Requests::Create(Creates::under(
                        CREATES,
                        parent,
                        &Value::Small.data(),
                        numbers,
                    ))
                })
                .collect(),
        }
    }
}

impl Throughput {
    /// Measures on `targets`, the members of one group whose tree is made, with the connections spread over them.
    ///
    /// # Errors
    /// When the load fails, or any request does.
    pub fn run(
        &self,
        targets: &[Target],
        settings: &Settings,
    ) -> Result<Vec<Sample>, ScenarioError> {
        let measured = ClosedLoop {
            requests: self.operation.requests(self.connections),
            in_flight: self.in_flight,
            until: Until::Measured {
                warm_up: settings.warm_up,
                measure: settings.measure,
            },
            threads: settings.load_threads,
        }
        .run_on(targets)?;
        let bytes = self
            .bytes_line
            .map(|line| Sample::plain(line, measured.disk_bytes.unwrap_or(measured.charged_bytes)));
        let rate = Sample::of(self.line, measured, Measured::rate)?;
        Ok(bytes.into_iter().chain([rate]).collect())
    }

    /// The lines that it fills.
    pub fn lines(&self) -> Vec<&'static str> {
        self.bytes_line.into_iter().chain([self.line]).collect()
    }
}

/// What a fresh server does before anything is measured. Creates are left out: they would fill it.
const WARMED_UP: [Operation; WARMED_UP_LEN as usize] = [
    Operation::Get,
    Operation::Set,
    Operation::Mixed,
    Operation::List,
    Operation::Multi,
];
const WARMED_UP_LEN: u32 = 5;

/// Runs all kinds of requests that are measured later, pipelined, and measures nothing.
///
/// # Errors
/// When the load fails.
pub fn warm_up(target: Target, settings: &Settings) -> Result<(), ScenarioError> {
    warm_up_all(&[target], settings)
}

/// The same with the connections spread over `targets`, the members of one group.
///
/// # Errors
/// When the load fails.
pub fn warm_up_all(targets: &[Target], settings: &Settings) -> Result<(), ScenarioError> {
    let share = settings.first_warm_up / WARMED_UP_LEN;
    for operation in WARMED_UP {
        ClosedLoop {
            requests: operation.requests(50),
            in_flight: 4,
            until: Until::Measured {
                warm_up: share,
                measure: Duration::ZERO,
            },
            threads: settings.load_threads,
        }
        .run_on(targets)?;
    }
    Ok(())
}
