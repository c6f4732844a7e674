//! The report for programs: everything, each round included.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::budget::Verdict;
use crate::comparison::{Comparison, Failure, Results};
use crate::line::Limit;
use crate::machine::Machine;
use crate::report::rows;
use crate::scenario::{Sample, Settings};
use crate::server::products::Product;
use crate::statistics::Summary;

#[derive(Serialize)]
struct Report<'a> {
    machine: &'a Machine,
    products: Vec<String>,
    settings: &'a Settings,
    ensemble: bool,
    rounds: usize,
    lines: Vec<LineReport<'a>>,
    failures: &'a [Failure],
    notes: &'a [String],
}

#[derive(Serialize)]
struct LineReport<'a> {
    name: &'a str,
    title: &'a str,
    unit: String,
    limit: Option<Limit>,
    limit_of: Option<&'a str>,
    budget: Option<String>,
    ratio: Option<f64>,
    verdict: Option<Verdict>,
    contestants: BTreeMap<&'a str, Contestant<'a>>,
}

#[derive(Serialize)]
struct Contestant<'a> {
    summary: Summary,
    spread: f64,
    samples: &'a [Sample],
}

/// The whole report as JSON.
///
/// # Errors
/// When a value has no JSON, which no measured one has.
pub fn render(
    comparison: &Comparison,
    machine: &Machine,
    results: &Results,
) -> serde_json::Result<String> {
    let lines = rows(comparison, results)
        .into_iter()
        .map(|row| LineReport {
            name: row.line.name,
            title: row.line.title,
            unit: format!("{:?}", row.line.unit),
            limit: row.line.limit,
            limit_of: row.line.limit_of,
            budget: row.budget.map(|budget| budget.to_string()),
            ratio: row.ratio,
            verdict: row.verdict,
            contestants: row
                .cells
                .into_iter()
                .map(|cell| {
                    let spread = cell.summary.spread();
                    (
                        cell.contestant,
                        Contestant {
                            summary: cell.summary,
                            spread,
                            samples: cell.samples,
                        },
                    )
                })
                .collect(),
        })
        .collect();
    let products = comparison.products.iter().map(Product::describe).collect();
    let (settings, rounds) = (&comparison.settings, comparison.rounds);
    let (failures, notes) = (&results.failures, &results.notes);
    serde_json::to_string_pretty(&Report {
        machine,
        products,
        settings,
        ensemble: comparison.ensemble,
        rounds,
        lines,
        failures,
        notes,
    })
}
