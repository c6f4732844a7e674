//! What goes to stdout: text for people, JSON for programs.
//!
//! A pipe that is closed early is an error here, not a panic.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};
use treekeeper_client::Stat;

/// The last millisecond of the year 9999, the last one that has a date here.
const DATE_MS_MAX: u64 = 253_402_300_799_999;

/// Prints in one of two ways.
pub(super) struct Output {
    is_json: bool,
}

impl Output {
    pub(super) const fn new(is_json: bool) -> Self {
        Self { is_json }
    }

    /// One line of text, or one JSON value.
    pub(super) fn line(
        &self,
        text: impl FnOnce() -> String,
        json: impl FnOnce() -> Value,
    ) -> io::Result<()> {
        self.bytes(|| text().into_bytes(), json)
    }

    /// Bytes as they are and the end of a line, or one JSON value.
    pub(super) fn bytes(
        &self,
        bytes: impl FnOnce() -> Vec<u8>,
        json: impl FnOnce() -> Value,
    ) -> io::Result<()> {
        let mut line = if self.is_json {
            json().to_string().into_bytes()
        } else {
            bytes()
        };
        line.push(b'\n');
        write(&line)
    }

    /// Any number of lines of text, or one JSON value.
    pub(super) fn lines(&self, lines: &[String], json: impl FnOnce() -> Value) -> io::Result<()> {
        if self.is_json {
            return self.line(String::new, json);
        }
        let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        write(text.as_bytes())
    }
}

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// The lines of a table: columns as wide as their longest cell, under a heading.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let heading: Vec<String> = heading.iter().map(|name| (*name).to_owned()).collect();
    let all = || std::iter::once(&heading).chain(rows);
    let widths: Vec<usize> = (0..heading.len())
        .map(|column| {
            let cells = all().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(widths.iter().copied());
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    all().map(line).collect()
}

/// Data as text if they are text, otherwise in base64; null if there are none.
pub(super) fn data_json(data: Option<&[u8]>) -> Map<String, Value> {
    let mut fields = Map::new();
    match data.map(std::str::from_utf8) {
        None => fields.insert("data".into(), Value::Null),
        Some(Ok(text)) => fields.insert("data".into(), text.into()),
        Some(Err(_)) => fields.insert(
            "dataBase64".into(),
            data.map(|data| BASE64_STANDARD.encode(data)).into(),
        ),
    };
    fields
}

/// A stat with `ZooKeeper`'s names.
pub(super) fn stat_json(stat: &Stat) -> Value {
    json!({
        "czxid": stat.czxid,
        "mzxid": stat.mzxid,
        "pzxid": stat.pzxid,
        "ctime": stat.ctime,
        "mtime": stat.mtime,
        "version": stat.version,
        "cversion": stat.cversion,
        "aversion": stat.aversion,
        "ephemeralOwner": stat.ephemeral_owner,
        "dataLength": stat.data_length,
        "numChildren": stat.num_children,
    })
}

/// A stat with one line for each field.
pub(super) fn stat_text(stat: &Stat) -> String {
    [
        format!("czxid           {:#x}", stat.czxid),
        format!("mzxid           {:#x}", stat.mzxid),
        format!("pzxid           {:#x}", stat.pzxid),
        format!("ctime           {}", date(stat.ctime)),
        format!("mtime           {}", date(stat.mtime)),
        format!("version         {}", stat.version),
        format!("cversion        {}", stat.cversion),
        format!("aversion        {}", stat.aversion),
        format!("ephemeralOwner  {:#x}", stat.ephemeral_owner),
        format!("dataLength      {}", stat.data_length),
        format!("numChildren     {}", stat.num_children),
    ]
    .join("\n")
}

/// Milliseconds since 1970 as a date, or as the number if it is none of this era.
fn date(ms: i64) -> String {
    match u64::try_from(ms) {
        Ok(ms) if ms <= DATE_MS_MAX => {
            humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(ms)).to_string()
        }
        _ => ms.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_are_text_or_base64_or_null() {
        assert_eq!(Value::from(data_json(Some(b"a\n"))), json!({"data": "a\n"}));
        assert_eq!(
            Value::from(data_json(Some(b"\xFF"))),
            json!({"dataBase64": "/w=="})
        );
        assert_eq!(Value::from(data_json(None)), json!({"data": null}));
    }

    #[test]
    fn columns_are_as_wide_as_their_longest_cell() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(
            table(
                &["id", "role"],
                &[row(["1", "observer"]), row(["100", "-"])]
            ),
            ["id   role", "1    observer", "100  -"]
        );
        assert_eq!(table(&["id", "role"], &[]), ["id  role"]);
    }

    #[test]
    fn any_time_can_be_printed() {
        assert_eq!(date(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(date(253_402_300_799_999), "9999-12-31T23:59:59.999Z");
        assert_eq!(date(253_402_300_800_000), "253402300800000");
        assert_eq!(date(i64::MAX), i64::MAX.to_string());
        assert_eq!(date(-1), "-1");
    }
}
