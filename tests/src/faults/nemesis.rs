//! What goes wrong, chosen by a seeded generator: one or two faults at a time, and quiet times between them.
//!
//! The choices depend on the seed alone; who leads, and so who is meant, depends on the run.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use tokio::time::{Instant, sleep, sleep_until};

use super::cluster::Cluster;
use super::history::Recorder;
use super::proxy::{Flow, Network};

/// How long a fault lasts, in milliseconds.
const FAULT_MS: std::ops::Range<u64> = 500..6_000;
/// How long nothing goes wrong between faults, in milliseconds.
const QUIET_MS: std::ops::Range<u64> = 500..5_000;
/// How late delayed bytes may be, in milliseconds.
const DELAY_MS: std::ops::Range<u64> = 5..300;
/// The pause between two looks for members that ended by themselves.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Between a member and all others, both ways.
    Around,
    /// From a member to all others.
    From,
    /// From all others to a member.
    To,
    /// Between a member and one other, both ways.
    Between,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Kill,
    KillAll,
    Pause,
    Restart,
    Cut(Shape, Flow),
}

impl Fault {
    fn choose(rng: &mut StdRng) -> Self {
        let shapes = [Shape::Around, Shape::From, Shape::To, Shape::Between];
        match rng.random_range(0..20) {
            0..=3 => Self::Kill,
            4 => Self::KillAll,
            5..=7 => Self::Pause,
            8..=10 => Self::Restart,
            _ => {
                let delay = Duration::from_millis(rng.random_range(DELAY_MS));
                let flow = match rng.random_range(0..6) {
                    0 => Flow::Reset,
                    1 => Flow::Delayed(delay),
                    _ => Flow::Dropped,
                };
                let shape = shapes.choose(rng).copied().unwrap_or(Shape::Around);
                Self::Cut(shape, flow)
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shape, flow) = match self {
            Self::Kill => return f.write_str("kill -9"),
            Self::KillAll => return f.write_str("kill -9 of all"),
            Self::Pause => return f.write_str("pause"),
            Self::Restart => return f.write_str("restart"),
            Self::Cut(shape, flow) => (shape, flow),
        };
        let what = match flow {
            Flow::Open => "open".to_owned(),
            Flow::Dropped => "dropped".to_owned(),
            Flow::Reset => "reset".to_owned(),
            Flow::Delayed(delay) => format!("late by {} ms", delay.as_millis()),
        };
        let shape = match shape {
            Shape::Around => "from and to",
            Shape::From => "from",
            Shape::To => "to",
            Shape::Between => "between one other and",
        };
        write!(f, "bytes {what} {shape}")
    }
}

/// What ends a fault.
#[derive(Debug)]
enum Undo {
    Start(Vec<usize>),
    StartStopped(usize),
    Resume(usize),
    Open,
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
    /// What was done when.
    pub timeline: Vec<String>,
}

impl Nemesis<'_> {
    /// Makes things go wrong for a while; everything runs and nothing is cut afterwards.
    pub async fn run(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        loop {
            let quiet = Duration::from_millis(self.rng.random_range(QUIET_MS));
            self.wait(Instant::now() + quiet).await;
            if Instant::now() >= deadline {
                break;
            }
            let mut active = Vec::new();
            let mut used = BTreeSet::new();
            let mut is_cut = false;
            for _ in 0..self.rng.random_range(1..=2) {
                let fault = Fault::choose(&mut self.rng);
                let aims_at_leader = self.rng.random_bool(0.5);
                let lasts = Duration::from_millis(self.rng.random_range(FAULT_MS));
                let is_possible = match fault {
                    Fault::KillAll => used.is_empty(),
                    Fault::Cut(..) => !is_cut,
                    _ => true,
                };
                if !is_possible {
                    continue;
                }
                is_cut |= matches!(fault, Fault::Cut(..));
                let undo = self.begin(fault, aims_at_leader, lasts, &mut used).await;
                active.extend(undo.map(|undo| (Instant::now() + lasts, undo)));
            }
            active.sort_by_key(|(end, _)| *end);
            for (end, undo) in active {
                self.wait(end).await;
                self.undo(undo).await;
            }
        }
        self.network.heal();
        self.tell("no more faults");
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

    async fn begin(
        &mut self,
        fault: Fault,
        aims_at_leader: bool,
        lasts: Duration,
        used: &mut BTreeSet<usize>,
    ) -> Option<Undo> {
        let ids = self.cluster.ids();
        let leader = self.cluster.leader().await;
        let is_process = !matches!(fault, Fault::Cut(..));
        let candidates: Vec<_> = ids
            .iter()
            .copied()
            .filter(|id| leader.is_none() || (leader == Some(*id)) == aims_at_leader)
            .filter(|id| !is_process || !used.contains(id))
            .collect();
        // One choice each time, so that the next ones do not depend on who leads.
        let choice = self.rng.random_range(0..60_usize);
        let id = *candidates.get(choice % candidates.len().max(1))?;
        let role = if leader == Some(id) {
            "leader"
        } else {
            "member"
        };
        let seconds = lasts.as_secs_f64();
        self.tell(&match fault {
            Fault::KillAll => format!("{fault} for {seconds:.1} s"),
            _ => format!("{fault} of {role} {id} for {seconds:.1} s"),
        });
        if is_process {
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
            Fault::Cut(shape, flow) => {
                let others: Vec<_> = ids.into_iter().filter(|other| *other != id).collect();
                let others = match shape {
                    Shape::Between => vec![others[choice % others.len()]],
                    _ => others,
                };
                for other in others {
                    if shape != Shape::To {
                        self.network.set(id, other, flow);
                    }
                    if shape != Shape::From {
                        self.network.set(other, id, flow);
                    }
                }
                Some(Undo::Open)
            }
        }
    }

    async fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Start(ids) => {
                self.tell(&format!("start of {ids:?}"));
                for id in ids {
                    let started = self.cluster.start_member(id);
                    self.check(started);
                }
            }
            Undo::StartStopped(id) => {
                let stopped = self.cluster.end_stop(id).await;
                self.check(stopped);
                self.tell(&format!("start of {id}, which was stopped"));
                let started = self.cluster.start_member(id);
                self.check(started);
            }
            Undo::Resume(id) => {
                self.cluster.resume(id);
                self.tell(&format!("{id} goes on"));
            }
            Undo::Open => {
                self.network.heal();
                self.tell("the network is whole");
            }
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
    }
}
