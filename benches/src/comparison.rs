//! The comparison: every server in turn, round after round, and the limits of the machine beside them.
//!
//! In: products and lines. Out: [`Results`]. In each round each product starts fresh on an empty folder of the same disk;
//! the order changes from round to round, so that nobody always runs after the same other. Either one server of each
//! product serves, or an ensemble of three.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::limit::fdatasync;
use crate::line::{Limit, Line};
use crate::scenario::apart::{Apart, Findings};
use crate::scenario::ensemble::EnsembleScenario;
use crate::scenario::footprint::Footprint;
use crate::scenario::throughput::{warm_up, warm_up_all};
use crate::scenario::tree::{self, Value};
use crate::scenario::{Sample, Scenario, ScenarioError, Settings};
use crate::server::Server;
use crate::server::ensemble::Ensemble;
use crate::server::products::{Product, SMALL_CACHE, TREEKEEPER};

/// The name under which limits stand among the results.
pub const LIMIT: &str = "limit";

/// What is compared.
#[derive(Debug)]
pub struct Comparison {
    /// The servers.
    pub products: Vec<Product>,
    /// The lines to fill.
    pub lines: Vec<&'static Line>,
    /// The lines were asked for by name: each of them is measured in every round.
    pub lines_named: bool,
    /// How often.
    pub rounds: usize,
    /// How long, how many, how fast.
    pub settings: Settings,
    /// On the disk that is measured; emptied before use and removed in the end.
    pub folder: PathBuf,
    /// Whether the limits are measured too.
    pub limits: bool,
    /// Three servers of each product serve together, instead of one.
    pub ensemble: bool,
}

/// Samples by line and contestant, in the order of the rounds, and what went wrong.
#[derive(Debug, Default)]
pub struct Results {
    /// One sample per round that worked.
    pub samples: BTreeMap<(&'static str, String), Vec<Sample>>,
    /// What did not work.
    pub failures: Vec<Failure>,
    /// What a reader must know of the values, each sentence once.
    pub notes: Vec<String>,
}

/// A scenario that did not end well.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// From 1.
    pub round: usize,
    /// Product or limit.
    pub contestant: String,
    /// The lines that have no value for it.
    pub lines: Vec<&'static str>,
    /// What happened.
    pub error: String,
}

impl Comparison {
    /// Runs it; `progress` is told a sentence after each step.
    ///
    /// # Errors
    /// When the folder cannot be used. A server that fails is a [`Failure`] among the results.
    pub fn run(&self, progress: &mut dyn FnMut(&str)) -> std::io::Result<Results> {
        std::fs::create_dir_all(&self.folder)?;
        let mut results = Results::default();
        for round in 1..=self.rounds {
            let mut run = Round {
                comparison: self,
                round,
                results: &mut results,
                progress: &mut *progress,
            };
            for turn in 0..self.products.len() {
                let product = &self.products[(turn + round) % self.products.len()];
                if self.ensemble {
                    run.measure_ensemble(product);
                } else {
                    run.measure(product);
                }
            }
            if self.limits && self.ensemble {
                run.measure_ensemble_limits();
            } else if self.limits {
                run.measure_limits();
            }
        }
        std::fs::remove_dir_all(&self.folder)?;
        Ok(results)
    }

    fn wants(&self, name: &str) -> bool {
        self.line(name).is_some()
    }

    /// The line called `name`, if it is wanted.
    fn line(&self, name: &str) -> Option<&'static Line> {
        self.lines.iter().copied().find(|line| line.name == name)
    }
}

/// One round in progress.
struct Round<'a> {
    comparison: &'a Comparison,
    round: usize,
    results: &'a mut Results,
    progress: &'a mut dyn FnMut(&str),
}

