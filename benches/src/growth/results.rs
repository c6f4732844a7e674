//! What was measured, as it is kept between runs: `growth.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

use serde::{Deserialize, Serialize};

use crate::growth::series::Series;
use crate::server::products::{TREEKEEPER, ZOOKEEPER};
use crate::statistics::Summary;

/// Every series that was measured, in this run or an earlier one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// By what grew.
    pub series: BTreeMap<Series, Measurement>,
}

/// One series of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The machine.
    pub machine: String,
    /// What each server says of its version.
    pub servers: BTreeMap<String, String>,
    /// How often each point was measured.
    pub rounds: usize,
    /// How long each load was measured, in seconds.
    pub seconds: f64,
    /// By quantity, then by server: the values of each point.
    pub values: BTreeMap<String, BTreeMap<String, Points>>,
    /// What a reader must know: points that were left out, servers that failed.
    pub notes: Vec<String>,
}

/// By how far it had grown: one value per round.
pub type Points = BTreeMap<u64, Vec<f64>>;

impl Results {
    /// Reads a file that [`Results::write`] wrote.
    ///
    /// # Errors
    /// When there is none, or it holds something else.
    pub fn read(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }

    /// Writes all values as JSON.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(path, text)
    }

    /// Takes over the series of `older` that were not measured again.
    #[must_use]
    pub fn or(mut self, older: Self) -> Self {
        for (series, measurement) in older.series {
            self.series.entry(series).or_insert(measurement);
        }
        self
    }
}

impl Measurement {
    /// Adds a value of a further round.
    pub fn add(&mut self, quantity: &str, server: &str, at: u64, value: f64) {
        self.values
            .entry(quantity.to_owned())
            .or_default()
            .entry(server.to_owned())
            .or_default()
            .entry(at)
            .or_default()
            .push(value);
    }

    /// The median of the rounds.
    pub fn median(&self, quantity: &str, server: &str, at: u64) -> Option<f64> {
        let values = self.values.get(quantity)?.get(server)?.get(&at)?;
        Some(Summary::of(values)?.median)
    }

    /// The medians of all points.
    pub fn medians(&self, quantity: &str, server: &str) -> Vec<(u64, f64)> {
        self.points(quantity)
            .into_iter()
            .filter_map(|at| Some((at, self.median(quantity, server, at)?)))
            .collect()
    }

    /// Where `quantity` was measured on any server.
    pub fn points(&self, quantity: &str) -> BTreeSet<u64> {
        self.values
            .get(quantity)
            .into_iter()
            .flat_map(BTreeMap::values)
            .flat_map(BTreeMap::keys)
            .copied()
            .collect()
    }

    /// The servers that were measured: treekeeper, Apache ZooKeeper, then all others.
    pub fn servers(&self) -> Vec<&str> {
        let names: BTreeSet<&str> = self
            .values
            .values()
            .flat_map(BTreeMap::keys)
            .map(String::as_str)
            .collect();
        let first = [TREEKEEPER, ZOOKEEPER];
        let others = names.iter().filter(|name| !first.contains(name));
        first
            .iter()
            .filter(|name| names.contains(*name))
            .chain(others)
            .copied()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(rounds: &[f64]) -> Measurement {
        let mut measurement = Measurement::default();
        for &value in rounds {
            measurement.add("znodes-get", ZOOKEEPER, 10_000, value);
            measurement.add("znodes-get", "another", 1000, value);
            measurement.add("znodes-get", TREEKEEPER, 1000, 2.0 * value);
        }
        measurement
    }

    #[test]
    fn the_median_of_the_rounds_counts() {
        let measurement = measurement(&[1.0, 9.0, 2.0]);
        assert_eq!(measurement.medians("znodes-get", TREEKEEPER), [(1000, 4.0)]);
        assert_eq!(measurement.median("znodes-get", TREEKEEPER, 10_000), None);
        assert_eq!(
            measurement.points("znodes-get"),
            BTreeSet::from([1000, 10_000])
        );
    }

    #[test]
    fn treekeeper_and_zookeeper_stand_before_all_others() {
        assert_eq!(
            measurement(&[1.0]).servers(),
            [TREEKEEPER, ZOOKEEPER, "another"]
        );
    }

    #[test]
    fn what_was_not_measured_again_is_kept_and_what_was_is_replaced() {
        let results = |series: &[(Series, f64)]| Results {
            series: series
                .iter()
                .map(|&(series, value)| (series, measurement(&[value])))
                .collect(),
        };
        let older = results(&[(Series::Znodes, 1.0), (Series::Children, 2.0)]);
        let newer = results(&[(Series::Znodes, 3.0)]);
        assert_eq!(
            newer.or(older),
            results(&[(Series::Znodes, 3.0), (Series::Children, 2.0)])
        );
    }

    #[test]
    fn results_are_read_as_they_were_written() {
        let results = Results {
            series: BTreeMap::from([(Series::Watches, measurement(&[0.1, 2.0]))]),
        };
        let text = serde_json::to_string(&results).unwrap();
        assert_eq!(serde_json::from_str::<Results>(&text).unwrap(), results);
    }
}
