//! What goes wrong, chosen by a seeded generator: one or two faults at a time, and quiet times between them.
//!
//! The choices depend on the seed alone; who leads, and so who is meant, depends on the run. What there is to choose
//! from: `fault`. Changes of the members: `members`. A further kind gets a name in `fault`, and here what begins it and
//! what ends it.

mod fault;
mod members;

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use tokio::time::{Instant, sleep, sleep_until};

pub use fault::Kind;

use super::cluster::Cluster;
use super::history::Recorder;
use super::network::Network;
use super::preload::{Control, Count, Full};
use fault::{Deck, Fault, Shape};
use members::{Changes, Changing};

/// How long a fault lasts, in milliseconds.
const FAULT_MS: std::ops::Range<u64> = 500..6_000;
/// How long nothing goes wrong between faults, in milliseconds.
const QUIET_MS: std::ops::Range<u64> = 300..3_000;
/// The pause between two looks for members that ended by themselves.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a member may take to end because of a fault of its disk that is over.
const END_MAX: Duration = Duration::from_secs(2);
/// How long a rolling restart waits for a member before it goes on; another fault may hold it up.
const BACK_MAX: Duration = Duration::from_secs(10);
/// What a member says last when its disk is full, or fails.
const LAST_WORDS: [&str; 3] = [
    "disk is full",
    "No space left on device",
    "Input/output error",
];

/// What ends a fault.
#[derive(Debug)]
enum Undo {
    Start(Vec<usize>),
    StartStopped(usize),
    Resume(usize),
    Open,
    Clock(usize),
    SlowDisk(usize),
    /// Whose disk, how long its log was, and how much had gone wrong with its disk when the fault began.
    Disk(usize, u64, i64),
    Members(Changes),
    Replace(usize, Changes),
}

impl Undo {
    /// Does it wait for something that may need all members, so that it has to come when nothing else is wrong?
    fn needs_calm(&self) -> bool {
        matches!(self, Self::Members(_) | Self::Replace(..))
    }
}

/// What makes things go wrong.
#[derive(Debug)]
pub struct Nemesis<'a> {
    /// The members.
    pub cluster: &'a mut Cluster,
    /// The ways between them.
    pub network: &'a Network,
    /// Where it is told what is wrong.
    pub recorder: &'a Recorder,
    /// Who chooses.
    pub rng: StdRng,
    /// What can go wrong.
    pub kinds: Vec<Kind>,
    /// Have members been upgraded?
    pub has_upgraded: bool,
    /// What was done when.
    pub timeline: Vec<String>,
}

