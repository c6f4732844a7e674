//! Memory and restart: an idle process, idle sessions, a million znodes, and the first write after `kill -9`.

use std::ops::Range;
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use treekeeper_protocol::{ReadRequest, Request, SetDataRequest};

use crate::load::client::Client;
use crate::load::closed_loop::{ClosedLoop, Until};
use crate::load::requests::{Creates, Requests, create};
use crate::load::{LoadError, Measured, Target};

use crate::scenario::tree::Value;
use crate::scenario::{Sample, ScenarioError, Settings};
use crate::server::Server;
use crate::statistics::count;
use crate::usage::resident_bytes;

/// The root of the population. Eleven bytes, so that the paths below it have 48.
pub const ROOT: &str = "/population";
/// Connections that make the znodes, and what each keeps in flight.
const CONNECTIONS: u64 = 50;
const IN_FLIGHT: usize = 16;
/// Znodes looked for after the crash, besides the last ones.
const CHECKED: u64 = 1000;

/// Which of its lines are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Footprint {
    /// The idle process.
    pub idle: bool,
    /// Idle sessions.
    pub sessions: bool,
    /// The line for the memory of the znodes, if wanted.
    pub znodes: Option<&'static str>,
    /// The restart.
    pub restart: bool,
}

impl Footprint {
    /// The lines that it fills.
    pub fn lines(self) -> Vec<&'static str> {
        let lines = [
            self.idle.then_some("idle"),
            self.sessions.then_some("idle-session"),
            self.znodes,
            self.restart.then_some("restart"),
        ];
        lines.into_iter().flatten().collect()
    }

    /// Measures on a fresh `server`.
    ///
    /// # Errors
    /// When the server or the load fails, or an acknowledged znode is lost.
    pub fn run(
        self,
        server: &mut Server,
        settings: &Settings,
    ) -> Result<Vec<Sample>, ScenarioError> {
        let target = server.target();
        let mut samples = Vec::new();
        thread::sleep(settings.settle);
        let idle = resident(target)?;
        if self.idle {
            samples.push(Sample::plain("idle", idle / 1e6));
        }
        if self.sessions {
            samples.push(Sample::plain(
                "idle-session",
                idle_session_bytes(target, settings, idle)? / 1e3,
            ));
        }
        if self.znodes.is_some() || self.restart {
            populate(target, 0..settings.znodes, settings.load_threads)?;
            thread::sleep(settings.settle);
            if let Some(line) = self.znodes {
                samples.push(Sample::plain(line, resident(target)? / 1e6));
            }
        }
        if self.restart {
            samples.push(Sample::plain(
                "restart",
                restart_ms(server, settings.znodes)?,
            ));
        }
        Ok(samples)
    }
}

/// Resident memory of the server in bytes.
pub(crate) fn resident(target: Target) -> Result<f64, ScenarioError> {
    Ok(count(resident_bytes(target.pid)?))
}

/// How much the process grew for each session that does nothing.
fn idle_session_bytes(
    target: Target,
    settings: &Settings,
    before: f64,
) -> Result<f64, ScenarioError> {
    let mut sessions = Vec::new();
    for _ in 0..settings.idle_sessions {
        sessions.push(Client::connect(target.address)?);
    }
    thread::sleep(settings.settle);
    let grown = resident(target)? - before;
    for session in sessions {
        session.close()?;
    }
    Ok(grown / f64::from(settings.idle_sessions))
}

/// Creates the znodes of `numbers` as fast as it goes; those before them are there already.
///
/// # Errors
/// When the load fails, or the server refuses a znode.
pub(crate) fn populate(
    target: Target,
    numbers: Range<u64>,
    threads: usize,
) -> Result<Measured, ScenarioError> {
    let mut parents = Vec::new();
    if numbers.start == 0 {
        parents.push(create(ROOT, Bytes::new()));
    }
    for parent in Creates::spread_parents(numbers.start)..Creates::spread_parents(numbers.end) {
        parents.push(create(&Creates::parent(ROOT, parent), Bytes::new()));
    }
    let mut client = Client::connect(target.address)?;
    client.call_all(&parents)?;
    client.close()?;
    let first = numbers.start..numbers.start + CONNECTIONS;
    let creates =
        |first| Creates::spread(ROOT, &Value::Small.data(), first, CONNECTIONS, numbers.end);
    let measured = ClosedLoop {
        requests: first
            .map(|first| Requests::Create(creates(first)))
            .collect(),
        in_flight: IN_FLIGHT,
        until: Until::Exhausted,
        threads,
    }
    .run(target)?;
    match measured.errors {
        0 => Ok(measured),
        errors => Err(ScenarioError::Refused { errors }),
    }
}

/// Kills the server, starts it again and waits until it has accepted a write; then looks for what it had acknowledged.
///
/// # Errors
/// When the server or a connection fails, or an acknowledged znode is lost.
pub(crate) fn restart_ms(server: &mut Server, znodes: u64) -> Result<f64, ScenarioError> {
    server.kill()?;
    let start = Instant::now();
    server.start_again()?;
    let mut client = loop {
        let mut client = server.wait_until_serving()?;
        let first = Request::SetData(SetDataRequest {
            path: ROOT.to_owned(),
            data: Some(Value::Small.data()),
            version: -1,
        });
        match client.call(&first) {
            Ok(()) => break client,
            // The connection was dropped: not ready after all.
            Err(LoadError::Io(_)) => {}
            Err(error) => return Err(error.into()),
        }
    };
    let elapsed_ms = start.elapsed().as_secs_f64() * 1000.0;
    let last = znodes.saturating_sub(CONNECTIONS * 2)..znodes;
    let spread = (0..CHECKED).map(|number| number * znodes / CHECKED);
    for number in spread.chain(last) {
        let path = Creates::spread_path(ROOT, number);
        let exists = Request::Exists(ReadRequest {
            path: path.clone(),
            watch: false,
        });
        match client.call(&exists) {
            Err(LoadError::Refused { .. }) => return Err(LoadError::Lost(path).into()),
            other => other?,
        }
    }
    client.close()?;
    Ok(elapsed_ms)
}
