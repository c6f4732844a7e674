//! What is told in the end: per line the medians, the ratio and the verdict; per contestant its tail and its cost.
//!
//! In: the [`Results`] of a comparison. Out: text for people ([`text`]) and JSON for programs ([`json`]). What growth looks
//! like is told by [`growth`].

pub mod axis;
pub mod growth;
pub mod json;
pub mod number;
pub mod page;
pub mod plot;
pub mod table;
pub mod text;

use crate::budget::{Budget, Verdict};
use crate::comparison::{Comparison, LIMIT, Results};
use crate::line::Line;
use crate::load::Measured;
use crate::scenario::Sample;
use crate::server::products::{Product, TREEKEEPER, ZOOKEEPER};
use crate::statistics::{Summary, ratio};

/// Znodes for which the budgets of memory are made.
const MILLION: u64 = 1_000_000;

/// A line with all that was measured for it.
#[derive(Debug)]
pub struct Row<'a> {
    /// The line.
    pub line: &'static Line,
    /// Each product's samples, in the order of the command line, and the limit's last.
    pub cells: Vec<Cell<'a>>,
    /// treekeeper's median ÷ ZooKeeper's.
    pub ratio: Option<f64>,
    /// What has to be reached; `None` when there is no budget, or it is made for more znodes than there were.
    pub budget: Option<Budget>,
    /// Whether it was.
    pub verdict: Option<Verdict>,
}

/// One contestant on one line.
#[derive(Debug)]
pub struct Cell<'a> {
    /// Product or limit.
    pub contestant: &'a str,
    /// Its values.
    pub summary: Summary,
    /// Where they come from.
    pub samples: &'a [Sample],
}

impl Cell<'_> {
    /// The median over the rounds of a property of the requests; `None` where the line is not about requests.
    pub fn median(&self, property: impl Fn(&Measured) -> f64) -> Option<f64> {
        let values: Vec<f64> = self
            .samples
            .iter()
            .filter_map(|sample| sample.measured.as_ref())
            .map(property)
            .collect();
        Summary::of(&values).map(|summary| summary.median)
    }
}

/// Puts the results in the order of the table.
pub fn rows<'a>(comparison: &'a Comparison, results: &'a Results) -> Vec<Row<'a>> {
    let contestants: Vec<&str> = comparison
        .products
        .iter()
        .map(Product::name)
        .chain(comparison.limits.then_some(LIMIT))
        .collect();
    let row = |line: &&'static Line| {
        let cells: Vec<Cell<'a>> = contestants
            .iter()
            .filter_map(|name| cell(results, line, name))
            .collect();
        let median = |name: &str| {
            cells
                .iter()
                .find(|cell| cell.contestant == name)
                .map(|cell| cell.summary.median)
        };
        let (ours, theirs, limit) = (median(TREEKEEPER), median(ZOOKEEPER), median(LIMIT));
        let applies = comparison.settings.znodes >= MILLION || !line.needs_a_million();
        let budget = line.budget.filter(|_| applies);
        Row {
            line,
            ratio: ours
                .zip(theirs)
                .and_then(|(ours, theirs)| ratio(ours, theirs)),
            budget,
            verdict: ours
                .zip(budget)
                .and_then(|(ours, budget)| budget.judge(ours, theirs, limit)),
            cells,
        }
    };
    comparison.lines.iter().map(row).collect()
}

fn cell<'a>(results: &'a Results, line: &Line, contestant: &'a str) -> Option<Cell<'a>> {
    let samples = results.samples.get(&(line.name, contestant.to_owned()))?;
    let values: Vec<f64> = samples.iter().map(|sample| sample.value).collect();
    Summary::of(&values).map(|summary| Cell {
        contestant,
        summary,
        samples,
    })
}
