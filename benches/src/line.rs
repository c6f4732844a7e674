//! The lines of the table: what is compared, in which unit, and what treekeeper has to reach.

use serde::Serialize;

use crate::budget::Budget;
use crate::server::products::EchoReplies;

/// What a value counts, and so how it is written and which direction is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Requests per second.
    PerSecond,
    /// Milliseconds.
    Milliseconds,
    /// 10⁶ bytes.
    Megabytes,
    /// 10³ bytes.
    Kilobytes,
    /// Bytes.
    Bytes,
    /// Milliseconds of a processor's time per second.
    MillisecondsPerSecond,
    /// Hundredths of something.
    Percent,
}

/// What the machine could do at best on a line, measured in the same run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Limit {
    /// The same load on an echo.
    Echo(EchoReplies),
    /// The same load on as many echoes as there are servers, whose writes pass consensus.
    Quorum,
    /// One thread that writes setData requests to a zero-filled file and syncs each group of them.
    Fdatasync {
        /// Requests that share a write and a sync.
        group: u32,
    },
}

/// A line of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// On the command line and in JSON.
    pub name: &'static str,
    /// In the table.
    pub title: &'static str,
    /// Of its values.
    pub unit: Unit,
    /// What treekeeper has to reach, if anything.
    pub budget: Option<Budget>,
    /// The yardstick, if there is one.
    pub limit: Option<Limit>,
    /// The line with whose load the limit is measured, if that has another limit; no server is measured here.
    pub limit_of: Option<&'static str>,
    /// It takes long: measured in the first round only, unless it is asked for by name.
    pub once: bool,
}

const READS: Limit = Limit::Echo(EchoReplies {
    value_bytes: 100,
    children: 100,
    durable: false,
});
const WRITES: Limit = Limit::Echo(EchoReplies {
    value_bytes: 100,
    children: 100,
    durable: true,
});
const LARGE_MIX: Limit = Limit::Echo(EchoReplies {
    value_bytes: 1024,
    children: 100,
    durable: true,
});
const FAN_OUT: Limit = Limit::Echo(EchoReplies {
    value_bytes: 100,
    children: 200,
    durable: true,
});

const fn rate(name: &'static str, title: &'static str, factor: f64, limit: Limit) -> Line {
    Line {
        name,
        title,
        unit: Unit::PerSecond,
        budget: Some(Budget::TimesAtLeast(factor)),
        limit: Some(limit),
        limit_of: None,
        once: false,
    }
}

const fn tail(name: &'static str, title: &'static str, limit: Limit) -> Line {
    Line {
        name,
        title,
        unit: Unit::Milliseconds,
        budget: None,
        limit: Some(limit),
        limit_of: None,
        once: false,
    }
}

/// What reaches the disk with each request.
const fn bytes(name: &'static str, title: &'static str, limit: Limit) -> Line {
    Line {
        unit: Unit::Bytes,
        ..tail(name, title, limit)
    }
}

const fn once(name: &'static str, title: &'static str, unit: Unit) -> Line {
    Line {
        name,
        title,
        unit,
        budget: None,
        limit: None,
        limit_of: None,
        once: true,
    }
}

const fn once_at_most(name: &'static str, title: &'static str, unit: Unit, value: f64) -> Line {
    Line {
        budget: Some(Budget::ValueAtMost(value)),
        ..once(name, title, unit)
    }
}

/// A limit without a server beside it, to read the other lines by.
const fn limit(name: &'static str, title: &'static str, limit: Limit) -> Line {
    Line {
        name,
        title,
        unit: Unit::PerSecond,
        budget: None,
        limit: Some(limit),
        limit_of: None,
        once: false,
    }
}

const fn disk(name: &'static str, title: &'static str, group: u32) -> Line {
    limit(name, title, Limit::Fdatasync { group })
}

/// What else could be the limit of the line `of`.
const fn other_limit(
    name: &'static str,
    title: &'static str,
    of: &'static str,
    other: Limit,
) -> Line {
    Line {
        limit_of: Some(of),
        ..limit(name, title, other)
    }
}

