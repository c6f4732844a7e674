//! What goes wrong: links, weather, processes, power and clocks, chosen by the seed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openraft::AsyncRuntime;
use openraft_rt_sim::SimRuntime;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use tokio::sync::oneshot;

use crate::history::What;
use crate::member::{Running, crash, start};
use crate::members::{Change, reconfigure};
use crate::network::Weather;
use crate::time::now;
use crate::world::World;

/// Wall clocks are set wrong by up to so many ms.
const WALL_OFF_MS_MAX: i64 = 3_600_000;
/// Monotonic clocks jump by up to so many ms.
const JUMP_MS_MAX: u64 = 5_000;

/// Members at most that a run ever has.
const MEMBERS_MAX: usize = 12;
/// An ensemble keeps so many voters, and gets no more than so many.
const VOTERS_MIN: usize = 3;
const VOTERS_MAX: usize = 5;

/// Who asked for a change of the members waits no longer for an answer.
const CHANGE_MAX: Duration = Duration::from_secs(5);

/// Makes one thing after another go wrong until the time has come; then everything is well again.
pub(crate) async fn run(world: Arc<World>, seed: u64, until: Duration) {
    let mut nemesis = Nemesis {
        world,
        rng: StdRng::seed_from_u64(!seed),
    };
    while now() < until {
        let calm = nemesis.rng.random_range(50..1500);
        SimRuntime::sleep(Duration::from_millis(calm)).await;
        nemesis.strike().await;
    }
    nemesis.heal().await;
}

struct Nemesis {
    world: Arc<World>,
    rng: StdRng,
}

impl Nemesis {
    fn note(&self, fault: String) {
        self.world.history.note(What::Fault(fault));
    }

    fn members(&mut self) -> Vec<u64> {
        let mut members: Vec<u64> = self.world.member_ids().into_iter().collect();
        members.shuffle(&mut self.rng);
        members
    }

    fn a_member(&mut self) -> u64 {
        self.members()[0]
    }

    /// The leader, as far as a member knows one; any member otherwise.
    fn leader(&mut self) -> u64 {
        let members = self.members();
        let leads = |member: &&u64| {
            let running = self.world.running(**member);
            running.is_some_and(|running| running.raft.is_leader())
        };
        members.iter().find(leads).copied().unwrap_or(members[0])
    }

    async fn strike(&mut self) {
        match self.rng.random_range(0..116) {
            0..12 => {
                let member = self.a_member();
                self.isolate(member, true, true);
            }
            12..22 => {
                let leader = self.leader();
                self.isolate(leader, true, true);
            }
            22..32 => {
                let member = self.a_member();
                let (to, from) = *[(true, false), (false, true)]
                    .choose(&mut self.rng)
                    .expect("there are two");
                self.isolate(member, to, from);
            }
            32..38 => {
                // Everybody hears some, and nobody all.
                let members = self.members();
                let ways: Vec<(u64, u64)> = members
                    .iter()
                    .flat_map(|from| members.iter().map(|to| (*from, *to)))
                    .filter(|(from, to)| from != to && self.rng.random_ratio(1, 3))
                    .collect();
                self.note(format!("cut {ways:?}"));
                self.world.network.cut(ways);
            }
            38..46 => {
                self.note("all links whole".to_owned());
                self.world.network.cut([]);
            }
            46..60 => {
                let weather = Weather {
                    lost: self.rng.random_range(0..200),
                    doubled: self.rng.random_range(0..100),
                    late: self.rng.random_range(0..100),
                    delay_us: self.rng.random_range(50..4000),
                };
                self.note(format!("{weather:?}"));
                self.world.network.set_weather(weather);
            }
            60..64 => {
                self.note("fair weather".to_owned());
                self.world.network.set_weather(Weather::FAIR);
            }
            64..74 => {
                let member = self.a_member();
                self.restart(&[member]).await;
            }
            74..82 => {
                let leader = self.leader();
                self.restart(&[leader]).await;
            }
            82..86 => {
                let members = self.members();
                self.restart(&members).await;
            }
            86..88 => {
                let mut members = self.members();
                members.truncate(2);
                self.restart(&members).await;
            }
            88..95 => {
                let member = self.a_member();
                let off = self.rng.random_range(-WALL_OFF_MS_MAX..=WALL_OFF_MS_MAX);
                self.note(format!("the wall clock of {member} is off by {off} ms"));
                self.world.place(member).time.set_wall(off);
            }
            95..100 => {
                let member = self.a_member();
                let by = Duration::from_millis(self.rng.random_range(1..=JUMP_MS_MAX));
                self.note(format!("the clock of {member} jumps ahead by {by:?}"));
                self.world.place(member).time.jump(by);
            }
            _ => self.change_members(),
        }
    }

