//! What a data watch takes of the server's memory.
//!
//! The watched znodes do not exist: what they would take themselves, and when it is flushed, plays no part.

use std::path::Path;
use std::thread;

use treekeeper_protocol::{ErrorCode, ReadRequest, Request};

use crate::load::LoadError;
use crate::load::client::Client;
use crate::load::requests::Creates;
use crate::scenario::apart::Findings;
use crate::scenario::footprint::{ROOT, resident};
use crate::scenario::{Sample, ScenarioError, Settings};
use crate::server::Server;
use crate::server::products::Product;

/// The lines: each path watched by one connection, and each by all.
pub(super) const LINES: [&str; 2] = ["watch", "watch-shared"];

const CONNECTIONS: u32 = 100;
const WATCHES_PER_CONNECTION: u32 = 1000;
/// How often everything is asked for without a watch first: until then a JVM's heap grows by what it will use again.
const REHEARSALS: usize = 5;

/// Measures each line on a server of its own.
pub(super) fn run(
    product: &Product,
    folder: &Path,
    settings: &Settings,
) -> Result<Findings, ScenarioError> {
    let mut findings = Findings::default();
    for (line, shared) in LINES.into_iter().zip([false, true]) {
        let server = Server::start(product, folder)?;
        let bytes = bytes_per_watch(&server, shared, settings)?;
        findings.samples.push(Sample::plain(line, bytes));
    }
    Ok(findings)
}

fn bytes_per_watch(
    server: &Server,
    shared: bool,
    settings: &Settings,
) -> Result<f64, ScenarioError> {
    let target = server.target();
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(Client::connect(target.address)?);
    }
    for _ in 0..REHEARSALS {
        ask(&mut clients, shared, false)?;
    }
    thread::sleep(settings.settle);
    let before = resident(target)?;
    ask(&mut clients, shared, true)?;
    thread::sleep(settings.settle);
    let grown = resident(target)? - before;
    for client in clients {
        client.close()?;
    }
    Ok(grown / f64::from(CONNECTIONS * WATCHES_PER_CONNECTION))
}

/// Each client asks for its share of the paths, or all for the same.
fn ask(clients: &mut [Client], shared: bool, watch: bool) -> Result<(), LoadError> {
    for (place, client) in (0..CONNECTIONS).zip(clients) {
        let first = if shared {
            0
        } else {
            place * WATCHES_PER_CONNECTION
        };
        let exists = |number: u32| {
            let path = Creates::spread_path(ROOT, number.into());
            Request::Exists(ReadRequest { path, watch })
        };
        let requests: Vec<Request> = (first..first + WATCHES_PER_CONNECTION)
            .map(exists)
            .collect();
        client.call_all_but(&requests, Some(ErrorCode::NoNode))?;
    }
    Ok(())
}