const fn budgeted(name: &'static str, title: &'static str, unit: Unit, budget: Budget) -> Line {
    Line {
        name,
        title,
        unit,
        budget: Some(budget),
        limit: None,
        limit_of: None,
        once: false,
    }
}

/// Every line, in the order of the table.
pub const LINES: &[Line] = &[
    rate("get", "getData, 50 connections, 1 in flight", 2.0, READS),
    rate("get-pipelined", "getData, 50 × 16 in flight", 8.0, READS),
    rate(
        "set-alone",
        "setData, 1 connection",
        1.5,
        Limit::Fdatasync { group: 1 },
    ),
    rate(
        "set",
        "setData, 50 connections, 1 in flight",
        1.5,
        Limit::Quorum,
    ),
    rate(
        "set-pipelined",
        "setData, 50 × 16 in flight",
        4.0,
        Limit::Quorum,
    ),
    bytes(
        "set-bytes",
        "setData, 50 connections, 1 in flight: disk writes each",
        WRITES,
    ),
    bytes(
        "set-pipelined-bytes",
        "setData, 50 × 16 in flight: disk writes each",
        WRITES,
    ),
    rate("mixed", "90 % reads, 1 KB, 50 connections", 2.0, LARGE_MIX),
    rate("list", "getChildren of 100, 8 connections", 4.0, READS),
    rate("multi", "multi of 10 sets, 8 connections", 3.0, WRITES),
    tail("get-tail", "getData at a fixed rate: p99", READS),
    tail("set-tail", "setData at a fixed rate: p99", WRITES),
    rate("create", "create, 50 connections", 1.6, WRITES),
    Line {
        name: "told",
        title: "one change told to 1000 child watchers",
        unit: Unit::Milliseconds,
        budget: Some(Budget::FractionAtMost(0.25)),
        limit: Some(FAN_OUT),
        limit_of: None,
        once: false,
    },
    Line {
        name: "listed",
        title: "those 1000 listing 200 children again",
        unit: Unit::Milliseconds,
        budget: Some(Budget::FractionAtMost(0.25)),
        limit: Some(FAN_OUT),
        limit_of: None,
        once: false,
    },
    budgeted(
        "idle",
        "idle process",
        Unit::Megabytes,
        Budget::ValueAtMost(20.0),
    ),
    budgeted(
        "idle-session",
        "idle session",
        Unit::Kilobytes,
        Budget::ValueAtMost(8.0),
    ),
    budgeted(
        "znodes",
        "memory with 1 M znodes",
        Unit::Megabytes,
        Budget::ValueAtMost(250.0),
    ),
    budgeted(
        "restart",
        "kill -9 with 1 M znodes, to the first write",
        Unit::Milliseconds,
        Budget::FractionAtMost(0.1),
    ),
    budgeted(
        "znodes-64-mb",
        "memory with 1 M znodes, cache of 64 MB",
        Unit::Megabytes,
        Budget::ValueAtMost(190.0),
    ),
    once(
        "get-calm",
        "getData at half the fixed rate: p99",
        Unit::Milliseconds,
    ),
    once(
        "get-disturbed",
        "getData beside large values and lists: p99",
        Unit::Milliseconds,
    ),
    once(
        "set-calm",
        "setData at half the fixed rate: p99",
        Unit::Milliseconds,
    ),
    once(
        "set-disturbed",
        "setData beside large values and lists: p99",
        Unit::Milliseconds,
    ),
    once_at_most(
        "mass-session",
        "one of very many sessions that ping",
        Unit::Kilobytes,
        8.0,
    ),
    once(
        "mass-pings",
        "CPU for the pings of very many sessions",
        Unit::MillisecondsPerSecond,
    ),
    once(
        "mass-expiry-tail",
        "setData while thousands of sessions expire: p99",
        Unit::Milliseconds,
    ),
    once(
        "mass-expiry-longest",
        "setData while thousands of sessions expire: longest",
        Unit::Milliseconds,
    ),
    once(
        "mass-expiry-span",
        "thousands of sessions expire: from the first to the last",
        Unit::Milliseconds,
    ),
    once("watch", "data watch on a path of its own", Unit::Bytes),
    once(
        "watch-shared",
        "data watch on a path that 100 watch",
        Unit::Bytes,
    ),
    once_at_most(
        "znodes-cgroup",
        "memory with 1 M znodes, cache of 64 MB, in a cgroup of 190 MB",
        Unit::Megabytes,
        190.0,
    ),
    once(
        "znodes-cgroup-peak",
        "memory with 1 M znodes in that cgroup: peak",
        Unit::Megabytes,
    ),
    other_limit(
        "echo-set",
        "an echo that syncs: setData, 50 connections, 1 in flight",
        "set",
        WRITES,
    ),
    other_limit(
        "echo-set-pipelined",
        "an echo that syncs: setData, 50 × 16 in flight",
        "set-pipelined",
        WRITES,
    ),
    other_limit(
        "consensus-multi",
        "consensus without a tree: multi of 10 sets, 8 connections",
        "multi",
        Limit::Quorum,
    ),
    other_limit(
        "consensus-create",
        "consensus without a tree: create, 50 connections",
        "create",
        Limit::Quorum,
    ),
    disk("sync-50", "the disk alone: groups of 50 setData", 50),
    disk("sync-800", "the disk alone: groups of 800 setData", 800),
];

