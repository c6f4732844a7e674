//! What goes wrong: links, weather, processes, power and clocks, chosen by the seed.

use std::sync::Arc;
use std::time::Duration;

use openraft::AsyncRuntime;
use openraft_rt_sim::SimRuntime;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};

use crate::history::What;
use crate::member::{crash, start};
use crate::network::Weather;
use crate::time::now;
use crate::world::World;

/// Wall clocks are set wrong by up to so many ms.
const WALL_OFF_MS_MAX: i64 = 3_600_000;
/// Monotonic clocks jump by up to so many ms.
const JUMP_MS_MAX: u64 = 5_000;

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
        match self.rng.random_range(0..100) {
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
            _ => {
                let member = self.a_member();
                let by = Duration::from_millis(self.rng.random_range(1..=JUMP_MS_MAX));
                self.note(format!("the clock of {member} jumps ahead by {by:?}"));
                self.world.place(member).time.jump(by);
            }
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
