//! The tail at a fixed arrival rate: how long requests wait while the server is not full.

use crate::load::Target;
use crate::load::open_loop::OpenLoop;
use crate::scenario::throughput::Operation;
use crate::scenario::{Sample, ScenarioError, Settings};

/// Connections over which the arrivals are spread.
const CONNECTIONS: u64 = 50;

/// An open loop that fills one line.
#[derive(Clone, Copy, Debug)]
pub struct Tail {
    /// The line; its value is the 99th percentile.
    pub line: &'static str,
    /// What is done.
    pub operation: Operation,
}

/// Every tail scenario.
pub const TAILS: &[Tail] = &[
    Tail {
        line: "get-tail",
        operation: Operation::Get,
    },
    Tail {
        line: "set-tail",
        operation: Operation::Set,
    },
];

impl Tail {
    /// Measures on `target`, whose tree is made.
    ///
    /// # Errors
    /// When the load fails, or any request does.
    pub fn run(&self, target: Target, settings: &Settings) -> Result<Sample, ScenarioError> {
        let per_second = if self.operation == Operation::Get {
            settings.get_rate
        } else {
            settings.set_rate
        };
        let measured = OpenLoop {
            requests: self.operation.requests(CONNECTIONS),
            per_second,
            warm_up: settings.warm_up,
            measure: settings.measure,
        }
        .run(target)?;
        Sample::of(self.line, measured, |measured| {
            measured.latency.p99_us / 1000.0
        })
    }
}