const fn ensemble_rate(name: &'static str, title: &'static str, factor: f64) -> Line {
    budgeted(name, title, Unit::PerSecond, Budget::TimesAtLeast(factor))
}

/// Every line for ensembles of three, in the order of their table.
pub const ENSEMBLE_LINES: &[Line] = &[
    rate(
        "set-alone",
        "setData, 1 connection, to a follower",
        1.8,
        Limit::Quorum,
    ),
    rate(
        "set",
        "setData, 50 connections, 1 in flight",
        2.0,
        Limit::Quorum,
    ),
    rate(
        "set-pipelined",
        "setData, 50 × 16 in flight",
        4.0,
        Limit::Quorum,
    ),
    rate("create", "create, 50 connections", 2.0, Limit::Quorum),
    ensemble_rate("get", "getData, 50 connections, 1 in flight", 1.5),
    ensemble_rate("get-pipelined", "getData, 50 × 16 in flight", 6.0),
    ensemble_rate("mixed", "90 % reads, 1 KB, 50 connections", 2.0),
    once_at_most(
        "failover",
        "leader killed with -9, to the first write",
        Unit::Milliseconds,
        300.0,
    ),
    once_at_most(
        "failover-worst",
        "leader killed with -9, to the first write: worst",
        Unit::Milliseconds,
        600.0,
    ),
    once_at_most(
        "stop",
        "leader stopped (SIGTERM): longest time without a write",
        Unit::Milliseconds,
        100.0,
    ),
    once(
        "stop-worst",
        "leader stopped (SIGTERM): longest time without a write: worst",
        Unit::Milliseconds,
    ),
    once(
        "rejoin",
        "follower back after it missed many znodes, until it has the leader's zxid",
        Unit::Milliseconds,
    ),
    once(
        "rejoin-set-without",
        "setData on the leader, 50 connections, before that follower is back",
        Unit::PerSecond,
    ),
    once(
        "rejoin-set",
        "setData on the leader, 50 connections, while it catches up",
        Unit::PerSecond,
    ),
    once("rejoin-share", "that setData in % of before", Unit::Percent),
];

impl Line {
    /// The line called `name`.
    pub fn named(name: &str) -> Option<&'static Self> {
        LINES.iter().find(|line| line.name == name)
    }

    /// The line whose load is put on the limit: this one, unless it is the other limit of another.
    pub fn load(&self) -> &'static str {
        self.limit_of.unwrap_or(self.name)
    }

    /// Whether the budget is made for 1 M znodes and says nothing about fewer.
    pub fn needs_a_million(&self) -> bool {
        self.name.starts_with("znodes") || self.name == "restart"
    }
}

