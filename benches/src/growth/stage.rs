//! One series on one server: starts it, warms it up, puts load on it and keeps the values.

use std::net::SocketAddr;
use std::time::Duration;

use treekeeper_protocol::{DeleteRequest, Request};

use crate::growth::plan::Plan;
use crate::growth::quantity::Quantity;
use crate::growth::results::Measurement;
use crate::load::client::Client;
use crate::load::closed_loop::{ClosedLoop, Until};
use crate::load::in_turn::InTurn;
use crate::load::requests::{Requests, create};
use crate::load::{LoadError, Measured, Target};
use crate::report::number::compact;
use crate::scenario::throughput::Operation;
use crate::scenario::tree::{self, CREATES, Value};
use crate::scenario::{ScenarioError, accept};
use crate::server::Server;
use crate::server::products::Product;
use crate::server::status::srvr;
use crate::statistics::count;

/// Connections of a load whose number does not grow.
pub const CONNECTIONS: u64 = 50;
/// What each keeps in flight where as much as possible is to be done.
pub const PIPELINED: usize = 16;
/// Files that a process needs beside its connections: jars, logs, tables, at the very most.
const FILES_BESIDE: u64 = 1000;

/// What one series needs to run on one server.
pub struct Stage<'a> {
    /// The points, and how long each is measured.
    pub plan: &'a Plan,
    /// The server.
    pub product: &'a Product,
    /// From 1.
    pub round: usize,
    /// Where values are kept.
    pub measurement: &'a mut Measurement,
    /// Who is told of them.
    pub progress: &'a mut dyn FnMut(&str),
}

impl Stage<'_> {
    /// Starts the server, as `product`, on an empty folder and makes the znodes that [`Stage::warm_up`] uses.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(&mut self, product: &Product) -> Result<Server, ScenarioError> {
        let server = Server::start(product, &self.plan.folder.join("server"))?;
        let version = version(server.target().address);
        self.measurement
            .servers
            .insert(product.name().to_owned(), version);
        tree::make(server.target())?;
        Ok(server)
    }

    /// Runs every kind of request that is measured later, and measures nothing: a JVM that has just started is slow.
    ///
    /// # Errors
    /// When the load fails, or any request does.
    pub fn warm_up(&self, target: Target) -> Result<(), ScenarioError> {
        let each_in_turn = |operation: Operation| operation.requests(CONNECTIONS);
        let mut loads: Vec<Vec<Requests>> = [Operation::Get, Operation::Set, Operation::List]
            .map(each_in_turn)
            .into();
        let visitors = Visitors::new(CREATES, "warm-up");
        loads.push(visitors.come_and_go());
        let share = self.plan.first_warm_up / u32::try_from(loads.len()).expect("four");
        for requests in loads {
            self.run(target, requests, 4, share, Duration::ZERO)?;
        }
        visitors.leave(target)
    }

    /// Load of `requests` for the time that the plan says; `in_flight` by each connection.
    ///
    /// # Errors
    /// When the load fails, or any request does.
    pub fn load(
        &self,
        target: Target,
        requests: Vec<Requests>,
        in_flight: usize,
    ) -> Result<Measured, ScenarioError> {
        let (warm_up, measure) = (self.plan.warm_up, self.plan.measure);
        self.run(target, requests, in_flight, warm_up, measure)
    }

    fn run(
        &self,
        target: Target,
        requests: Vec<Requests>,
        in_flight: usize,
        warm_up: Duration,
        measure: Duration,
    ) -> Result<Measured, ScenarioError> {
        let plan = ClosedLoop {
            requests,
            in_flight,
            until: Until::Measured { warm_up, measure },
            threads: self.plan.load_threads,
        };
        accept(plan.run(target)?)
    }

    /// Sends all of `requests`, as fast as it goes.
    ///
    /// # Errors
    /// When the load fails, or any request does.
    pub fn exhaust(
        &self,
        target: Target,
        requests: Vec<Requests>,
    ) -> Result<Measured, ScenarioError> {
        let plan = ClosedLoop {
            requests,
            in_flight: PIPELINED,
            until: Until::Exhausted,
            threads: self.plan.load_threads,
        };
        accept(plan.run(target)?)
    }

    /// Leaves the server alone for a short time, so that what it had begun is done.
    pub fn settle(&self) {
        std::thread::sleep(self.plan.settle);
    }

    /// Leaves the server alone until it has also done what it does every few seconds, such as writing its tree to disk.
    pub fn settle_long(&self) {
        std::thread::sleep(self.plan.settle * 4);
    }

    /// Keeps how many requests were answered per second, and what each of them cost the server.
    pub fn record_load(
        &mut self,
        rate: &Quantity,
        cpu_us: &Quantity,
        at: u64,
        measured: &Measured,
    ) {
        self.record(rate, at, measured.rate());
        self.record(cpu_us, at, measured.server_cpu_us);
    }

    /// Keeps the value of `quantity` after growth up to `at`.
    pub fn record(&mut self, quantity: &Quantity, at: u64, value: f64) {
        let name = self.product.name();
        self.measurement.add(quantity.name, name, at, value);
        (self.progress)(&format!(
            "{}/{} {name:<10} {:<24} {:>8} {:>8}",
            self.round,
            self.plan.rounds,
            quantity.name,
            compact(count(at)),
            compact(value)
        ));
    }

    /// Keeps something that a reader must know of this server.
    pub fn note(&mut self, text: &str) {
        let note = format!("{}: {text}", self.product.name());
        (self.progress)(&note);
        if !self.measurement.notes.contains(&note) {
            self.measurement.notes.push(note);
        }
    }

    /// Those of `points` for which enough files may be opened, with a connection each; the others are noted.
    pub fn within_files(&mut self, what: &str, points: &[u64]) -> Vec<u64> {
        let files_max = self.plan.files_max;
        let (within, beyond) = points
            .iter()
            .partition::<Vec<u64>, _>(|&&point| point + FILES_BESIDE <= files_max);
        for point in beyond {
            self.note(&format!(
                "{} {what} are left out: a process may open {files_max} files here",
                compact(count(point))
            ));
        }
        within
    }
}