impl Round<'_> {
    fn measure(&mut self, product: &Product) {
        let scenarios: Vec<Scenario> = Scenario::all()
            .filter(|scenario| {
                scenario
                    .lines()
                    .iter()
                    .any(|line| self.comparison.wants(line))
            })
            .collect();
        let lines: Vec<&'static str> = scenarios
            .iter()
            .flat_map(|scenario| scenario.lines())
            .collect();
        if !scenarios.is_empty()
            && let Some(server) = self.note(product.name(), &lines, |run| run.start_warm(product))
        {
            for scenario in scenarios {
                let settings = &self.comparison.settings;
                let samples = self.note(product.name(), &scenario.lines(), |_| {
                    scenario.run(server.target(), settings)
                });
                self.add(product.name(), samples.unwrap_or_default());
            }
        }

        let wants = |line| self.comparison.wants(line);
        let znodes = wants("znodes").then_some("znodes");
        let sessions = Footprint {
            idle: wants("idle"),
            sessions: wants("idle-session"),
            ..Footprint::default()
        };
        let znodes = Footprint {
            znodes,
            restart: wants("restart"),
            ..Footprint::default()
        };
        let small_cache = Footprint {
            znodes: Some("znodes-64-mb"),
            ..Footprint::default()
        };
        let with_small_cache = wants("znodes-64-mb") && product.name() == TREEKEEPER;
        // Each on a server of its own: memory that sessions needed is not counted for znodes.
        self.measure_footprint(product, sessions);
        self.measure_footprint(product, znodes);
        if with_small_cache {
            self.measure_footprint(&product.clone().with_setting(SMALL_CACHE), small_cache);
        }
        if self.round == 1 || self.comparison.lines_named {
            for scenario in Apart::ALL {
                self.measure_apart(product, scenario);
            }
        }
    }

    fn measure_ensemble(&mut self, product: &Product) {
        let is_wanted = |scenario: &EnsembleScenario| {
            let wanted = |line: &&str| self.comparison.wants(line);
            (self.round == 1 || !scenario.is_once()) && scenario.lines().iter().any(wanted)
        };
        let scenarios = EnsembleScenario::all().filter(is_wanted).collect();
        self.run_on_ensemble(product.name(), product, scenarios);
    }

    fn measure_ensemble_limits(&mut self) {
        let is_limited = |name: &&str| {
            let line = self.comparison.line(name);
            line.is_some_and(|line| line.limit == Some(Limit::Quorum))
        };
        let scenarios = EnsembleScenario::all()
            .filter(|scenario| scenario.lines().iter().any(is_limited))
            .collect();
        self.run_on_ensemble(LIMIT, &Product::quorum(), scenarios);
    }

    fn run_on_ensemble(
        &mut self,
        contestant: &str,
        product: &Product,
        scenarios: Vec<EnsembleScenario>,
    ) {
        let lines: Vec<&'static str> = scenarios
            .iter()
            .flat_map(|scenario| scenario.lines())
            .collect();
        if scenarios.is_empty() {
            return;
        }
        let started = self.note(contestant, &lines, |run| run.start_ensemble_warm(product));
        let Some(mut ensemble) = started else {
            return;
        };
        for scenario in scenarios {
            let settings = &self.comparison.settings;
            let samples = self.note(contestant, &scenario.lines(), |_| {
                scenario.run(&mut ensemble, settings)
            });
            self.add(contestant, samples.unwrap_or_default());
        }
    }

    fn start_ensemble_warm(&self, product: &Product) -> Result<Ensemble, ScenarioError> {
        let mut ensemble = Ensemble::start(product, &self.comparison.folder.join("ensemble"))?;
        let targets = ensemble.targets()?;
        tree::make(targets[0])?;
        ensemble.wait_until_equal()?;
        warm_up_all(&targets, &self.comparison.settings)?;
        Ok(ensemble)
    }

    fn measure_apart(&mut self, product: &Product, scenario: Apart) {
        if !scenario
            .lines()
            .iter()
            .any(|line| self.comparison.wants(line))
        {
            return;
        }
        let findings = self.note(product.name(), scenario.lines(), |run| {
            let folder = run.comparison.folder.join("server");
            scenario.run(product, &folder, &run.comparison.settings)
        });
        let Findings { samples, notes } = findings.unwrap_or_default();
        for note in notes {
            (self.progress)(&note);
            if !self.results.notes.contains(&note) {
                self.results.notes.push(note);
            }
        }
        self.add(product.name(), samples);
    }

    fn start_warm(&self, product: &Product) -> Result<Server, ScenarioError> {
        let server = Server::start(product, &self.comparison.folder.join("server"))?;
        tree::make(server.target())?;
        warm_up(server.target(), &self.comparison.settings)?;
        Ok(server)
    }

    fn measure_footprint(&mut self, product: &Product, footprint: Footprint) {
        let lines = footprint.lines();
        if lines.is_empty() {
            return;
        }
        let samples = self.note(product.name(), &lines, |run| {
            let mut server = Server::start(product, &run.comparison.folder.join("server"))?;
            footprint.run(&mut server, &run.comparison.settings)
        });
        self.add(product.name(), samples.unwrap_or_default());
    }

    fn measure_limits(&mut self) {
        let mut echoes = Vec::new();
        for line in &self.comparison.lines {
            let Some(limit) = line.limit else { continue };
            let echo = match limit {
                Limit::Echo(replies) => Product::echo(replies),
                Limit::Quorum => Product::quorum(),
                Limit::Fdatasync { group } => {
                    let sample =
                        self.note(LIMIT, &[line.name], |run| run.fdatasync(line.name, group));
                    self.add(LIMIT, sample.into_iter().collect());
                    continue;
                }
            };
            if !echoes.iter().any(|(known, _)| *known == limit) {
                echoes.push((limit, echo));
            }
        }
        for (limit, echo) in echoes {
            self.measure_echo(limit, &echo);
        }
    }

    fn measure_echo(&mut self, limit: Limit, echo: &Product) {
        let all = self.comparison.lines.iter().copied();
        let limited: Vec<&'static Line> = all.filter(|line| line.limit == Some(limit)).collect();
        let names = |lines: &[&Line]| lines.iter().map(|line| line.name).collect::<Vec<_>>();
        let started = self.note(LIMIT, &names(&limited), |run| match limit {
            // Its log, like a server's, first makes the files that it then uses again and again.
            Limit::Quorum => run.start_warm(echo),
            _ => Ok(Server::start(echo, &run.comparison.folder.join("echo"))?),
        });
        let Some(server) = started else {
            return;
        };
        for scenario in Scenario::all() {
            let filled = loaded_by(&scenario.lines(), &limited);
            if filled.is_empty() {
                continue;
            }
            let settings = &self.comparison.settings;
            let samples = self.note(LIMIT, &names(&filled), |_| {
                scenario.run(server.target(), settings)
            });
            self.add(LIMIT, of_limits(&samples.unwrap_or_default(), &filled));
        }
    }

    fn fdatasync(&self, line: &'static str, group: u32) -> Result<Sample, ScenarioError> {
        let entry_bytes = Value::Small.sets()[0].len();
        let path = self.comparison.folder.join("fdatasync");
        let value = fdatasync::entries_per_second(
            &path,
            group,
            entry_bytes,
            self.comparison.settings.measure,
        )?;
        Ok(Sample {
            line,
            value,
            measured: None,
        })
    }

    /// Runs a step; a failure is noted and `None` returned.
    fn note<T>(
        &mut self,
        contestant: &str,
        lines: &[&'static str],
        step: impl FnOnce(&Self) -> Result<T, ScenarioError>,
    ) -> Option<T> {
        match step(self) {
            Ok(value) => Some(value),
            Err(error) => {
                let error = error.to_string();
                (self.progress)(&format!(
                    "{}: {contestant}: {}: FAILED: {error}",
                    self.round,
                    lines.join(", ")
                ));
                let (round, contestant, lines) =
                    (self.round, contestant.to_owned(), lines.to_vec());
                self.results.failures.push(Failure {
                    round,
                    contestant,
                    lines,
                    error,
                });
                None
            }
        }
    }

    fn add(&mut self, contestant: &str, samples: Vec<Sample>) {
        for sample in samples {
            let Some(line) = self.comparison.line(sample.line) else {
                continue;
            };
            let unit = line.unit;
            let (round, rounds) = (self.round, self.comparison.rounds);
            let value = unit.format(sample.value);
            (self.progress)(&format!(
                "{round}/{rounds} {contestant:<10} {:<19} {value}",
                sample.line
            ));
            self.results
                .samples
                .entry((sample.line, contestant.to_owned()))
                .or_default()
                .push(sample);
        }
    }
}