impl Unit {
    /// Writes a value as the table does.
    pub fn format(self, value: f64) -> String {
        match self {
            Self::PerSecond if value >= 1e6 => format!("{:.2} M/s", value / 1e6),
            Self::PerSecond if value >= 1e5 => format!("{:.0} k/s", value / 1e3),
            Self::PerSecond if value >= 1e3 => format!("{:.1} k/s", value / 1e3),
            Self::PerSecond => format!("{value:.0} /s"),
            Self::Milliseconds if value >= 100.0 => format!("{value:.0} ms"),
            Self::Milliseconds => format!("{value:.2} ms"),
            Self::Megabytes => format!("{value:.1} MB"),
            Self::Kilobytes => format!("{value:.1} KB"),
            Self::Bytes => format!("{value:.0} B"),
            Self::MillisecondsPerSecond => format!("{value:.1} ms/s"),
            Self::Percent => format!("{value:.0} %"),
        }
    }
}

/// Those of `lines` whose name is, or begins with, one of `names`, and their other limits; all of them for none.
///
/// # Errors
/// Returns the name that no line has.
pub fn named_or_all(
    lines: &'static [Line],
    names: &[String],
) -> Result<Vec<&'static Line>, String> {
    if let Some(name) = names.iter().find(|name| {
        !lines
            .iter()
            .any(|line| line.name.starts_with(name.as_str()))
    }) {
        return Err(name.clone());
    }
    let is_named = |line: &str, name: &String| {
        if lines.iter().any(|line| line.name == *name) {
            line == *name
        } else {
            line.starts_with(name.as_str())
        }
    };
    let wanted = |line: &&Line| {
        let is_wanted = |name| is_named(line.name, name) || is_named(line.load(), name);
        names.is_empty() || names.iter().any(is_wanted)
    };
    Ok(lines.iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for line in LINES {
            assert_eq!(Line::named(line.name), Some(line));
        }
        assert_eq!(Line::named("absent"), None);
    }

    #[test]
    fn other_limits_belong_to_lines_with_a_limit_of_the_same_unit() {
        for other in LINES {
            let Some(of) = other.limit_of else { continue };
            let line = Line::named(of).unwrap();
            assert_eq!(line.unit, other.unit, "{of}");
            assert!(line.limit.is_some() && line.limit != other.limit, "{of}");
        }
    }

    #[test]
    fn values_are_written_with_three_digits() {
        assert_eq!(Unit::PerSecond.format(64_321.0), "64.3 k/s");
        assert_eq!(Unit::PerSecond.format(116_000.0), "116 k/s");
        assert_eq!(Unit::PerSecond.format(1_604_000.0), "1.60 M/s");
        assert_eq!(Unit::PerSecond.format(812.0), "812 /s");
        assert_eq!(Unit::Milliseconds.format(3.456), "3.46 ms");
        assert_eq!(Unit::Milliseconds.format(3456.0), "3456 ms");
    }

    fn names(given: &[&str]) -> Vec<&'static str> {
        let given: Vec<String> = given.iter().map(|&name| name.to_owned()).collect();
        named_or_all(LINES, &given)
            .unwrap()
            .iter()
            .map(|line| line.name)
            .collect()
    }

    #[test]
    fn lines_are_chosen_by_name_or_by_its_beginning() {
        assert_eq!(names(&[]).len(), LINES.len());
        assert_eq!(names(&["get"]), ["get"], "an exact name is no beginning");
        assert_eq!(
            names(&["set-", "told"]),
            [
                "set-alone",
                "set-pipelined",
                "set-bytes",
                "set-pipelined-bytes",
                "set-tail",
                "told",
                "set-calm",
                "set-disturbed",
                "echo-set-pipelined",
            ]
        );
        assert_eq!(names(&["multi"]), ["multi", "consensus-multi"]);
        assert_eq!(
            names(&["consensus"]),
            ["consensus-multi", "consensus-create"]
        );
        assert_eq!(
            named_or_all(LINES, &["nothing".to_owned()]),
            Err("nothing".to_owned())
        );
    }
}
