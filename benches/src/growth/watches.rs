//! More and more watches: many on one znode, which all fire at once, and many that lie still.

use bytes::Bytes;
use treekeeper_protocol::{ReadRequest, Request};

use crate::growth::quantity::Quantity;
use crate::growth::stage::Stage;
use crate::load::client::Client;
use crate::load::fan_out::FanOut;
use crate::load::requests::{Creates, create};
use crate::load::{LoadError, Target};
use crate::scenario::ScenarioError;
use crate::scenario::footprint::{ROOT, populate, resident};
use crate::scenario::throughput::Operation;
use crate::statistics::{Summary, count};

const TOLD: Quantity =
    Quantity::logarithmic("watches-told", "time until all are told of a change in ms");
const LISTED: Quantity =
    Quantity::logarithmic("watches-listed", "time until all have listed again in ms");
const SET: Quantity = Quantity::linear(
    "watches-set",
    "setData per second beside watches that lie still",
);
const SET_CPU: Quantity =
    Quantity::linear("watches-set-cpu", "µs of server CPU per such setData").unplotted();
const EACH: Quantity = Quantity::logarithmic("watches-memory-each", "bytes of memory per watch");

/// What this series measures.
pub const QUANTITIES: &[Quantity] = &[TOLD, LISTED, SET, SET_CPU, EACH];

/// How, for readers.
pub const METHOD: &str = "First two: one child watch by each connection, all on the same znode, to which a child is added \
    or taken away; medians of 20 changes. Other two: data watches on different znodes, held by 100 connections, while 50 \
    others set the data of znodes that nobody watches, with one request in flight each. Memory per watch is what the process \
    grew by, and is left out where it would be lost in the rest of the process.";

/// Connections that hold the watches that lie still.
const HOLDERS: u64 = 100;
/// Fewer watches are lost in the noise of a process's memory.
const FELT_IN_MEMORY: u64 = 10_000;
/// The znode that many watch at the same time.
const WATCHED: &str = "/watched";
/// Changes before those that count: even, like those.
const WARM_UP_CHANGES: usize = 6;

/// Measures on a server of its own.
///
/// # Errors
/// When the server or the load fails.
pub fn run(stage: &mut Stage<'_>) -> Result<(), ScenarioError> {
    let server = stage.start(stage.product)?;
    let target = server.target();
    let znodes = stage.plan.points.watches.iter().copied().max();
    stage.warm_up(target)?;
    populate(
        target,
        0..znodes.unwrap_or_default(),
        stage.plan.load_threads,
    )?;
    memory(stage, target)?;
    writes_beside(stage, target)?;
    fan_out(stage, target)
}

fn memory(stage: &mut Stage<'_>, target: Target) -> Result<(), ScenarioError> {
    let mut watches = StillWatches::open(target)?;
    stage.settle_long();
    let before = resident(target)?;
    for &point in &stage.plan.points.watches {
        watches.grow_to(point)?;
        if point >= FELT_IN_MEMORY {
            stage.settle();
            let grown = resident(target)? - before;
            stage.record(&EACH, point, grown / count(point));
        }
    }
    Ok(watches.close()?)
}

fn writes_beside(stage: &mut Stage<'_>, target: Target) -> Result<(), ScenarioError> {
    let mut watches = StillWatches::open(target)?;
    for &point in &stage.plan.points.watches {
        watches.grow_to(point)?;
        let measured = stage.load(target, Operation::Set.requests(50), 1)?;
        stage.record_load(&SET, &SET_CPU, point, &measured);
    }
    Ok(watches.close()?)
}

fn fan_out(stage: &mut Stage<'_>, target: Target) -> Result<(), ScenarioError> {
    let mut client = Client::connect(target.address)?;
    client.call(&create(WATCHED, Bytes::new()))?;
    client.close()?;
    for point in stage.within_files("watchers of one znode", &stage.plan.points.watchers) {
        let seen = FanOut {
            parent: WATCHED.to_owned(),
            watchers: usize::try_from(point).expect("as many as files"),
            changes: stage.plan.changes,
            warm_up: WARM_UP_CHANGES,
        }
        .run(target)?;
        for (quantity, times_ms) in [(&TOLD, &seen.told_ms), (&LISTED, &seen.listed_ms)] {
            let summary = Summary::of(times_ms).expect("at least one change is made");
            stage.record(quantity, point, summary.median);
        }
    }
    Ok(())
}

/// Data watches on the first znodes of the population.
struct StillWatches {
    holders: Vec<Client>,
    watched: u64,
}

impl StillWatches {
    /// Opens the connections that will hold them.
    fn open(target: Target) -> Result<Self, LoadError> {
        let holders = (0..HOLDERS)
            .map(|_| Client::connect(target.address))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            holders,
            watched: 0,
        })
    }

    /// Watches further znodes until `watches` are watched; the connections take turns.
    fn grow_to(&mut self, watches: u64) -> Result<(), LoadError> {
        let watch = |number| {
            Request::GetData(ReadRequest {
                path: Creates::spread_path(ROOT, number),
                watch: true,
            })
        };
        for (first, holder) in (self.watched..watches).zip(&mut self.holders) {
            let mine = (first..watches).step_by(usize::try_from(HOLDERS).expect("a hundred"));
            let requests: Vec<Request> = mine.map(watch).collect();
            holder.call_all(&requests)?;
        }
        self.watched = watches;
        Ok(())
    }

    fn close(self) -> Result<(), LoadError> {
        self.holders.into_iter().try_for_each(Client::close)
    }
}
