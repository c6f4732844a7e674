//! All reports as a table: suite × case × server.
//!
//! In: the reports of a run. Out: lines for a terminal, a page for `docs/`, and the three numbers that decide.
//! Not here: how a report came about (`run`).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::case::Outcome;
use super::run::Report;
use super::server::ServerKind;

/// What a run found, ordered so that two runs with the same outcomes print the same.
#[derive(Debug)]
pub struct Matrix {
    servers: Vec<ServerKind>,
    suites: BTreeMap<String, SuiteRows>,
}

#[derive(Debug, Default)]
struct SuiteRows {
    cases: BTreeMap<String, BTreeMap<ServerKind, Outcome>>,
    troubles: Vec<(ServerKind, String)>,
}

/// How many cases ended how; a trouble of a suite counts as a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that failed, and troubles.
    pub failed: usize,
    /// Cases that do not apply.
    pub skipped: usize,
}

impl Matrix {
    /// Collects reports. A case that only some of the servers' reports name is a trouble: it got lost on the way.
    pub fn new(reports: Vec<Report>) -> Matrix {
        let mut servers: Vec<_> = reports.iter().map(|report| report.server).collect();
        servers.sort();
        servers.dedup();
        let mut suites: BTreeMap<String, SuiteRows> = BTreeMap::new();
        for report in reports {
            let rows = suites.entry(report.suite).or_default();
            for (name, outcome) in report.cases {
                rows.cases
                    .entry(name)
                    .or_default()
                    .insert(report.server, outcome);
            }
            rows.troubles.extend(
                report
                    .troubles
                    .into_iter()
                    .map(|trouble| (report.server, trouble)),
            );
        }
        for rows in suites.values_mut() {
            for (name, outcomes) in &rows.cases {
                for server in servers
                    .iter()
                    .filter(|server| !outcomes.contains_key(server))
                {
                    rows.troubles
                        .push((*server, format!("no word about the case {name}")));
                }
            }
        }
        Matrix { servers, suites }
    }

    /// Counts everything.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for rows in self.suites.values() {
            totals.failed += rows.troubles.len();
            for outcome in rows.cases.values().flat_map(BTreeMap::values) {
                match outcome {
                    Outcome::Passed => totals.passed += 1,
                    Outcome::Failed(_) => totals.failed += 1,
                    Outcome::Skipped(_) => totals.skipped += 1,
                }
            }
        }
        totals
    }

    /// The table for a terminal.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        let width = self
            .suites
            .iter()
            .flat_map(|(suite, rows)| {
                rows.cases
                    .keys()
                    .map(move |case| suite.len() + 1 + case.len())
            })
            .max()
            .unwrap_or(0);
        let head: String = self
            .servers
            .iter()
            .map(|server| format!("  {server:<10}"))
            .collect();
        line(&mut out, format!("{:width$}{head}", "").trim_end());
        for (suite, rows) in &self.suites {
            for (case, outcomes) in &rows.cases {
                let cells: String = self
                    .servers
                    .iter()
                    .map(|server| format!("  {:<10}", word(outcomes.get(server))))
                    .collect();
                line(
                    &mut out,
                    format!("{:width$}{cells}", format!("{suite} {case}")).trim_end(),
                );
            }
            for (server, trouble) in &rows.troubles {
                line(
                    &mut out,
                    &format!("{suite} on {server}: TROUBLE: {trouble}"),
                );
            }
        }
        out
    }

    /// The page for `docs/compatibility.md`.
    pub fn to_markdown(&self) -> String {
        let mut out = String::from(PAGE_HEAD);
        line(
            &mut out,
            &self.markdown_row("suite", |server| server.to_string()),
        );
        line(&mut out, &self.markdown_row("---", |_| "---".to_owned()));
        for (suite, rows) in &self.suites {
            line(
                &mut out,
                &self.markdown_row(suite, |server| rows.summary(server)),
            );
        }
        for (suite, rows) in &self.suites {
            line(&mut out, &format!("\n## {suite}\n"));
            line(
                &mut out,
                &self.markdown_row("case", |server| server.to_string()),
            );
            line(&mut out, &self.markdown_row("---", |_| "---".to_owned()));
            for (case, outcomes) in &rows.cases {
                line(
                    &mut out,
                    &self.markdown_row(case, |server| word(outcomes.get(&server)).to_owned()),
                );
            }
            let remarks = rows.remarks();
            if !remarks.is_empty() {
                line(&mut out, &format!("\n{}", remarks.join("\n")));
            }
        }
        out
    }

    fn markdown_row(&self, first: &str, cell: impl Fn(ServerKind) -> String) -> String {
        let cells: String = self
            .servers
            .iter()
            .map(|server| format!(" {} |", cell(*server)))
            .collect();
        format!("| {first} |{cells}")
    }
}