    fn isolate(&self, member: u64, to: bool, from: bool) {
        self.note(format!("cut {member} off: to it {to}, from it {from}"));
        let others = self.world.member_ids();
        let others = others.into_iter().filter(|other| *other != member);
        let ways = others.flat_map(|other| {
            let to = to.then_some((other, member));
            let from = from.then_some((member, other));
            [to, from].into_iter().flatten()
        });
        self.world.network.cut(ways);
    }

    /// A member comes or goes, or gets or loses its vote, while other things go wrong; one change at a time.
    fn change_members(&mut self) {
        let members = self.members();
        let leads = |running: &Arc<Running>| running.raft.is_leader();
        let Some(leading) = self.world.all_running().into_iter().find(leads) else {
            return;
        };
        let [voters] = leading.voters().try_into().unwrap_or_default();
        let voters: BTreeSet<u64> = voters;
        let a_voter = members.iter().find(|member| voters.contains(member));
        let an_observer = members.iter().find(|member| !voters.contains(member));
        let may_come = self.world.count() < MEMBERS_MAX && voters.len() < VOTERS_MAX;
        let may_go = voters.len() > VOTERS_MIN;
        let mut change = Change::default();
        let mut comes = false;
        match self.rng.random_range(0..4) {
            0 if may_go => change.leaves = a_voter.copied(),
            1 if may_go => change.observes = a_voter.copied(),
            2 if an_observer.is_some() => change.votes = an_observer.copied(),
            chosen if may_come => {
                comes = true;
                change.leaves = a_voter.copied().filter(|_| chosen % 3 == 0);
            }
            _ => {}
        }
        let changes = comes || change != Change::default();
        if !changes || self.world.changing.swap(true, Ordering::Relaxed) {
            return;
        }
        if comes {
            change.votes = Some(self.world.add_member());
        }
        let stays_up = Duration::from_millis(self.rng.random_range(0..2000));
        let world = Arc::clone(&self.world);
        let _detached = SimRuntime::spawn(async move {
            if let Some(member) = change.votes.filter(|_| comes) {
                start(&world, member).await;
            }
            carry_out(&world, leading, change, stays_up).await;
            world.changing.store(false, Ordering::Relaxed);
        });
    }

    /// Kills members at once, and starts them one after the other.
    async fn restart(&mut self, members: &[u64]) {
        let crashes = members.iter().map(|member| crash(&self.world, *member));
        futures::future::join_all(crashes).await;
        for member in members {
            let down = self.rng.random_range(0..800);
            SimRuntime::sleep(Duration::from_millis(down)).await;
            start(&self.world, *member).await;
        }
    }

    async fn heal(&mut self) {
        self.note("everything is well again".to_owned());
        self.world.network.cut([]);
        self.world.network.set_weather(Weather::FAIR);
    }
}

/// Asks the leader for a change, and sees to the processes of those who come and go.
async fn carry_out(world: &Arc<World>, leading: Arc<Running>, change: Change, stays_up: Duration) {
    let note = |what: &str| {
        let fault = format!("{what} a change of the members: {change:?}");
        world.history.note(What::Fault(fault));
    };
    note("begins");
    let (sender, done) = oneshot::channel();
    let asked = change.clone();
    let life = Arc::clone(&leading.life);
    life.spawn(async move {
        // Nobody waits any more when the run is over.
        let _ = sender.send(reconfigure(leading, asked).await);
    });
    // A leader that was killed answers nothing, nor does one that is a member no more and could not hear that.
    let done = SimRuntime::timeout(CHANGE_MAX, done).await;
    if !matches!(done, Ok(Ok(Some(())))) {
        note("nobody knows what came of");
        return;
    }
    note("done:");
    if let Some(member) = change.leaves {
        SimRuntime::sleep(stays_up).await;
        world.remove_member(member);
        crash(world, member).await;
    }
}
