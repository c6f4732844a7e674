//! Statistics over rounds: median, spread, ratio.
//!
//! In: one number per round. Out: a [`Summary`]. Not here: what is good or bad (`budget`), latencies within one
//! round (`load::recorder`).

use serde::Serialize;

/// A count, of things or bytes, as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub fn count(count: u64) -> f64 {
    count as f64
}

/// What several rounds of one measurement say together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The middle value; the mean of the two middle ones when their number is even.
    pub median: f64,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
    /// Every value, in the order of the rounds.
    pub rounds: Vec<f64>,
}

impl Summary {
    /// Summarises `rounds`; `None` when there is no value, or one is not a number.
    pub fn of(rounds: &[f64]) -> Option<Self> {
        if rounds.is_empty() || rounds.iter().any(|value| value.is_nan()) {
            return None;
        }
        let mut sorted = rounds.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Self {
            median,
            min: sorted[0],
            max: sorted[sorted.len() - 1],
            rounds: rounds.to_vec(),
        })
    }

    /// How far the rounds lie apart: (max − min) ÷ median; 0 when the median is 0.
    pub fn spread(&self) -> f64 {
        if self.median == 0.0 {
            0.0
        } else {
            (self.max - self.min) / self.median
        }
    }
}

/// `ours` ÷ `theirs`; `None` when `theirs` is 0, so that a failed measurement never looks like a victory.
pub fn ratio(ours: f64, theirs: f64) -> Option<f64> {
    let ratio = ours / theirs;
    ratio.is_finite().then_some(ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_an_odd_number_is_the_middle_value() {
        let summary = Summary::of(&[9.0, 1.0, 5.0]).unwrap();
        assert_eq!((summary.median, summary.min, summary.max), (5.0, 1.0, 9.0));
        assert_eq!(summary.rounds, [9.0, 1.0, 5.0], "rounds keep their order");
    }

    #[test]
    fn median_of_an_even_number_is_the_mean_of_the_middle_two() {
        assert_eq!(Summary::of(&[4.0, 1.0, 2.0, 100.0]).unwrap().median, 3.0);
    }

    #[test]
    fn one_value_is_its_own_median_without_spread() {
        let summary = Summary::of(&[7.0]).unwrap();
        assert_eq!((summary.median, summary.spread()), (7.0, 0.0));
    }

    #[test]
    fn spread_is_relative_to_the_median() {
        assert_eq!(Summary::of(&[8.0, 10.0, 13.0]).unwrap().spread(), 0.5);
        assert_eq!(Summary::of(&[-1.0, 0.0, 1.0]).unwrap().spread(), 0.0);
    }

    #[test]
    fn nothing_measured_has_no_summary() {
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(Summary::of(&[1.0, f64::NAN]), None);
    }

    #[test]
    fn ratio_to_nothing_is_no_ratio() {
        assert_eq!(ratio(6.0, 3.0), Some(2.0));
        assert_eq!(ratio(6.0, 0.0), None);
        assert_eq!(ratio(0.0, 0.0), None);
    }
}
