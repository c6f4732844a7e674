//! Growth: how each server fares as its tree, its connections, its watches or one directory become larger.
//!
//! In: a [`Plan`]. Out: [`Results`], drawn and written by [`crate::report::growth`]. Each series starts every server on an
//! empty folder and grows it from point to point.
//!
//! * [`series`]: what grows; one file each: [`znodes`], [`connections`], [`watches`], [`children`].
//! * [`quantity`]: what is measured.
//! * [`plan`]: the points, and how long each is measured.
//! * [`stage`]: one series on one server.

pub mod children;
pub mod connections;
pub mod plan;
pub mod quantity;
pub mod results;
pub mod series;
pub mod stage;
pub mod watches;
pub mod znodes;

use std::io;

use crate::growth::plan::Plan;
use crate::growth::results::{Measurement, Results};
use crate::growth::series::Series;
use crate::growth::stage::Stage;
use crate::machine::Machine;

/// What was measured, and whether all of it could be.
#[derive(Debug)]
pub struct Outcome {
    /// The values.
    pub results: Results,
    /// Servers that failed; also among the notes of the results.
    pub failures: usize,
}

impl Plan {
    /// Runs it; `progress` is told a sentence after each value.
    ///
    /// # Errors
    /// When the folder cannot be used. A server that fails is a note among the results.
    pub fn run(&self, machine: &Machine, progress: &mut dyn FnMut(&str)) -> io::Result<Outcome> {
        std::fs::create_dir_all(&self.folder)?;
        let mut outcome = Outcome {
            results: Results::default(),
            failures: 0,
        };
        for &series in &self.series {
            let mut measurement = Measurement {
                machine: machine.describe_to_others(),
                rounds: self.rounds,
                seconds: self.measure.as_secs_f64(),
                ..Measurement::default()
            };
            if machine.is_busy() {
                measurement
                    .notes
                    .push("The machine was busy with something else.".to_owned());
            }
            for round in 1..=self.rounds {
                for turn in 0..self.products.len() {
                    // The order changes, so that nobody always runs after the same other.
                    let product = &self.products[(turn + round) % self.products.len()];
                    let mut stage = Stage {
                        plan: self,
                        product,
                        round,
                        measurement: &mut measurement,
                        progress: &mut *progress,
                    };
                    let ended = match series {
                        Series::Znodes => znodes::run(&mut stage),
                        Series::Connections => connections::run(&mut stage),
                        Series::Watches => watches::run(&mut stage),
                        Series::Children => children::run(&mut stage),
                    };
                    if let Err(error) = ended {
                        outcome.failures += 1;
                        stage.note(&format!("FAILED: {error}"));
                    }
                }
            }
            outcome.results.series.insert(series, measurement);
        }
        std::fs::remove_dir_all(&self.folder)?;
        Ok(outcome)
    }
}
