//! What is measured while something grows.

use crate::report::axis::Scale;

/// One measured property of a server at each point of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantity {
    /// In JSON, on the terminal and as the name of its plot.
    pub name: &'static str,
    /// In tables and above its plot, with the unit of its values.
    pub title: &'static str,
    /// How its values stand in a plot; `None` for what stands in the table alone.
    pub plot: Option<Scale>,
}

impl Quantity {
    /// Something that stays within an order of magnitude, drawn from zero on.
    pub const fn linear(name: &'static str, title: &'static str) -> Self {
        Self {
            name,
            title,
            plot: Some(Scale::Linear),
        }
    }

    /// Something that may grow by orders of magnitude.
    pub const fn logarithmic(name: &'static str, title: &'static str) -> Self {
        Self {
            name,
            title,
            plot: Some(Scale::Logarithmic),
        }
    }

    /// The same, in the table alone.
    #[must_use]
    pub const fn unplotted(mut self) -> Self {
        self.plot = None;
        self
    }
}
