//! What can go wrong, and what is chosen next.
//!
//! The first kinds to be chosen are all that there are, once each, in an order that the seed decides; after that some
//! come more often than others.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};

use crate::faults::cluster::Cluster;
use crate::faults::network::{Flow, Network};
use crate::faults::preload::Full;

/// How late delayed bytes may be, in milliseconds.
const DELAY_MS: std::ops::Range<u64> = 5..300;
/// How much longer a sync takes on a slow disk, in milliseconds.
const SYNC_MS: std::ops::Range<u64> = 50..2_000;
/// How far a clock jumps: up to an hour, or up to a month.
const MINUTES: std::ops::Range<i64> = 1..60;
const DAYS: std::ops::Range<i64> = 1..30;
const MS_OF_MINUTE: i64 = 60_000;
const MS_OF_DAY: i64 = 24 * 60 * MS_OF_MINUTE;

/// The kinds of what can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Kind {
    /// SIGKILL of a member.
    Kill,
    /// SIGKILL of all members at once.
    KillAll,
    /// SIGSTOP of a member.
    Pause,
    /// SIGTERM of a member, and a start later.
    Restart,
    /// SIGTERM and start of all members, one after another.
    Rolling,
    /// Bytes between members dropped, reset or late; both ways or one.
    Cut,
    /// A member off the network, from its clients too.
    Unplug,
    /// A jump of a member's wall clock, and back.
    Clock,
    /// A disk whose syncs take long.
    SlowDisk,
    /// A disk that is full, then has space again.
    FullDisk,
    /// A disk whose syncs fail.
    FailedSync,
    /// Two members leave and join, or lose and get their votes, again and again.
    Members,
    /// A member leaves, and joins with an empty folder.
    Replace,
    /// SIGTERM of all members, one after another, and a start as one of a newer release; once in a run.
    Upgrade,
}

impl Kind {
    /// How often it comes, in comparison with the others.
    fn weight(self) -> usize {
        match self {
            Self::Cut => 6,
            Self::Kill | Self::Pause => 3,
            Self::Restart | Self::Clock | Self::SlowDisk | Self::FullDisk | Self::Members => 2,
            Self::Upgrade => 0,
            _ => 1,
        }
    }

    /// Can it be here?
    #[must_use]
    pub fn is_there(self, network: &Network, cluster: &Cluster) -> bool {
        let has_preload = cluster
            .ids()
            .iter()
            .all(|id| cluster.control(*id).is_some());
        match self {
            Self::Unplug | Self::Members | Self::Replace => network.is_own(),
            Self::Clock | Self::SlowDisk | Self::FullDisk | Self::FailedSync => has_preload,
            Self::Upgrade => cluster.has_older(),
            _ => true,
        }
    }

    /// Does it start, stop or end a member, so that nothing else may do that?
    pub(super) fn concerns_process(self) -> bool {
        !matches!(
            self,
            Self::Cut | Self::Unplug | Self::Clock | Self::SlowDisk | Self::Members
        )
    }

    /// Does it concern all members' processes?
    pub(super) fn concerns_all(self) -> bool {
        matches!(self, Self::KillAll | Self::Rolling | Self::Upgrade)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_possible_value() {
            Some(value) => f.write_str(value.get_name()),
            None => fmt::Debug::fmt(self, f),
        }
    }
}

/// The kinds that are to come, like cards.
#[derive(Debug)]
pub(super) struct Deck {
    all: Vec<Kind>,
    left: Vec<Kind>,
    missed: BTreeSet<Kind>,
}

impl Deck {
    pub(super) fn new(kinds: &[Kind], rng: &mut StdRng) -> Self {
        let mut left = kinds.to_vec();
        left.shuffle(rng);
        let repeated = |kind: &Kind| std::iter::repeat_n(*kind, kind.weight());
        Self {
            all: kinds.iter().flat_map(repeated).collect(),
            missed: kinds.iter().copied().collect(),
            left,
        }
    }

    /// The next kind that is possible now.
    pub(super) fn draw(
        &mut self,
        rng: &mut StdRng,
        is_possible: impl Fn(Kind) -> bool,
    ) -> Option<Kind> {
        if self.left.is_empty() {
            self.left.clone_from(&self.all);
            self.left.shuffle(rng);
        }
        let place = self.left.iter().rposition(|kind| is_possible(*kind))?;
        let kind = self.left.remove(place);
        self.missed.remove(&kind);
        Some(kind)
    }

