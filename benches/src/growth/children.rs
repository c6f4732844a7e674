//! One znode gets more and more children.

use std::ops::Range;
use std::time::Instant;

use bytes::Bytes;

use crate::growth::quantity::Quantity;
use crate::growth::stage::{CONNECTIONS, Stage, Visitors, come_and_go};
use crate::load::client::Client;
use crate::load::recorder::Recorder;
use crate::load::requests::{Creates, Requests, create};
use crate::load::{LoadError, Target};
use crate::scenario::ScenarioError;
use crate::scenario::tree::Value;

const CHANGE: Quantity = Quantity::linear(
    "children-change",
    "create and delete in turn, requests per second",
);
const CHANGE_CPU: Quantity =
    Quantity::linear("children-change-cpu", "µs of server CPU per such request").unplotted();
const CHANGE_P99: Quantity = Quantity::logarithmic(
    "children-change-p99",
    "99th percentile of create and delete in turn in ms",
);
const CREATE: Quantity = Quantity::logarithmic("children-create", "median of a lone create in ms");
const CREATE_P99: Quantity = Quantity::logarithmic(
    "children-create-p99",
    "99th percentile of a lone create in ms",
)
.unplotted();
const DELETE: Quantity = Quantity::logarithmic("children-delete", "median of a lone delete in ms");
const DELETE_P99: Quantity = Quantity::logarithmic(
    "children-delete-p99",
    "99th percentile of a lone delete in ms",
)
.unplotted();
const FILL: Quantity =
    Quantity::linear("children-fill", "create per second, filling the directory");

/// What this series measures.
pub const QUANTITIES: &[Quantity] = &[
    CHANGE, CHANGE_P99, CHANGE_CPU, CREATE, CREATE_P99, DELETE, DELETE_P99, FILL,
];

/// How, for readers.
pub const METHOD: &str = "All below the same parent, with 100 bytes each. In turn: 50 connections, each of which creates a \
    child and deletes it again, with one request in flight, so that the number of children stays as it is. Alone: one \
    connection does the same, and each kind of request is timed by itself. While filling: 50 connections with 16 in flight \
    create the children up to each point, where they are enough to be timed.";

/// The parent.
const ROOT: &str = "/directory";
/// Fewer are created before a clock can tell.
const TIMED_FILL_MIN: u64 = 5000;

/// Measures on a server of its own.
///
/// # Errors
/// When the server or the load fails.
pub fn run(stage: &mut Stage<'_>) -> Result<(), ScenarioError> {
    let server = stage.start(stage.product)?;
    let target = server.target();
    stage.warm_up(target)?;
    let parent = Creates::parent(ROOT, 0);
    let mut client = Client::connect(target.address)?;
    client.call_all(&[create(ROOT, Bytes::new()), create(&parent, Bytes::new())])?;
    client.close()?;
    let mut filled = 0;
    for &children in &stage.plan.points.children {
        let created = stage.exhaust(target, creates(filled..children))?;
        if children - filled >= TIMED_FILL_MIN {
            stage.record(&FILL, children, created.rate());
        }
        filled = children;

        let visitors = Visitors::new(&parent, "comes-and-goes");
        let changed = stage.load(target, visitors.come_and_go(), 1)?;
        visitors.leave(target)?;
        stage.record_load(&CHANGE, &CHANGE_CPU, children, &changed);
        stage.record(&CHANGE_P99, children, changed.latency.p99_us / 1000.0);

        let [created, deleted] = alone(stage, target, &parent)?;
        for (recorder, median, p99) in [
            (created, &CREATE, &CREATE_P99),
            (deleted, &DELETE, &DELETE_P99),
        ] {
            stage.record(median, children, recorder.percentile_us(50.0) / 1000.0);
            stage.record(p99, children, recorder.percentile_us(99.0) / 1000.0);
        }
    }
    Ok(())
}

/// Creates of children `numbers`, a part of them by each connection.
fn creates(numbers: Range<u64>) -> Vec<Requests> {
    let (start, count) = (numbers.start, numbers.end - numbers.start);
    let share = |connection| start + count * connection / CONNECTIONS;
    (0..CONNECTIONS)
        .map(|connection| {
            let numbers = share(connection)..share(connection + 1);
            Requests::Create(Creates::under(ROOT, 0, &Value::Small.data(), numbers))
        })
        .collect()
}

/// How long one connection waits for each create and for each delete of a child while nobody else is there.
fn alone(stage: &Stage<'_>, target: Target, parent: &str) -> Result<[Recorder; 2], LoadError> {
    let mut client = Client::connect(target.address)?;
    let requests = come_and_go(&format!("{parent}/alone"));
    let mut recorders = [Recorder::default(), Recorder::default()];
    let start = Instant::now();
    while start.elapsed() < stage.plan.measure {
        for (request, recorder) in requests.iter().zip(&mut recorders) {
            let sent = Instant::now();
            client.call(request)?;
            recorder.answered(sent.elapsed());
        }
    }
    client.close()?;
    Ok(recorders)
}
