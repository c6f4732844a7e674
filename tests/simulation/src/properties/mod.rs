//! What the server promises, one promise a file: each looks at the whole history of a run.

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

const PROPERTIES: [(&str, Check); 1] = [
    ("nothing is broken", nothing_is_broken),
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
