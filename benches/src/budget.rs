//! Budgets: what treekeeper has to reach on a line of the table.
//!
//! In: our median, ZooKeeper's median and the limit of the machine, all measured in the same run. Out: a [`Verdict`].
//!
//! A line is met at its ratio to ZooKeeper, or at 85 % of the measured limit, whichever is easier to reach: nobody can
//! be asked for more than the machine gives.

use std::fmt;

use serde::Serialize;

/// The share of the machine's limit at which a line is met, whatever its ratio says.
pub const LIMIT_SHARE: f64 = 0.85;

/// What a line asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// At least this many times ZooKeeper's value: for throughput.
    TimesAtLeast(f64),
    /// At most this fraction of ZooKeeper's value: for times.
    FractionAtMost(f64),
    /// At most this value, in the line's unit, whatever ZooKeeper needs: for memory.
    ValueAtMost(f64),
}

/// Whether a line is met, and what decided it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The value that had to be reached, in the line's unit.
    pub goal: f64,
    /// The goal comes from the machine's limit, because the budget lies beyond it.
    pub by_limit: bool,
    /// Our value reached the goal.
    pub met: bool,
}

impl Budget {
    /// Judges `ours`; `None` when the budget is relative and neither `zookeeper` nor `limit` was measured.
    pub fn judge(self, ours: f64, zookeeper: Option<f64>, limit: Option<f64>) -> Option<Verdict> {
        let by_ratio = match self {
            Self::TimesAtLeast(factor) | Self::FractionAtMost(factor) => {
                zookeeper.map(|value| value * factor)
            }
            Self::ValueAtMost(value) => Some(value),
        };
        let by_limit = match self {
            Self::TimesAtLeast(_) => limit.map(|value| value * LIMIT_SHARE),
            Self::FractionAtMost(_) => limit.map(|value| value / LIMIT_SHARE),
            Self::ValueAtMost(_) => None,
        };
        let (goal, by_limit) = match (by_ratio, by_limit) {
            (Some(ratio), Some(limit)) if self.is_easier(limit, ratio) => (limit, true),
            (Some(ratio), _) => (ratio, false),
            // Without ZooKeeper in the run, only 85 % of the limit can prove a line.
            (None, Some(limit)) => (limit, true),
            (None, None) => return None,
        };
        Some(Verdict {
            goal,
            by_limit,
            met: ours == goal || self.is_easier(goal, ours),
        })
    }

    /// Whether `a` is easier to reach than `b`.
    fn is_easier(self, a: f64, b: f64) -> bool {
        match self {
            Self::TimesAtLeast(_) => a < b,
            Self::FractionAtMost(_) | Self::ValueAtMost(_) => a > b,
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimesAtLeast(factor) => write!(f, "≥ {factor}×"),
            Self::FractionAtMost(factor) => write!(f, "≤ 1/{:.0}", 1.0 / factor),
            Self::ValueAtMost(value) => write!(f, "≤ {value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(goal: f64, by_limit: bool, met: bool) -> Option<Verdict> {
        Some(Verdict {
            goal,
            by_limit,
            met,
        })
    }

    #[test]
    fn throughput_is_met_at_its_ratio() {
        let budget = Budget::TimesAtLeast(2.0);
        assert_eq!(
            budget.judge(120.0, Some(60.0), Some(1000.0)),
            verdict(120.0, false, true)
        );
        assert_eq!(
            budget.judge(119.0, Some(60.0), Some(1000.0)),
            verdict(120.0, false, false)
        );
        assert_eq!(
            budget.judge(120.0, Some(60.0), None),
            verdict(120.0, false, true)
        );
    }

    #[test]
    fn throughput_is_met_at_85_percent_of_a_limit_below_its_ratio() {
        let budget = Budget::TimesAtLeast(2.0);
        assert_eq!(
            budget.judge(85.0, Some(60.0), Some(100.0)),
            verdict(85.0, true, true)
        );
        assert_eq!(
            budget.judge(84.0, Some(60.0), Some(100.0)),
            verdict(85.0, true, false)
        );
    }

    #[test]
    fn times_are_met_at_their_fraction_or_near_the_limit() {
        let budget = Budget::FractionAtMost(0.25);
        assert_eq!(
            budget.judge(4.0, Some(16.0), Some(0.85)),
            verdict(4.0, false, true)
        );
        assert_eq!(
            budget.judge(4.1, Some(16.0), Some(0.85)),
            verdict(4.0, false, false)
        );
        assert_eq!(
            budget.judge(10.0, Some(16.0), Some(8.5)),
            verdict(10.0, true, true)
        );
        assert_eq!(
            budget.judge(10.1, Some(16.0), Some(8.5)),
            verdict(10.0, true, false)
        );
    }

    #[test]
    fn absolute_budgets_ask_neither_zookeeper_nor_the_limit() {
        let budget = Budget::ValueAtMost(250.0);
        assert_eq!(budget.judge(250.0, None, None), verdict(250.0, false, true));
        assert_eq!(
            budget.judge(251.0, Some(1900.0), Some(300.0)),
            verdict(250.0, false, false)
        );
    }

    #[test]
    fn a_relative_budget_needs_something_to_relate_to() {
        assert_eq!(Budget::TimesAtLeast(2.0).judge(1.0, None, None), None);
        assert_eq!(
            Budget::TimesAtLeast(2.0).judge(90.0, None, Some(100.0)),
            verdict(85.0, true, true)
        );
    }

    #[test]
    fn budgets_read_as_in_the_table() {
        assert_eq!(Budget::TimesAtLeast(1.5).to_string(), "≥ 1.5×");
        assert_eq!(Budget::FractionAtMost(0.25).to_string(), "≤ 1/4");
        assert_eq!(Budget::ValueAtMost(20.0).to_string(), "≤ 20");
    }
}