impl SuiteRows {
    fn summary(&self, server: ServerKind) -> String {
        let outcomes: Vec<_> = self
            .cases
            .values()
            .filter_map(|row| row.get(&server))
            .collect();
        let passed = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Outcome::Passed))
            .count();
        let skipped = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Outcome::Skipped(_)))
            .count();
        let mut text = format!("{passed} of {}", outcomes.len() - skipped);
        if self.troubles.iter().any(|(on, _)| *on == server) {
            text.push_str(", **in trouble**");
        }
        text
    }

    /// The reasons of every cell that is not a plain `ok`.
    fn remarks(&self) -> Vec<String> {
        let mut remarks: Vec<_> = self
            .troubles
            .iter()
            .map(|(server, trouble)| format!("- {server}: {trouble}"))
            .collect();
        for (case, outcomes) in &self.cases {
            for (server, outcome) in outcomes {
                if let Outcome::Failed(reason) | Outcome::Skipped(reason) = outcome {
                    remarks.push(format!("- {case} on {server}: {reason}"));
                }
            }
        }
        remarks
    }
}

fn word(outcome: Option<&Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Passed) => "ok",
        Some(Outcome::Failed(_)) => "FAIL",
        Some(Outcome::Skipped(_)) => "skip",
        None => "-",
    }
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("writing to a String cannot fail");
}

const PAGE_HEAD: &str = "\
# Compatibility

What real ZooKeeper clients find when they meet treekeeper, and when they meet Apache ZooKeeper 3.9.5.
`make compat` runs the suites of `tests/compat/`; `compat --server both --write-docs` writes this page.

";

#[cfg(test)]
mod tests {
    use super::*;

    fn report(server: ServerKind, cases: &[(&str, Outcome)], troubles: &[&str]) -> Report {
        Report {
            cases: cases
                .iter()
                .map(|(name, outcome)| ((*name).to_owned(), outcome.clone()))
                .collect(),
            troubles: troubles.iter().map(|text| (*text).to_owned()).collect(),
            ..Report::new("java", server)
        }
    }

    #[test]
    fn both_servers_stand_side_by_side() {
        let matrix = Matrix::new(vec![
            report(
                ServerKind::Treekeeper,
                &[("b", Outcome::Failed("x".into())), ("a", Outcome::Passed)],
                &[],
            ),
            report(
                ServerKind::Zookeeper,
                &[("a", Outcome::Passed), ("b", Outcome::Skipped("y".into()))],
                &[],
            ),
        ]);
        assert_eq!(
            matrix.totals(),
            Totals {
                passed: 2,
                failed: 1,
                skipped: 1
            }
        );
        assert_eq!(
            matrix.to_text(),
            "        zookeeper   treekeeper\njava a  ok          ok\njava b  skip        FAIL\n"
        );
        assert!(matrix.to_markdown().contains("| b | skip | FAIL |"));
        assert!(matrix.to_markdown().contains("| java | 1 of 1 | 1 of 2 |"));
    }

    #[test]
    fn a_case_that_one_server_lost_is_a_failure() {
        let matrix = Matrix::new(vec![
            report(ServerKind::Zookeeper, &[("a", Outcome::Passed)], &[]),
            report(ServerKind::Treekeeper, &[], &["the suite reported no case"]),
        ]);
        assert_eq!(
            matrix.totals(),
            Totals {
                passed: 1,
                failed: 2,
                skipped: 0
            }
        );
    }
}
