//! Very many sessions: what one takes, what their pings cost, and what others feel when very many expire at once.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::process::{Resource, getrlimit};
use treekeeper_protocol::{Acl, CreateKind, CreateRequest, ErrorCode, ReadRequest, Request};

use crate::load::client::Client;
use crate::load::crowd::Crowd;
use crate::load::open_loop::{Answer, OpenLoop};
use crate::load::recorder::Recorder;
use crate::load::requests::create;
use crate::load::{LoadError, Measured, Target};
use crate::scenario::apart::{Findings, beside};
use crate::scenario::footprint::resident;
use crate::scenario::throughput::{Operation, warm_up};
use crate::scenario::{Sample, ScenarioError, Settings, tree};
use crate::server::Server;
use crate::server::products::Product;
use crate::statistics;
use crate::usage::Usage;

/// The lines.
pub(super) const LINES: [&str; 5] = [
    "mass-session",
    "mass-pings",
    "mass-expiry-tail",
    "mass-expiry-longest",
    "mass-expiry-span",
];

/// Of sessions that live: a ping every 13 s.
const IDLE_TIMEOUT: Duration = Duration::from_secs(40);
/// Of those that expire: the shortest that servers grant with the tickTime of this bench.
const SHORT_TIMEOUT: Duration = Duration::from_secs(4);
/// Of all servers here; sessions expire on its multiples.
const TICK: Duration = Duration::from_secs(2);
/// At most so many expire together, and at most half of all.
const EXPIRING_MAX: usize = 10_000;
/// Descriptors that the server and this process need for everything else.
const OTHER_FILES: u64 = 500;
/// Connections whose latency is measured.
const OTHERS: u64 = 50;
/// Their load before the last pings.
const LEAD: Duration = Duration::from_secs(1);
/// How long after the last pings everybody must have expired: time-out, a tick, and room for the slowest.
const EXPIRED_WITHIN: Duration = Duration::from_secs(12);
/// A request that was sent so long before the first or after the last was seen to expire may have felt it.
const MARGIN: Duration = Duration::from_millis(100);
/// The last pings are sent so long after a tick: all of them fall into one.
const AFTER_TICK: Duration = Duration::from_millis(200);
/// Parent of the ephemerals.
const PARENT: &str = "/mass";
/// Ephemerals that are looked for in the end.
const CHECKED: usize = 100;

/// Measures all of it on one server.
pub(super) fn run(
    product: &Product,
    folder: &Path,
    settings: &Settings,
) -> Result<Findings, ScenarioError> {
    let server = Server::start(product, folder)?;
    let target = server.target();
    let mut findings = Findings::default();
    let count = possible_sessions(settings.mass_sessions, target.pid, &mut findings.notes)?;

    thread::sleep(settings.settle);
    let before = resident(target)?;
    let mut idle = Crowd::new(target.address, 1, IDLE_TIMEOUT)?;
    idle.open(count, |_| None)?;
    // Each pings once before it is measured: a server may keep something from it.
    idle.run_until_time(Instant::now() + idle.ping_every())?;
    let (usage, start) = (Usage::now(target)?, Instant::now());
    idle.run_until_time(start + idle.ping_every().max(settings.measure))?;
    let cpu = Usage::now(target)?.since(usage).server_cpu;
    let cpu_ms = cpu.as_secs_f64() * 1000.0 / start.elapsed().as_secs_f64();
    let opened = statistics::count(count as u64);
    let session_bytes = (resident(target)? - before) / opened;
    findings
        .samples
        .push(Sample::plain(LINES[0], session_bytes / 1000.0));
    findings.samples.push(Sample::plain(LINES[1], cpu_ms));

    let expiring = EXPIRING_MAX.min(count / 2);
    idle.close_last(expiring)?;
    let (pinged, expiry) = beside(
        |ended| idle.run_until(|_| ended.load(Ordering::Relaxed)),
        || {
            tree::make(target)?;
            warm_up(target, settings)?;
            expire(target, expiring, settings)
        },
    );
    pinged?;
    findings.samples.extend(expiry?);
    Ok(findings)
}

/// As many as are wanted, or as the system lets this process and the server have.
fn possible_sessions(wanted: usize, server: u32, notes: &mut Vec<String>) -> io::Result<usize> {
    let own = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let limits = fs::read_to_string(format!("/proc/{server}/limits"))?;
    let limit = own.min(open_files(&limits).unwrap_or(u64::MAX));
    let possible = usize::try_from(limit.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX);
    if possible < wanted {
        notes.push(format!(
            "{possible} sessions in mass instead of {wanted}: a process may open {limit} files"
        ));
    }
    Ok(wanted.min(possible))
}

