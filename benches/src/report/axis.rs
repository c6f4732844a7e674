//! Axes of a plot: where a value stands, and which values are written beside it.

use std::ops::Range;

use crate::report::number::compact;

/// How values are spread over an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly, from zero on.
    Linear,
    /// Each power of ten as long as the next. Has no place for zero.
    Logarithmic,
}

/// The part of an axis that its values need. A position is a value, or its logarithm.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    scale: Scale,
    /// First and last position.
    pub range: Range<f64>,
    /// Position and text of each mark.
    pub ticks: Vec<(f64, String)>,
}

/// Marks on a linear axis, zero included, at most.
const LINEAR_TICKS_MAX: f64 = 6.0;

impl Axis {
    /// The axis for `values`; those that have no place on it are left out.
    pub fn new(scale: Scale, values: impl IntoIterator<Item = f64>) -> Self {
        let mut positions = values
            .into_iter()
            .filter_map(|value| position(scale, value));
        let first = positions.next().unwrap_or_default();
        let (low, high) = positions.fold((first, first), |(low, high), position| {
            (low.min(position), high.max(position))
        });
        match scale {
            Scale::Linear => Self::linear(high),
            Scale::Logarithmic => Self::logarithmic(low, high),
        }
    }

    /// The same axis with some room before its first and behind its last position.
    #[must_use]
    pub fn with_margin(mut self, part: f64) -> Self {
        let margin = (self.range.end - self.range.start) * part;
        self.range = self.range.start - margin..self.range.end + margin;
        self
    }

    /// Where `value` stands; `None` when it has no place.
    pub fn position(&self, value: f64) -> Option<f64> {
        position(self.scale, value)
    }

    /// The text of the mark at `position`; empty beside the marks.
    pub fn label(&self, position: f64) -> String {
        let near = (self.range.end - self.range.start) * 1e-6;
        let tick = self
            .ticks
            .iter()
            .find(|(at, _)| (at - position).abs() <= near);
        tick.map(|(_, text)| text.clone()).unwrap_or_default()
    }

    fn linear(high: f64) -> Self {
        let high = if high > 0.0 { high } else { 1.0 };
        let step = round_step(high / (LINEAR_TICKS_MAX - 1.0));
        let ticks: Vec<_> = (0..)
            .map(|number| f64::from(number) * step)
            // The first mark at or above the highest value ends the axis.
            .take_while(|at| *at < high + step * (1.0 - 1e-9))
            .map(|at| (at, compact(at)))
            .collect();
        let end = ticks.last().map_or(high, |(at, _)| *at);
        Self {
            scale: Scale::Linear,
            range: 0.0..end,
            ticks,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the logarithm of an f64 is a small number"
    )]
    fn logarithmic(low: f64, high: f64) -> Self {
        // Rounding must not open another decade behind a power of ten.
        let first = (low + 1e-9).floor() as i32;
        let last = ((high - 1e-9).ceil() as i32).max(first + 1);
        // One decade alone would have no mark between its ends.
        let between: &[f64] = if last - first == 1 {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let ticks = (first..=last)
            .flat_map(|power| between.iter().map(move |digit| digit * 10_f64.powi(power)))
            .map(|value| (value.log10(), compact(value)))
            .filter(|(at, _)| *at <= f64::from(last) + 1e-9)
            .collect();
        Self {
            scale: Scale::Logarithmic,
            range: f64::from(first)..f64::from(last),
            ticks,
        }
    }
}

fn position(scale: Scale, value: f64) -> Option<f64> {
    match scale {
        _ if !value.is_finite() => None,
        Scale::Linear => Some(value),
        Scale::Logarithmic => (value > 0.0).then(|| value.log10()),
    }
}

/// The next of 1, 2, 5, 10, 20, … that is at least `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|digit| digit * power)
        .find(|round| *round >= step * (1.0 - 1e-9))
        .unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn a_linear_axis_begins_at_zero_and_ends_at_a_round_value() {
        let axis = Axis::new(Scale::Linear, [64_000.0, 131_000.0]);
        assert_eq!(axis.range, 0.0..150_000.0);
        assert_eq!(texts(&axis), ["0", "50\u{a0}k", "100\u{a0}k", "150\u{a0}k"]);
        assert_eq!(Axis::new(Scale::Linear, [5.0]).range, 0.0..5.0);
    }

    #[test]
    fn a_logarithmic_axis_has_whole_decades() {
        let axis = Axis::new(Scale::Logarithmic, [0.3, 45.0]);
        assert_eq!(axis.range, -1.0..2.0);
        assert_eq!(texts(&axis), ["0.1", "1", "10", "100"]);
        let powers = Axis::new(Scale::Logarithmic, [1000.0, 10_000.0]);
        assert_eq!(powers.range, 3.0..4.0);
        assert_eq!(
            texts(&powers),
            ["1\u{a0}k", "2\u{a0}k", "5\u{a0}k", "10\u{a0}k"]
        );
    }

    #[test]
    fn a_single_value_has_a_decade() {
        assert_eq!(Axis::new(Scale::Logarithmic, [100.0]).range, 2.0..3.0);
    }

    #[test]
    fn zero_and_less_have_no_place_on_a_logarithmic_axis() {
        let axis = Axis::new(Scale::Logarithmic, [-5.0, 0.0, 20.0, f64::NAN]);
        assert_eq!(axis.range, 1.0..2.0);
        assert_eq!(axis.position(0.0), None);
        assert_eq!(axis.position(100.0), Some(2.0));
        assert_eq!(Axis::new(Scale::Linear, []).range, 0.0..1.0);
    }

    #[test]
    fn only_marks_have_a_text() {
        let axis = Axis::new(Scale::Logarithmic, [1.0, 1000.0]).with_margin(0.1);
        assert_eq!(axis.label(2.0), "100");
        assert_eq!(axis.label(2.5), "");
    }
}