impl Nemesis<'_> {
    /// Makes things go wrong for a while; everything runs and nothing is cut afterwards.
    pub async fn run(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        let mut deck = Deck::new(&self.kinds, &mut self.rng);
        loop {
            let quiet = Duration::from_millis(self.rng.random_range(QUIET_MS));
            self.wait(Instant::now() + quiet).await;
            if Instant::now() >= deadline {
                break;
            }
            self.round(&mut deck).await;
        }
        self.tell("no more faults");
        if !deck.missed().is_empty() {
            let missed: Vec<_> = deck.missed().iter().map(ToString::to_string).collect();
            self.tell(&format!("too short for: {}", missed.join(", ")));
        }
    }

    /// One or two faults, from their beginning to their end.
    async fn round(&mut self, deck: &mut Deck) {
        let mut active = Vec::new();
        let mut used = BTreeSet::new();
        let mut kinds = Vec::new();
        for _ in 0..self.rng.random_range(1..=2) {
            // Cuts are healed all at once, and a change of members goes on while a member cannot be replaced.
            let excludes = |one: Kind, other: Kind| {
                let same = |group: &[Kind]| group.contains(&one) && group.contains(&other);
                one == other
                    || same(&[Kind::Cut, Kind::Unplug])
                    || same(&[Kind::Members, Kind::Replace])
                    || same(&[Kind::SlowDisk, Kind::FullDisk, Kind::FailedSync])
                    || one.concerns_all() && other.concerns_process()
                    || other.concerns_all() && one.concerns_process()
            };
            let is_possible = |kind: Kind| !kinds.iter().any(|other| excludes(kind, *other));
            let Some(kind) = deck.draw(&mut self.rng, is_possible) else {
                continue;
            };
            kinds.push(kind);
            let fault = Fault::choose(kind, &mut self.rng);
            let aims_at_leader = self.rng.random_bool(0.5);
            let lasts = Duration::from_millis(self.rng.random_range(FAULT_MS));
            let concerns = kind.concerns_process();
            let begun = self.begin(fault, aims_at_leader, lasts, concerns, &mut used);
            let undo = begun.await;
            active.extend(undo.map(|undo| (Instant::now() + lasts, undo)));
        }
        active.sort_by_key(|(end, undo)| (undo.needs_calm(), *end));
        for (end, undo) in active {
            self.wait(end).await;
            self.undo(undo).await;
        }
    }

    fn tell(&mut self, what: &str) {
        let line = format!("{:9.3} s  {what}", self.recorder.now().as_secs_f64());
        println!("{line}");
        self.timeline.push(line);
    }

    /// Waits, and looks for members that end by themselves.
    async fn wait(&mut self, until: Instant) {
        loop {
            for end in self.cluster.unasked_ends() {
                self.tell(&end);
                self.recorder.violation(end);
            }
            let now = Instant::now();
            if now >= until {
                return;
            }
            sleep_until(until.min(now + LOOK_EVERY)).await;
        }
    }

    fn check(&mut self, outcome: Result<(), String>) {
        if let Err(error) = outcome {
            self.tell(&error);
            self.recorder.violation(error);
        }
    }

    fn check_io(&mut self, outcome: io::Result<()>) {
        self.check(outcome.map_err(|error| format!("the fault cannot be made: {error}")));
    }

    /// Changes a member's clock or disk.
    fn set(&mut self, id: usize, set: impl FnOnce(&Control) -> io::Result<()>) {
        let outcome = self.cluster.control(id).map_or(Ok(()), set);
        self.check_io(outcome);
    }

    /// How often a member's disk has failed until now.
    fn failures(&self, id: usize) -> i64 {
        let count = |count| {
            let control = self.cluster.control(id)?;
            control.count(count).ok()
        };
        count(Count::Refused).unwrap_or(0) + count(Count::Failed).unwrap_or(0)
    }

    fn changing(&self, id: usize) -> Changing {
        Changing {
            id,
            participant: self.cluster.line(id, "participant"),
            observer: self.cluster.line(id, "observer"),
        }
    }

    async fn begin(
        &mut self,
        fault: Fault,
        aims_at_leader: bool,
        lasts: Duration,
        concerns_process: bool,
        used: &mut BTreeSet<usize>,
    ) -> Option<Undo> {
        let ids = self.cluster.ids();
        let leader = self.cluster.leader().await;
        let candidates: Vec<_> = ids
            .iter()
            .copied()
            .filter(|id| leader.is_none() || (leader == Some(*id)) == aims_at_leader)
            .filter(|id| !concerns_process || !used.contains(id))
            .collect();
        // One choice each time, so that the next ones do not depend on who leads.
        let choice = self.rng.random_range(0..60_usize);
        let id = *candidates.get(choice % candidates.len().max(1))?;
        let others: Vec<_> = ids.iter().copied().filter(|other| *other != id).collect();
        let other = *others.get(choice % others.len().max(1))?;
        let fault = match fault {
            Fault::Cut(shape, flow) => Fault::Cut(shape, self.network.nearest(flow)),
            fault => fault,
        };
        let role = if leader == Some(id) {
            "leader"
        } else {
            "member"
        };
        let seconds = lasts.as_secs_f64();
        self.tell(&match fault {
            Fault::KillAll => format!("{fault} for {seconds:.1} s"),
            Fault::Rolling | Fault::Upgrade => fault.to_string(),
            Fault::Members => format!("{fault} {role} {id} and {other} for {seconds:.1} s"),
            _ => format!("{fault} of {role} {id} for {seconds:.1} s"),
        });
        if concerns_process {
            used.insert(id);
        }
        match fault {
            Fault::Kill => {
                let killed = self.cluster.kill(id);
                self.check(killed);
                Some(Undo::Start(vec![id]))
            }
            Fault::KillAll => {
                used.extend(&ids);
                for id in &ids {
                    let killed = self.cluster.kill(*id);
                    self.check(killed);
                }
                Some(Undo::Start(ids))
            }
            Fault::Pause => {
                self.cluster.pause(id);
                Some(Undo::Resume(id))
            }
            Fault::Restart => {
                self.cluster.begin_stop(id);
                Some(Undo::StartStopped(id))
            }
            Fault::Rolling | Fault::Upgrade => {
                used.extend(&ids);
                self.roll(fault == Fault::Upgrade).await;
                None
            }
            Fault::Cut(shape, flow) => {
                let others = match shape {
                    Shape::Between => vec![other],
                    _ => others,
                };
                for other in others {
                    if shape != Shape::To {
                        let cut = self.network.set(id, other, flow);
                        self.check_io(cut);
                    }
                    if shape != Shape::From {
                        let cut = self.network.set(other, id, flow);
                        self.check_io(cut);
                    }
                }
                Some(Undo::Open)
            }
            Fault::Unplug => {
                let unplugged = self.network.unplug(id);
                self.check_io(unplugged);
                Some(Undo::Open)
            }
            Fault::Clock { ahead_ms } => {
                self.set(id, |control| control.shift_clock(ahead_ms));
                Some(Undo::Clock(id))
            }
            Fault::SlowDisk { delay } => {
                self.set(id, |control| control.delay_syncs(delay));
                Some(Undo::SlowDisk(id))
            }
            Fault::FullDisk(full) => {
                let (said, failures) = (self.cluster.expect_end(id), self.failures(id));
                self.set(id, |control| control.fill_disk(full));
                Some(Undo::Disk(id, said, failures))
            }
            Fault::FailedSync => {
                let (said, failures) = (self.cluster.expect_end(id), self.failures(id));
                self.set(id, |control| control.fail_syncs(true));
                Some(Undo::Disk(id, said, failures))
            }
            Fault::Members => {
                let (leaving, demoted) = (self.changing(id), self.changing(other));
                let changes = Changes::start(&self.cluster.hosts(), leaving, demoted);
                Some(Undo::Members(changes))
            }
            Fault::Replace => {
                let changes = Changes::leave(&self.cluster.hosts(), self.changing(id));
                Some(Undo::Replace(id, changes))
            }
        }
    }

    fn start(&mut self, id: usize) {
        let started = self.cluster.start_member(id, self.network);
        self.check(started);
    }

    async fn stop(&mut self, id: usize) {
        self.cluster.begin_stop(id);
        let stopped = self.cluster.end_stop(id).await;
        self.check(stopped);
    }

    /// Stops and starts all members, one after another; as those of a newer release if they are upgraded.
    async fn roll(&mut self, upgrades: bool) {
        for id in self.cluster.ids() {
            self.stop(id).await;
            if upgrades {
                self.cluster.upgrade(id);
                self.has_upgraded = true;
            }
            self.start(id);
            let deadline = Instant::now() + BACK_MAX;
            while self.cluster.mode(id).await.is_none() && Instant::now() < deadline {
                sleep(LOOK_EVERY).await;
            }
            self.tell(&format!("{id} was stopped and started"));
        }
    }

    async fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Start(ids) => {
                self.tell(&format!("start of {ids:?}"));
                for id in ids {
                    self.start(id);
                }
            }
            Undo::StartStopped(id) => {
                let stopped = self.cluster.end_stop(id).await;
                self.check(stopped);
                self.tell(&format!("start of {id}, which was stopped"));
                self.start(id);
            }
            Undo::Resume(id) => {
                self.cluster.resume(id);
                self.tell(&format!("{id} goes on"));
            }
            Undo::Open => {
                let healed = self.network.heal();
                self.check_io(healed);
                self.tell("the network is whole");
            }
            Undo::Clock(id) => {
                self.set(id, |control| control.shift_clock(0));
                self.tell(&format!("the clock of {id} is right"));
            }
            Undo::SlowDisk(id) => {
                self.set(id, |control| control.delay_syncs(Duration::ZERO));
                self.tell(&format!("the disk of {id} is fast"));
            }
            Undo::Disk(id, said, before) => self.heal_disk(id, said, before).await,
            Undo::Members(changes) => self.finish(changes).await,
            Undo::Replace(id, changes) => {
                self.finish(changes).await;
                self.stop(id).await;
                let wiped = self.cluster.wipe(id);
                self.check_io(wiped);
                self.start(id);
                self.tell(&format!("{id} joins with an empty folder"));
                let changes = Changes::join(&self.cluster.hosts(), self.changing(id));
                self.finish(changes).await;
            }
        }
    }

    /// Makes a disk right, and starts its member if it has ended.
    async fn heal_disk(&mut self, id: usize, said: u64, before: i64) {
        self.set(id, |control| {
            control.fill_disk(Full::No)?;
            control.fail_syncs(false)
        });
        let failures = self.failures(id) - before;
        let ended = self.cluster.ended_with(id, said, &LAST_WORDS, END_MAX);
        let ended = ended.await;
        let has_ended = !matches!(ended, Ok(false));
        self.check(ended.map(drop));
        let what = if has_ended { "ended" } else { "went on" };
        self.tell(&format!(
            "the disk of {id} is right again; {failures} times it was not, and the member {what}"
        ));
        if has_ended {
            self.start(id);
        }
    }

    /// Waits until the members are as they are to be.
    async fn finish(&mut self, changes: Changes) {
        match changes.finish().await {
            Ok(count) => self.tell(&format!("the members were changed {count} times")),
            Err(error) => self.check(Err(error)),
        }
    }

    /// Waits until the members have been one ensemble for a moment.
    pub async fn settle(&mut self) {
        let whole = self.cluster.whole().await;
        self.check(whole);
        self.wait(Instant::now() + Duration::from_secs(2)).await;
        sleep(LOOK_EVERY).await;
        let whole = self.cluster.whole().await;
        self.check(whole);
        if self.has_upgraded {
            let upgraded = self.cluster.upgraded().await;
            self.check(upgraded);
        }
    }
}
