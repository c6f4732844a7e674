//! The four things that grow.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::growth::quantity::Quantity;
use crate::growth::{children, connections, watches, znodes};

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Series {
    /// Znodes in the tree.
    Znodes,
    /// Connections at work.
    Connections,
    /// Watches.
    Watches,
    /// Children of one znode.
    Children,
}

impl Series {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 4] = [
        Self::Znodes,
        Self::Connections,
        Self::Watches,
        Self::Children,
    ];

    /// On the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Znodes => "znodes",
            Self::Connections => "connections",
            Self::Watches => "watches",
            Self::Children => "children",
        }
    }

    /// The heading of its section, and what the horizontal axis of its plots counts.
    pub fn title(self) -> &'static str {
        match self {
            Self::Znodes => "znodes in the tree",
            Self::Connections => "connections",
            Self::Watches => "watches",
            Self::Children => "children of one znode",
        }
    }

    /// What is measured, in the order in which it is told.
    pub fn quantities(self) -> &'static [Quantity] {
        match self {
            Self::Znodes => znodes::QUANTITIES,
            Self::Connections => connections::QUANTITIES,
            Self::Watches => watches::QUANTITIES,
            Self::Children => children::QUANTITIES,
        }
    }

    /// How it is measured, for who reads the numbers.
    pub fn method(self) -> &'static str {
        match self {
            Self::Znodes => znodes::METHOD,
            Self::Connections => connections::METHOD,
            Self::Watches => watches::METHOD,
            Self::Children => children::METHOD,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_quantity_has_a_name_of_its_own_that_tells_its_series() {
        let mut names = BTreeSet::new();
        for series in Series::ALL {
            for quantity in series.quantities() {
                assert!(names.insert(quantity.name), "{} twice", quantity.name);
                assert!(quantity.name.starts_with(series.name()), "{quantity:?}");
            }
        }
    }

    #[test]
    fn a_series_has_the_same_name_everywhere() {
        for series in Series::ALL {
            let on_the_command_line = series.to_possible_value().unwrap();
            assert_eq!(on_the_command_line.get_name(), series.name());
            assert_eq!(
                serde_json::to_string(&series).unwrap(),
                format!("\"{}\"", series.name())
            );
        }
    }
}
