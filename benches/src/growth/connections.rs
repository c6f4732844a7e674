//! More and more connections work at the same time.

use crate::growth::quantity::Quantity;
use crate::growth::stage::Stage;
use crate::scenario::ScenarioError;
use crate::scenario::throughput::Operation;

const GET: Quantity = Quantity::linear("connections-get", "getData per second");
const SET: Quantity = Quantity::linear("connections-set", "setData per second");
const GET_CPU: Quantity =
    Quantity::linear("connections-get-cpu", "µs of server CPU per getData").unplotted();
const SET_CPU: Quantity =
    Quantity::linear("connections-set-cpu", "µs of server CPU per setData").unplotted();
const GET_P99: Quantity =
    Quantity::logarithmic("connections-get-p99", "99th percentile of getData in ms");
const SET_P99: Quantity =
    Quantity::logarithmic("connections-set-p99", "99th percentile of setData in ms");

/// What this series measures.
pub const QUANTITIES: &[Quantity] = &[GET, GET_P99, GET_CPU, SET, SET_P99, SET_CPU];

/// How, for readers.
pub const METHOD: &str = "Each connection has a session of its own and one request in flight, for any of 1000 znodes with \
    100 bytes. The load generator shares the machine's cores with the server, and takes a growing part of them as well.";

/// Measures on a server of its own.
///
/// # Errors
/// When the server or the load fails.
pub fn run(stage: &mut Stage<'_>) -> Result<(), ScenarioError> {
    let server = stage.start(stage.product)?;
    let target = server.target();
    stage.warm_up(target)?;
    for connections in stage.within_files("connections", &stage.plan.points.connections) {
        for (operation, rate, p99, cpu) in [
            (Operation::Get, &GET, &GET_P99, &GET_CPU),
            (Operation::Set, &SET, &SET_P99, &SET_CPU),
        ] {
            let measured = stage.load(target, operation.requests(connections), 1)?;
            stage.record_load(rate, cpu, connections, &measured);
            stage.record(p99, connections, measured.latency.p99_us / 1000.0);
        }
    }
    Ok(())
}