    /// The kinds that have not come yet.
    pub(super) fn missed(&self) -> &BTreeSet<Kind> {
        &self.missed
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
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
pub(super) enum Fault {
    Kill,
    KillAll,
    Pause,
    Restart,
    Rolling,
    Cut(Shape, Flow),
    Unplug,
    Clock { ahead_ms: i64 },
    SlowDisk { delay: Duration },
    FullDisk(Full),
    FailedSync,
    Members,
    Replace,
    Upgrade,
}

impl Fault {
    /// Chooses what belongs to a kind.
    pub(super) fn choose(kind: Kind, rng: &mut StdRng) -> Self {
        match kind {
            Kind::Kill => Self::Kill,
            Kind::KillAll => Self::KillAll,
            Kind::Pause => Self::Pause,
            Kind::Restart => Self::Restart,
            Kind::Rolling => Self::Rolling,
            Kind::Cut => {
                let shapes = [Shape::Around, Shape::From, Shape::To, Shape::Between];
                let delay = Duration::from_millis(rng.random_range(DELAY_MS));
                let flow = match rng.random_range(0..6) {
                    0 => Flow::Reset,
                    1 => Flow::Delayed(delay),
                    _ => Flow::Dropped,
                };
                let shape = shapes.choose(rng).copied().unwrap_or(Shape::Around);
                Self::Cut(shape, flow)
            }
            Kind::Unplug => Self::Unplug,
            Kind::Clock => {
                let (days, minutes) = (rng.random_range(DAYS), rng.random_range(MINUTES));
                let far = if rng.random_bool(0.5) {
                    days * MS_OF_DAY
                } else {
                    minutes * MS_OF_MINUTE
                };
                let ahead_ms = if rng.random_bool(0.5) { far } else { -far };
                Self::Clock { ahead_ms }
            }
            Kind::SlowDisk => Self::SlowDisk {
                delay: Duration::from_millis(rng.random_range(SYNC_MS)),
            },
            Kind::FullDisk => {
                let fulls = [Full::ForMore, Full::ForAll];
                Self::FullDisk(fulls.choose(rng).copied().unwrap_or(Full::ForAll))
            }
            Kind::FailedSync => Self::FailedSync,
            Kind::Members => Self::Members,
            Kind::Replace => Self::Replace,
            Kind::Upgrade => Self::Upgrade,
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
            Self::Rolling => return f.write_str("restart of all, one after another"),
            Self::Upgrade => return f.write_str("upgrade of all, one after another"),
            Self::Unplug => return f.write_str("cable drawn"),
            Self::Clock { ahead_ms } => {
                let way = if *ahead_ms < 0 { "back" } else { "ahead" };
                let minutes = ahead_ms.abs() / MS_OF_MINUTE;
                return write!(f, "clock {minutes} minutes {way}");
            }
            Self::SlowDisk { delay } => {
                return write!(f, "disk slower by {} ms a sync", delay.as_millis());
            }
            Self::FullDisk(Full::ForMore) => return f.write_str("disk full for what grows"),
            Self::FullDisk(_) => return f.write_str("disk full"),
            Self::FailedSync => return f.write_str("disk whose syncs fail"),
            Self::Members => return f.write_str("change of members around"),
            Self::Replace => return f.write_str("replacement"),
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

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn every_kind_comes_before_one_comes_again() {
        let kinds = [Kind::Kill, Kind::Cut, Kind::Clock];
        let mut rng = StdRng::seed_from_u64(1);
        let mut deck = Deck::new(&kinds, &mut rng);
        let not_cut = deck.draw(&mut rng, |kind| kind != Kind::Cut);
        assert!(not_cut.is_some_and(|kind| kind != Kind::Cut));
        assert_eq!(deck.missed().len(), 2);
        for _ in 0..2 {
            assert!(deck.draw(&mut rng, |_| true).is_some());
        }
        assert!(deck.missed().is_empty());
        let drawn: Vec<_> = (0..11)
            .filter_map(|_| deck.draw(&mut rng, |_| true))
            .collect();
        assert_eq!(drawn.iter().filter(|kind| **kind == Kind::Cut).count(), 6);
        assert_eq!(deck.draw(&mut rng, |_| false), None);
    }
}
