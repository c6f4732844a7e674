//! A steady load of few large requests: each connection sends its next one at a fixed time, and has one at a time.
//!
//! It is the same work for every server, however long each request takes, as long as the server keeps up. Not here: how
//! much that disturbs others (`scenario::disturbance`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use treekeeper_protocol::Request;

use crate::load::client::Client;
use crate::load::closed_loop::sleep_until;
use crate::load::recorder::Recorder;
use crate::load::{LoadError, Target};
use crate::statistics::count;

/// Requests of one kind, made by several connections.
#[derive(Clone, Debug)]
pub struct Steady {
    /// What they are called in the report.
    pub name: &'static str,
    /// The requests, sent in turn.
    pub requests: Vec<Request>,
    /// How many connections share them.
    pub connections: u32,
    /// Requests per second, evenly spaced, over all connections.
    pub per_second: u32,
}

/// How one kind of requests went.
#[derive(Debug)]
pub struct SteadyMeasured {
    /// What they are called in the report.
    pub name: &'static str,
    /// Per second that were answered.
    pub per_second: f64,
    /// How long they waited, from the moment at which each should have left.
    pub latency: Recorder,
}

/// Makes all of `loads` until `stop` says so.
///
/// # Errors
/// When a connection or a request fails.
///
/// # Panics
/// When a load thread does, or a load has no request.
pub fn run_until(
    target: Target,
    loads: &[Steady],
    stop: &AtomicBool,
) -> Result<Vec<SteadyMeasured>, LoadError> {
    let mut measured = Vec::new();
    let latencies: Vec<Mutex<Recorder>> = loads.iter().map(|_| Mutex::default()).collect();
    let start = Instant::now();
    thread::scope(|scope| {
        let mut connections = Vec::new();
        for (load, latency) in loads.iter().zip(&latencies) {
            for place in 0..load.connections {
                connections.push(scope.spawn(move || {
                    let first = start + Duration::from_secs(1) * place / load.per_second;
                    load.run_connection(target, place, first, stop, latency)
                }));
            }
        }
        // Whoever fails first stops the others: less load than asked for measures something else.
        let mut result = Ok(());
        for connection in connections {
            let ended = connection.join().expect("a load thread does not panic");
            if ended.is_err() {
                stop.store(true, Ordering::Relaxed);
                result = result.and(ended);
            }
        }
        result
    })?;
    for (load, latency) in loads.iter().zip(latencies) {
        let latency = latency.into_inner().unwrap_or_else(PoisonError::into_inner);
        measured.push(SteadyMeasured {
            name: load.name,
            per_second: count(latency.answers()) / start.elapsed().as_secs_f64(),
            latency,
        });
    }
    Ok(measured)
}

impl Steady {
    fn run_connection(
        &self,
        target: Target,
        place: u32,
        first: Instant,
        stop: &AtomicBool,
        latency: &Mutex<Recorder>,
    ) -> Result<(), LoadError> {
        let mut client = Client::connect(target.address)?;
        let interval = Duration::from_secs(1) * self.connections / self.per_second;
        let mut intended = first;
        let turns = self.requests.iter().cycle().skip(place as usize);
        for request in turns.step_by(self.connections as usize) {
            sleep_until(intended);
            if stop.load(Ordering::Relaxed) {
                break;
            }
            client.call(request)?;
            latency
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .answered(intended.elapsed());
            intended += interval;
        }
        client.close()
    }
}