/// The soft limit of open files in `/proc/PID/limits`; `None` when there is none.
fn open_files(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Lets `count` sessions expire at once, each with an ephemeral, while others write.
fn expire(target: Target, count: usize, settings: &Settings) -> Result<Vec<Sample>, ScenarioError> {
    let mut client = Client::connect(target.address)?;
    client.call(&create(PARENT, Bytes::new()))?;
    // The first to expire tells when the server's ticks are.
    let mut scout = Crowd::new(target.address, 2, SHORT_TIMEOUT)?;
    scout.open(1, |_| None)?;
    scout.fall_silent()?;
    let mut crowd = Crowd::new(target.address, 3, SHORT_TIMEOUT)?;

    let scouted = thread::scope(|scope| {
        let scouting = scope.spawn(move || {
            scout.run_until(|scout| !scout.closed().is_empty())?;
            Ok::<_, LoadError>(scout.closed()[0])
        });
        crowd.open(count, |number| Some(ephemeral(number)))?;
        crowd.run_until(|_| scouting.is_finished())?;
        scouting.join().expect("the scout does not panic")
    })?;
    let last_pings = next_tick(scouted, Instant::now() + LEAD) + AFTER_TICK;
    crowd.run_until_time(last_pings - LEAD)?;
    let others = OpenLoop {
        requests: Operation::Set.requests(OTHERS),
        per_second: settings.set_rate.div_ceil(2),
        warm_up: LEAD,
        measure: EXPIRED_WITHIN,
    };
    let (measured, answers, silent) = thread::scope(|scope| {
        let others = scope.spawn(move || others.run_with_answers(target));
        crowd.run_until_time(last_pings)?;
        crowd.fall_silent()?;
        let silent = Instant::now();
        let give_up = last_pings + EXPIRED_WITHIN - MARGIN;
        crowd.run_until(|crowd| crowd.closed().len() == count || Instant::now() >= give_up)?;
        let (measured, answers) = others.join().expect("the load does not panic")?;
        Ok::<_, LoadError>((measured, answers, silent))
    })?;

    let (Some(&first), Some(&last)) = (crowd.closed().first(), crowd.closed().last()) else {
        return Err(ScenarioError::Wrong("no session expired".to_owned()));
    };
    if crowd.closed().len() < count {
        let expired = crowd.closed().len();
        return Err(ScenarioError::Wrong(format!(
            "only {expired} of {count} sessions expired"
        )));
    }
    // The first ping of the last ones was answered a moment before.
    if first + AFTER_TICK < silent + SHORT_TIMEOUT {
        return Err(ScenarioError::Wrong(
            "a session expired too early".to_owned(),
        ));
    }
    check_gone(&mut client, count)?;
    client.close()?;
    let felt = felt(&answers, first - MARGIN, last + MARGIN, &measured);
    let longest_ms = felt.latency.max_us / 1000.0;
    Ok(vec![
        Sample::of(LINES[2], felt, |felt| felt.latency.p99_us / 1000.0)?,
        Sample::plain(LINES[3], longest_ms),
        Sample::plain(LINES[4], (last - first).as_secs_f64() * 1000.0),
    ])
}

/// The first instant from `now` on that is whole ticks after `tick`.
fn next_tick(tick: Instant, now: Instant) -> Instant {
    let mut next = tick;
    while next < now {
        next += TICK;
    }
    next
}

/// What requests between `from` and `to` felt; what they cost is that of the whole run.
fn felt(answers: &[Answer], from: Instant, to: Instant, whole: &Measured) -> Measured {
    let mut recorder = Recorder::default();
    for answer in answers {
        if (from..to).contains(&answer.intended) {
            recorder.answered(answer.latency);
        }
    }
    Measured {
        requests: recorder.answers(),
        seconds: (to - from).as_secs_f64(),
        latency: recorder.latency(),
        ..whole.clone()
    }
}

fn ephemeral_path(number: usize) -> String {
    format!("{PARENT}/ephemeral-{number:06}")
}

fn ephemeral(number: usize) -> Request {
    Request::Create(CreateRequest {
        kind: CreateKind::Create,
        path: ephemeral_path(number),
        data: Some(Bytes::from_static(&[b'x'; 100])),
        acl: Some(Acl::world_anyone_all()),
        flags: 1,
        ttl: 0,
    })
}

fn check_gone(client: &mut Client, count: usize) -> Result<(), ScenarioError> {
    for number in (0..count).step_by((count / CHECKED).max(1)) {
        let path = ephemeral_path(number);
        let exists = Request::Exists(ReadRequest {
            path: path.clone(),
            watch: false,
        });
        match client.call(&exists) {
            Err(LoadError::Refused {
                code: ErrorCode::NoNode,
                ..
            }) => {}
            Ok(()) => {
                return Err(ScenarioError::Wrong(format!("{path} outlived its session")));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_of_open_files_is_read() {
        let limits =
            "Limit       Soft Limit  Hard Limit  Units\nMax open files    1024   20000   files\n";
        assert_eq!(open_files(limits), Some(1024));
        assert_eq!(
            open_files("Max open files  unlimited unlimited files\n"),
            None
        );
    }

    #[test]
    fn the_next_tick_is_whole_ticks_later() {
        let tick = Instant::now();
        assert_eq!(next_tick(tick, tick), tick);
        let now = tick + Duration::from_millis(4001);
        assert_eq!(next_tick(tick, now), tick + Duration::from_secs(6));
    }
}
