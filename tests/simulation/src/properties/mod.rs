//! What the server promises, one promise a file: each looks at the whole history of a run.

mod acknowledged_is_durable;
mod ephemerals;
mod event_before_data;
mod linearizable_writes;
mod members_shown;
mod one_apply;
mod quorum_silence;
mod replies_in_order;
mod same_tree;
#[cfg(test)]
mod scene;
mod strict_reads;
mod zxid_increases;

use std::fmt;

use crate::history::{Record, What};

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub property: &'static str,
    /// How.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.property, self.what)
    }
}

/// A check of one promise: says everything that breaks it.
type Check = fn(&[Record]) -> Vec<String>;

const PROPERTIES: [(&str, Check); 12] = [
    ("nothing_is_broken", nothing_is_broken),
    ("acknowledged_is_durable", acknowledged_is_durable::check),
    ("same_tree", same_tree::check),
    ("zxid_increases", zxid_increases::check),
    ("replies_in_order", replies_in_order::check),
    ("event_before_data", event_before_data::check),
    ("ephemerals", ephemerals::check),
    ("one_apply", one_apply::check),
    ("quorum_silence", quorum_silence::check),
    ("linearizable_writes", linearizable_writes::check),
    ("strict_reads", strict_reads::check),
    ("members_shown", members_shown::check),
];

/// Holds every promise against a history.
#[must_use]
pub fn check_all(records: &[Record]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (property, check) in PROPERTIES {
        let broken = check(records).into_iter();
        violations.extend(broken.map(|what| Violation { property, what }));
    }
    violations
}

/// No member stopped by itself, and all came to rest with the same log.
fn nothing_is_broken(records: &[Record]) -> Vec<String> {
    let broken = records.iter().filter_map(|record| match &record.what {
        What::Broken(what) => Some(what.clone()),
        _ => None,
    });
    broken.collect()
}