/// What the server says of its version, to the word `srvr`; empty when it says nothing.
fn version(address: SocketAddr) -> String {
    version_in(&srvr(address).unwrap_or_default()).to_owned()
}

/// `3.9.5` of `Zookeeper version: 3.9.5-commit, built on date`.
fn version_in(answer: &str) -> &str {
    answer
        .lines()
        .find_map(|line| line.strip_prefix("Zookeeper version: "))
        .and_then(|line| line.split(", built on").next())
        .unwrap_or_default()
}

/// Znodes below one parent, one per connection, that are created and deleted again and again.
#[derive(Debug)]
pub struct Visitors {
    paths: Vec<String>,
}

impl Visitors {
    /// Below `parent`; nobody else's are called `name` there.
    pub fn new(parent: &str, name: &str) -> Self {
        Self {
            paths: (0..CONNECTIONS)
                .map(|number| format!("{parent}/{name}-{number:02}"))
                .collect(),
        }
    }

    /// A create and a delete in turn, for each connection.
    pub fn come_and_go(&self) -> Vec<Requests> {
        self.paths
            .iter()
            .map(|path| Requests::InTurn(InTurn::new(&come_and_go(path))))
            .collect()
    }

    /// Deletes those that are there after the load.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn leave(&self, target: Target) -> Result<(), ScenarioError> {
        let mut client = Client::connect(target.address)?;
        for path in &self.paths {
            let [_, delete] = come_and_go(path);
            match client.call(&delete) {
                // It was deleted last.
                Ok(()) | Err(LoadError::Refused { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(client.close()?)
    }
}

/// Creates a znode and deletes it.
pub fn come_and_go(path: &str) -> [Request; 2] {
    let delete = DeleteRequest {
        path: path.to_owned(),
        version: -1,
    };
    [create(path, Value::Small.data()), Request::Delete(delete)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_what_stands_before_the_build() {
        let answer = "Zookeeper version: 3.9.5-293c, built on 2026-02-11 10:00 UTC\nLatency min/avg/max: 0/0.0/0\n";
        assert_eq!(version_in(answer), "3.9.5-293c");
        assert_eq!(version_in("not on the whitelist"), "");
    }
}
