//! The tables for people.

use std::fmt::Write as _;
use std::path::Path;

use crate::comparison::{Comparison, LIMIT, Results};
use crate::load::Measured;
use crate::machine::Machine;
use crate::report::page::{PageError, Section};
use crate::report::table::Table;
use crate::report::{Cell, Row, rows};
use crate::server::products::Product;

/// The section of the documentation that holds the report.
const LINES: Section = Section {
    name: "lines",
    command: r#"make bench ARGS="--write-docs""#,
};
const ENSEMBLE: Section = Section {
    name: "ensemble",
    command: r#"make bench ARGS="ensemble --write-docs""#,
};

/// The whole report, for a terminal.
pub fn render(comparison: &Comparison, machine: &Machine, results: &Results) -> String {
    let mut opening = vec![machine.describe()];
    opening.extend(comparison.products.iter().map(Product::describe));
    report(comparison, machine, results, &opening, Form::Terminal)
}

/// Writes the report into the page of the documentation.
///
/// # Errors
/// When the page cannot be written.
pub fn write(
    page: &Path,
    comparison: &Comparison,
    machine: &Machine,
    results: &Results,
) -> Result<(), PageError> {
    // A page of the documentation tells nobody's folders.
    let opening = [machine.describe_to_others()];
    let text = report(comparison, machine, results, &opening, Form::Page);
    let (section, title) = match comparison.ensemble {
        false => (LINES, "Side by side"),
        true => (ENSEMBLE, "Three servers"),
    };
    section.write(page, &format!("## {title}\n\n{text}"))
}

/// How the report is written.
#[derive(Clone, Copy, Debug)]
enum Form {
    Terminal,
    /// Markdown: an empty line ends a paragraph.
    Page,
}

impl Form {
    fn table(self, table: &Table) -> String {
        match self {
            Self::Terminal => table.to_string(),
            Self::Page => table.markdown(),
        }
    }

    fn after_line(self) -> &'static str {
        match self {
            Self::Terminal => "",
            Self::Page => "\n",
        }
    }
}

fn report(
    comparison: &Comparison,
    machine: &Machine,
    results: &Results,
    opening: &[String],
    form: Form,
) -> String {
    let rows = rows(comparison, results);
    let mut text = String::new();
    let mut say = |line: &str| {
        writeln!(text, "{line}{}", form.after_line()).expect("a string takes any text");
    };
    for line in opening {
        say(line);
    }
    say(&format!(
        "{} rounds; medians, and from–to; ratio is treekeeper ÷ zookeeper; a budget is met at its ratio or at 85 % of the limit (L)",
        comparison.rounds
    ));
    let settings = &comparison.settings;
    let sizes = if comparison.ensemble {
        format!(
            "three servers of each on this machine; {} kills and as many stops of the leader, a follower misses {} znodes",
            settings.kills, settings.znodes
        )
    } else {
        format!(
            "{} znodes, {} idle sessions, {} in mass",
            settings.znodes, settings.idle_sessions, settings.mass_sessions
        )
    };
    say(&format!(
        "each line measured for {:?} after {:?}; {sizes}, {} load thread(s)",
        settings.measure, settings.warm_up, settings.load_threads
    ));
    if machine.is_busy() {
        say("The machine was busy with something else: do not trust absolute values.");
    }
    say("");
    say(&form.table(&verdicts(comparison, &rows)));
    say(&form.table(&costs(&rows)));
    if starved(&rows) {
        say(
            "Requests at a fixed rate left more than 1 ms late (99th percentile): the tails are partly the load generator's.",
        );
    }
    for note in &results.notes {
        say(note);
    }
    for failure in &results.failures {
        say(&format!(
            "FAILED in round {}: {} on {}: {}",
            failure.round,
            failure.lines.join(", "),
            failure.contestant,
            failure.error
        ));
    }
    text
}