/// Those of `lines` whose limit is measured with the load of one of `loads`.
fn loaded_by(loads: &[&str], lines: &[&'static Line]) -> Vec<&'static Line> {
    let is_loaded = |line: &&&'static Line| loads.contains(&line.load());
    lines.iter().filter(is_loaded).copied().collect()
}

/// The samples under the names of the `lines` whose limits they are.
fn of_limits(samples: &[Sample], lines: &[&'static Line]) -> Vec<Sample> {
    let of_lines = |sample: &Sample| -> Vec<Sample> {
        let named = |line: &&Line| Sample {
            line: line.name,
            ..sample.clone()
        };
        let lines = loaded_by(&[sample.line], lines);
        lines.iter().map(named).collect()
    };
    samples.iter().flat_map(of_lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_value_of_the_lines_that_have_its_load() {
        let lines = ["set-bytes", "echo-set", "echo-set-pipelined"];
        let lines: Vec<&'static Line> = lines.iter().flat_map(|name| Line::named(name)).collect();
        let filled = loaded_by(&["set-bytes", "set"], &lines);
        assert_eq!(filled, lines[..2]);

        let sample = |line, value| Sample {
            line,
            value,
            measured: None,
        };
        let measured = [sample("set-bytes", 400.0), sample("set", 7e4)];
        let samples = of_limits(&measured, &filled);
        let values: Vec<_> = samples
            .iter()
            .map(|sample| (sample.line, sample.value))
            .collect();
        assert_eq!(values, [("set-bytes", 400.0), ("echo-set", 7e4)]);
    }
}
