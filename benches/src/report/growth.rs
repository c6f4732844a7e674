//! What growth looks like: tables on the terminal, a section of the documentation, plots, and all values as JSON.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::growth::quantity::Quantity;
use crate::growth::results::{Measurement, Results};
use crate::growth::series::Series;
use crate::report::number::compact;
use crate::report::page::Section;
use crate::report::plot::{Plot, PlotLine};
use crate::report::table::Table;
use crate::server::products::{TREEKEEPER, ZOOKEEPER};
use crate::statistics::{count, ratio};

/// Where all values are kept below the folder of the documentation.
pub fn json_path(docs: &Path) -> PathBuf {
    docs.join(FOLDER).join("growth.json")
}

/// Of plots and values, below the folder of the documentation.
const FOLDER: &str = "performance";
/// The page, in the folder of the documentation.
pub const PAGE: &str = "performance.md";
const SECTION: Section = Section {
    name: "growth",
    command: r#"make bench ARGS="growth --write-docs""#,
};

/// Writes plots, values and the section of the page into the folder `docs`.
///
/// # Errors
/// When a file cannot be written, or the markers of the page are not in order.
pub fn write(docs: &Path, results: &Results) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(docs.join(FOLDER))?;
    for (&series, measurement) in &results.series {
        for (quantity, plot) in plots(series, measurement) {
            fs::write(docs.join(plot_path(quantity)), plot.svg()?)?;
        }
    }
    results.write(&json_path(docs))?;
    let page_path = docs.join(PAGE);
    let written = SECTION.write(&page_path, &section(results));
    written.map_err(|error| format!("{}: {error}", page_path.display()))?;
    Ok(())
}

/// The tables for the terminal.
pub fn text(results: &Results) -> String {
    let mut text = String::new();
    for (&series, measurement) in &results.series {
        let mut rows = rows(series, measurement).into_iter();
        let mut table = Table::new(rows.next().unwrap_or_default());
        rows.for_each(|row| table.row(row));
        say(&mut text, &format!("{}\n", series.title()));
        say(&mut text, &table.to_string());
        for note in &measurement.notes {
            say(&mut text, note);
        }
        say(&mut text, "");
    }
    text
}

/// The section for the page.
fn section(results: &Results) -> String {
    let mut text = "## Growth\n\n".to_owned();
    let conditions: Vec<String> = results.series.values().map(conditions).collect();
    let alike = conditions.windows(2).all(|pair| pair[0] == pair[1]);
    if let Some(first) = conditions.first().filter(|_| alike) {
        say(&mut text, &format!("{first}\n"));
    }
    for ((&series, measurement), conditions) in results.series.iter().zip(&conditions) {
        say(&mut text, &format!("### {}\n", capital(series.title())));
        say(&mut text, &format!("{}\n", series.method()));
        if !alike {
            say(&mut text, &format!("{conditions}\n"));
        }
        for (number, row) in rows(series, measurement).into_iter().enumerate() {
            say(&mut text, &format!("| {} |", row.join(" | ")));
            if number == 0 {
                let values = " ---: |".repeat(row.len().saturating_sub(2));
                say(&mut text, &format!("| --- | --- |{values}"));
            }
        }
        say(&mut text, "");
        for note in &measurement.notes {
            say(&mut text, &format!("* {note}"));
        }
        if !measurement.notes.is_empty() {
            say(&mut text, "");
        }
        for (quantity, plot) in plots(series, measurement) {
            let path = plot_path(quantity);
            say(&mut text, &format!("![{}]({})", plot.title, path.display()));
        }
        say(&mut text, "");
    }
    text
}

/// What a reader must know before believing a number.
fn conditions(measurement: &Measurement) -> String {
    let rounds = match measurement.rounds {
        1 => "once".to_owned(),
        rounds => format!("{rounds} times; the medians are shown"),
    };
    let versions: Vec<String> = measurement
        .servers
        .iter()
        .map(|(name, version)| format!("{} {version}", display_name(name)))
        .collect();
    format!(
        "On {}. Each load was measured for {} s, {rounds}. The ratio is treekeeper ÷ ZooKeeper. Versions, as the servers tell \
         them: {}.",
        measurement.machine,
        measurement.seconds,
        versions.join(", ")
    )
}