fn verdicts(comparison: &Comparison, rows: &[Row<'_>]) -> Table {
    let contestants: Vec<&str> = comparison
        .products
        .iter()
        .map(Product::name)
        .chain(comparison.limits.then_some(LIMIT))
        .collect();
    let mut headings = vec!["workload"];
    headings.extend(&contestants);
    headings.extend(["ratio", "budget", "verdict"]);
    let mut table = Table::new(headings);
    for row in rows {
        let mut cells = vec![row.line.title.to_owned()];
        for contestant in &contestants {
            let cell = row.cells.iter().find(|cell| cell.contestant == *contestant);
            cells.push(cell.map(|cell| value(row, cell)).unwrap_or_default());
        }
        cells.push(
            row.ratio
                .map(|ratio| {
                    if ratio < 0.1 {
                        format!("{ratio:.4}×")
                    } else {
                        format!("{ratio:.2}×")
                    }
                })
                .unwrap_or_default(),
        );
        cells.push(
            row.budget
                .map(|budget| budget.to_string())
                .unwrap_or_default(),
        );
        cells.push(match row.verdict {
            None => String::new(),
            Some(verdict) => {
                let by_limit = if verdict.by_limit { ", L" } else { "" };
                let goal = row.line.unit.format(verdict.goal);
                format!(
                    "{} ({goal}{by_limit})",
                    if verdict.met { "met" } else { "NOT MET" }
                )
            }
        });
        table.row(cells);
    }
    table
}

fn value(row: &Row<'_>, cell: &Cell<'_>) -> String {
    let unit = row.line.unit;
    let summary = &cell.summary;
    match summary.rounds.len() {
        1 => unit.format(summary.median),
        _ => format!(
            "{} ({}–{})",
            unit.format(summary.median),
            bare(&unit.format(summary.min)),
            bare(&unit.format(summary.max))
        ),
    }
}

/// A formatted value without its unit, but with its thousands.
fn bare(value: &str) -> String {
    value
        .trim_end_matches("/s")
        .trim_end_matches(" ms")
        .trim_end_matches("MB")
        .trim_end_matches("KB")
        .trim_end_matches(" B")
        .trim_end_matches(" %")
        .trim_end()
        .to_owned()
}

/// Whether the load generator could not keep its own times.
fn starved(rows: &[Row<'_>]) -> bool {
    let late =
        |cell: &Cell<'_>| cell.median(|measured| measured.sent_late_p99_us.unwrap_or_default());
    rows.iter()
        .flat_map(|row| &row.cells)
        .filter_map(late)
        .any(|late_us| late_us > 1000.0)
}

fn costs(rows: &[Row<'_>]) -> Table {
    let mut table = Table::new([
        "workload",
        "contestant",
        "p50",
        "p99",
        "p99.9",
        "longest wait",
        "longest silence",
        "server CPU/op",
        "disk/op",
        "load's cores",
        "sent late p99",
    ]);
    for row in rows {
        for cell in &row.cells {
            let Some(p50) = cell.median(|measured| measured.latency.p50_us) else {
                continue;
            };
            let ms = |property: fn(&Measured) -> f64| {
                cell.median(property)
                    .map(|value| format!("{:.2} ms", value / 1000.0))
                    .unwrap_or_default()
            };
            let disk = cell.median(|measured| measured.disk_bytes.unwrap_or(f64::NAN));
            let plain = |property: fn(&Measured) -> f64, unit: &str| {
                cell.median(property)
                    .map(|value| format!("{value:.1} {unit}"))
                    .unwrap_or_default()
            };
            let late = cell.samples.iter().any(|sample| {
                sample
                    .measured
                    .as_ref()
                    .is_some_and(|measured| measured.sent_late_p99_us.is_some())
            });
            table.row([
                row.line.title.to_owned(),
                cell.contestant.to_owned(),
                format!("{:.2} ms", p50 / 1000.0),
                ms(|measured| measured.latency.p99_us),
                ms(|measured| measured.latency.p999_us),
                ms(|measured| measured.latency.max_us),
                plain(|measured| measured.longest_silence_ms, "ms"),
                plain(|measured| measured.server_cpu_us, "µs"),
                disk.map(|bytes| format!("{bytes:.0} B"))
                    .unwrap_or_default(),
                plain(|measured| measured.load_cores, ""),
                if late {
                    ms(|measured| measured.sent_late_p99_us.unwrap_or_default())
                } else {
                    String::new()
                },
            ]);
        }
    }
    table
}
