//! What a run measures, from the options of the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::growth::series::Series;
use crate::server::products::Product;

/// The options of `bench growth` that say what is measured.
#[derive(Clone, Debug, Args)]
pub struct PlanOptions {
    /// Only this series; may be given several times
    #[arg(long, value_name = "SERIES")]
    only: Vec<Series>,
    /// Leave out points with more znodes
    #[arg(long, default_value_t = ZNODES_MAX, value_parser = clap::value_parser!(u64).range(1000..=ZNODES_MAX), value_name = "N")]
    max_znodes: u64,
    /// How often each point is measured; the median counts
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100), value_name = "N")]
    rounds: u32,
    /// How long each load is measured [default: 3, or 1 with --quick]
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Few, small points, to see that everything runs; not to be trusted
    #[arg(long)]
    quick: bool,
    /// Threads of the load generator
    #[arg(long, default_value_t = 1, value_name = "N")]
    load_threads: usize,
}

/// More have no place below the parents of a spread population.
const ZNODES_MAX: u64 = 10_000_000;

/// Everything that a run needs to know.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The servers.
    pub products: Vec<Product>,
    /// What grows, in the order in which it is measured.
    pub series: Vec<Series>,
    /// How often each point is measured.
    pub rounds: usize,
    /// Of each load.
    pub measure: Duration,
    /// Load before each measurement.
    pub warm_up: Duration,
    /// Load on every process that has just started, which lets a JVM compile what is hot.
    pub first_warm_up: Duration,
    /// How long a server is left alone before its memory is read.
    pub settle: Duration,
    /// Changes of which watchers are told: an even number, which leaves nothing behind.
    pub changes: usize,
    /// Threads of the load generator.
    pub load_threads: usize,
    /// Where to measure.
    pub points: Points,
    /// Files that this process may open, connections included; its servers may open as many.
    pub files_max: u64,
    /// On the disk that is measured; removed in the end.
    pub folder: PathBuf,
}

/// Where each series is measured, from small to large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Points {
    /// Znodes in the tree: whole thousands.
    pub znodes: Vec<u64>,
    /// Connections at work.
    pub connections: Vec<u64>,
    /// Connections that watch one znode.
    pub watchers: Vec<u64>,
    /// Watched znodes.
    pub watches: Vec<u64>,
    /// Children of one znode.
    pub children: Vec<u64>,
}

impl Points {
    fn full() -> Self {
        Self {
            znodes: powers_of_ten(10_000, ZNODES_MAX),
            connections: powers_of_ten(1, 10_000),
            watchers: powers_of_ten(1, 10_000),
            watches: powers_of_ten(1, 100_000),
            children: powers_of_ten(10, 1_000_000),
        }
    }

    fn quick() -> Self {
        Self {
            znodes: powers_of_ten(1000, 10_000),
            connections: powers_of_ten(1, 10),
            watchers: powers_of_ten(1, 10),
            watches: powers_of_ten(100, 1000),
            children: powers_of_ten(10, 100),
        }
    }
}

fn powers_of_ten(first: u64, last: u64) -> Vec<u64> {
    std::iter::successors(Some(first), |point| Some(point * 10))
        .take_while(|&point| point <= last)
        .collect()
}

impl PlanOptions {
    /// The plan for `products`; a process may open `files_max` files.
    pub fn plan(&self, products: Vec<Product>, files_max: u64, folder: PathBuf) -> Plan {
        let quick = self.quick;
        let mut points = if quick {
            Points::quick()
        } else {
            Points::full()
        };
        points.znodes.retain(|&znodes| znodes <= self.max_znodes);
        let wanted = |series: &Series| self.only.is_empty() || self.only.contains(series);
        let seconds =
            |quickly, usually| Duration::from_secs_f64(if quick { quickly } else { usually });
        Plan {
            products,
            series: Series::ALL.into_iter().filter(wanted).collect(),
            rounds: usize::try_from(self.rounds).expect("at most 100"),
            measure: self
                .seconds
                .map_or_else(|| seconds(1.0, 3.0), Duration::from_secs),
            warm_up: seconds(0.2, 1.0),
            first_warm_up: seconds(1.0, 8.0),
            settle: seconds(0.5, 3.0),
            changes: if quick { 4 } else { 20 },
            load_threads: self.load_threads,
            points,
            files_max,
            folder,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_grow_tenfold_up_to_the_last() {
        assert_eq!(powers_of_ten(10, 1000), [10, 100, 1000]);
        assert_eq!(powers_of_ten(10, 999), [10, 100]);
    }
}