/// The headings, then for each quantity a row per server and their ratio.
fn rows(series: Series, measurement: &Measurement) -> Vec<Vec<String>> {
    let mut points: Vec<u64> = series
        .quantities()
        .iter()
        .flat_map(|quantity| measurement.points(quantity.name))
        .collect();
    points.sort_unstable();
    points.dedup();
    let mut rows = vec![vec![series.title().to_owned(), String::new()]];
    rows[0].extend(points.iter().map(|&at| compact(count(at))));
    for quantity in series.quantities() {
        let mut title = quantity.title.to_owned();
        let mut add = |name: &str, value: &dyn Fn(u64) -> Option<String>| {
            let values: Vec<String> = points
                .iter()
                .map(|&at| value(at).unwrap_or_default())
                .collect();
            if values.iter().any(|value| !value.is_empty()) {
                let mut row = vec![std::mem::take(&mut title), name.to_owned()];
                row.extend(values);
                rows.push(row);
            }
        };
        let median = |server: &str, at| measurement.median(quantity.name, server, at);
        for server in measurement.servers() {
            add(display_name(server), &|at| {
                Some(compact(median(server, at)?))
            });
        }
        add("ratio", &|at| {
            let ratio = ratio(median(TREEKEEPER, at)?, median(ZOOKEEPER, at)?)?;
            Some(format!("{}×", compact(ratio)))
        });
    }
    rows
}

/// The plots of what was measured.
fn plots(series: Series, measurement: &Measurement) -> Vec<(&'static Quantity, Plot)> {
    let line = |quantity: &Quantity, server: &str| PlotLine {
        name: display_name(server).to_owned(),
        points: measurement
            .medians(quantity.name, server)
            .into_iter()
            .map(|(at, value)| (count(at), value))
            .collect(),
    };
    let servers = measurement.servers();
    series
        .quantities()
        .iter()
        .filter(|quantity| !measurement.points(quantity.name).is_empty())
        .filter_map(|quantity| {
            let plot = Plot {
                title: capital(quantity.title),
                x_title: series.title().to_owned(),
                scale: quantity.plot?,
                lines: servers
                    .iter()
                    .map(|server| line(quantity, server))
                    .collect(),
            };
            Some((quantity, plot))
        })
        .collect()
}

fn plot_path(quantity: &Quantity) -> PathBuf {
    Path::new(FOLDER).join(format!("{}.svg", quantity.name))
}

fn display_name(server: &str) -> &str {
    if server == ZOOKEEPER {
        "ZooKeeper"
    } else {
        server
    }
}

/// The same text with a capital letter, unless it begins with a name in camel case, as operations have.
fn capital(text: &str) -> String {
    let word = text.split([' ', ',']).next().unwrap_or_default();
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if !word.chars().any(char::is_uppercase) => {
            first.to_uppercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

fn say(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a string takes any text");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> Results {
        let mut measurement = Measurement {
            machine: "a machine".to_owned(),
            rounds: 1,
            seconds: 3.0,
            ..Measurement::default()
        };
        measurement.add("connections-get", ZOOKEEPER, 1, 5000.0);
        measurement.add("connections-get", TREEKEEPER, 1, 10_000.0);
        measurement.add("connections-get", TREEKEEPER, 10, 50_000.0);
        measurement.notes.push("zookeeper: FAILED".to_owned());
        Results {
            series: [(Series::Connections, measurement)].into(),
        }
    }

    #[test]
    fn a_table_has_a_row_for_each_server_and_their_ratio() {
        let section = section(&results());
        let expected = "\
| connections |  | 1 | 10 |
| --- | --- | ---: | ---: |
| getData per second | treekeeper | 10\u{a0}k | 50\u{a0}k |
|  | ZooKeeper | 5\u{a0}k |  |
|  | ratio | 2× |  |

* zookeeper: FAILED

![getData per second](performance/connections-get.svg)
";
        assert!(section.contains(expected), "{section}");
        assert_eq!(section.matches("On a machine.").count(), 1, "{section}");
    }

    #[test]
    fn titles_begin_with_a_capital_letter_and_operations_as_they_are_called() {
        assert_eq!(
            capital("memory per znode, bytes"),
            "Memory per znode, bytes"
        );
        assert_eq!(capital("getData, p99"), "getData, p99");
    }

    #[test]
    fn everything_is_written_and_can_be_read_again() {
        let docs = std::env::temp_dir().join(format!("growth-docs-{}", std::process::id()));
        fs::create_dir_all(&docs).unwrap();
        fs::write(docs.join(PAGE), "# Performance\n").unwrap();
        write(&docs, &results()).unwrap();
        let page = fs::read_to_string(docs.join(PAGE)).unwrap();
        assert!(page.starts_with("# Performance\n\n<!-- growth"), "{page}");
        assert_eq!(Results::read(&json_path(&docs)).unwrap(), results());
        let svg = fs::read_to_string(docs.join("performance/connections-get.svg")).unwrap();
        assert!(svg.contains("ZooKeeper"), "{svg}");
        fs::remove_dir_all(&docs).unwrap();
    }
}
