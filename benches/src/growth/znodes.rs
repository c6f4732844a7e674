//! The tree grows: what reads, writes, memory and a restart cost then.

use treekeeper_protocol::{ReadRequest, Request, SetDataRequest};

use crate::growth::quantity::Quantity;
use crate::growth::stage::{CONNECTIONS, Stage};
use crate::load::numbered::Spread;
use crate::load::requests::Requests;
use crate::scenario::ScenarioError;
use crate::scenario::footprint::{ROOT, populate, resident, restart_ms};
use crate::scenario::tree::Value;
use crate::statistics::count;

const GET: Quantity = Quantity::linear("znodes-get", "getData per second");
const SET: Quantity = Quantity::linear("znodes-set", "setData per second");
const GET_CPU: Quantity =
    Quantity::linear("znodes-get-cpu", "µs of server CPU per getData").unplotted();
const SET_CPU: Quantity =
    Quantity::linear("znodes-set-cpu", "µs of server CPU per setData").unplotted();
const CREATE_CPU: Quantity =
    Quantity::linear("znodes-create-cpu", "µs of server CPU per create").unplotted();
const CREATE: Quantity = Quantity::linear("znodes-create", "create per second, filling the tree");
const EACH: Quantity = Quantity::logarithmic("znodes-memory-each", "bytes of memory per znode");
const MEMORY: Quantity = Quantity::logarithmic("znodes-memory", "resident memory in MB");
const RESTART: Quantity =
    Quantity::logarithmic("znodes-restart", "seconds from kill -9 to the first write");
const HEAP: Quantity =
    Quantity::logarithmic("znodes-heap", "heap that the JVM may use (-Xmx) in MB").unplotted();

/// What this series measures.
pub const QUANTITIES: &[Quantity] = &[
    GET, GET_CPU, SET, SET_CPU, CREATE, CREATE_CPU, EACH, MEMORY, RESTART, HEAP,
];

/// How, for readers.
pub const METHOD: &str = "Paths of 48 bytes, values of 100, 1000 znodes below each parent. getData and setData of random \
    znodes among all of them: 50 connections, each with one request in flight. create: 50 connections with 16 in flight, \
    which fill the tree up to each point. Memory is read 3 s after the fill, with all znodes read or written since the \
    server started; per znode it is what the process grew by since it was warmed up with an empty tree. After the setData \
    the server is killed, started again on the same data, and fills on.";

/// With more znodes than this, ZooKeeper's heap of 1000 MB, which is what zkServer.sh gives it, does not suffice.
const SMALL_HEAP_MAX_ZNODES: u64 = 2_000_000;
/// The heap for more.
const LARGE_HEAP_MB: u32 = 12_000;

/// Fewer are lost in the memory that a process takes anyway, above all in the heap of a JVM.
const FELT_IN_MEMORY: u64 = 100_000;

/// Measures on a server of its own.
///
/// # Errors
/// When the server or the load fails, or an acknowledged znode is lost.
pub fn run(stage: &mut Stage<'_>) -> Result<(), ScenarioError> {
    let mut product = stage.product.clone();
    let mut server = stage.start(&product)?;
    stage.warm_up(server.target())?;
    stage.settle();
    let empty = resident(server.target())?;
    let mut filled = 0;
    for &znodes in &stage.plan.points.znodes {
        if znodes > SMALL_HEAP_MAX_ZNODES && product.heap_mb().is_some_and(|mb| mb < LARGE_HEAP_MB)
        {
            product = product.with_heap_mb(LARGE_HEAP_MB);
            server.run_as(product.clone());
            server.kill()?;
            server.start_again()?;
            server.wait_until_serving()?.close()?;
        }
        let target = server.target();
        if filled > 0 {
            // It has just started again.
            stage.warm_up(target)?;
        }
        let created = populate(target, filled..znodes, stage.plan.load_threads)?;
        stage.record_load(&CREATE, &CREATE_CPU, znodes, &created);
        // A server may leave on disk what nobody has asked for since it started.
        stage.exhaust(target, gets_of_each(filled))?;
        stage.settle();
        let memory = resident(target)?;
        if znodes >= FELT_IN_MEMORY {
            stage.record(&EACH, znodes, (memory - empty) / count(znodes));
        }
        stage.record(&MEMORY, znodes, memory / 1e6);
        let random = |request: fn(&str) -> Request| -> Vec<Requests> {
            (0..CONNECTIONS)
                .map(|seed| Requests::Spread(Spread::any(request, ROOT, znodes, seed)))
                .collect()
        };
        let got = stage.load(target, random(get), 1)?;
        stage.record_load(&GET, &GET_CPU, znodes, &got);
        let set = stage.load(target, random(set), 1)?;
        stage.record_load(&SET, &SET_CPU, znodes, &set);
        let restart_ms = restart_ms(&mut server, znodes)?;
        stage.record(&RESTART, znodes, restart_ms / 1000.0);
        if let Some(mb) = product.heap_mb() {
            stage.record(&HEAP, znodes, f64::from(mb));
        }
        filled = znodes;
    }
    Ok(())
}

fn gets_of_each(znodes: u64) -> Vec<Requests> {
    (0..CONNECTIONS)
        .map(|first| Requests::Spread(Spread::each(get, ROOT, first, CONNECTIONS, znodes)))
        .collect()
}

fn get(path: &str) -> Request {
    Request::GetData(ReadRequest {
        path: path.to_owned(),
        watch: false,
    })
}

fn set(path: &str) -> Request {
    Request::SetData(SetDataRequest {
        path: path.to_owned(),
        data: Some(Value::Small.data()),
        version: -1,
    })
}
