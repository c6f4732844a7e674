//! Fan-out and herd: what happens when a service with many consumers changes.

use crate::load::fan_out::FanOut;
use crate::load::recorder::Recorder;
use crate::load::{Measured, Target};
use crate::scenario::{Sample, ScenarioError, Settings, tree};
use crate::statistics::Summary;

/// Changes before those that count.
const WARM_UP_CHANGES: usize = 10;

/// Measures on `target`, whose tree is made; the values are medians over the changes.
///
/// # Errors
/// When a connection or a request fails.
///
/// # Panics
/// When the settings ask for no change.
pub fn run(target: Target, settings: &Settings) -> Result<Vec<Sample>, ScenarioError> {
    let seen = FanOut {
        parent: tree::FAN_OUT.to_owned(),
        watchers: settings.watchers,
        changes: settings.changes,
        warm_up: WARM_UP_CHANGES,
    }
    .run(target)?;
    let sample = |line, times: &[f64], each: &Recorder| {
        let summary = Summary::of(times).expect("at least one change is made");
        // The cost is that of telling and listing together, for each watcher.
        let measured = Measured::new(each, summary.max, seen.elapsed, seen.usage);
        Sample {
            line,
            value: summary.median,
            measured: Some(measured),
        }
    };
    Ok(vec![
        sample("told", &seen.told_ms, &seen.told),
        sample("listed", &seen.listed_ms, &seen.listed),
    ])
}
