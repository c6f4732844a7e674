//! What needs a server of its own and takes long: measured in the first round only, unless its lines are asked for.
//!
//! In: a product and a folder. Out: [`Findings`]. Each starts its server as it needs it.

mod confined;
mod disturbance;
mod mass;
mod watches;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::scenario::{Sample, ScenarioError, Settings};
use crate::server::products::Product;

/// Values, and what a reader must know of them.
#[derive(Debug, Default)]
pub struct Findings {
    /// One for each line.
    pub samples: Vec<Sample>,
    /// Sentences for the report.
    pub notes: Vec<String>,
}

/// Runs `step` while `other` goes on on another thread, which is told to end by its flag when `step` has ended. What both
/// gave.
pub(super) fn beside<A: Send, B>(
    other: impl FnOnce(&AtomicBool) -> A + Send,
    step: impl FnOnce() -> B,
) -> (A, B) {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let other = scope.spawn(|| other(&ended));
        let step = step();
        ended.store(true, Ordering::Relaxed);
        (
            other.join().expect("what goes on beside does not panic"),
            step,
        )
    })
}

/// A scenario with a server of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apart {
    /// Small requests beside large ones.
    Disturbance,
    /// Very many sessions that ping, and the expiry of very many.
    Mass,
    /// What a watch takes.
    Watches,
    /// A million znodes in a control group.
    Confined,
}

impl Apart {
    /// All of them, in the order in which they run.
    pub const ALL: [Self; 4] = [Self::Disturbance, Self::Mass, Self::Watches, Self::Confined];

    /// The lines that it fills.
    pub fn lines(self) -> &'static [&'static str] {
        match self {
            Self::Disturbance => &disturbance::LINES,
            Self::Mass => &mass::LINES,
            Self::Watches => &watches::LINES,
            Self::Confined => &confined::LINES,
        }
    }

    /// Starts `product` in `folder` and measures.
    ///
    /// # Errors
    /// When the server or the load fails, or a request is answered with an error.
    pub fn run(
        self,
        product: &Product,
        folder: &Path,
        settings: &Settings,
    ) -> Result<Findings, ScenarioError> {
        match self {
            Self::Disturbance => disturbance::run(product, folder, settings),
            Self::Mass => mass::run(product, folder, settings),
            Self::Watches => watches::run(product, folder, settings),
            Self::Confined => confined::run(product, folder, settings),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::{LINES, Line};

    #[test]
    fn the_lines_that_are_measured_once_are_those_of_these_scenarios() {
        let filled = Apart::ALL.iter().flat_map(|scenario| scenario.lines());
        for name in filled.clone() {
            assert!(Line::named(name).is_some_and(|line| line.once), "{name}");
        }
        for line in LINES.iter().filter(|line| line.once) {
            assert!(
                filled.clone().any(|name| *name == line.name),
                "{}",
                line.name
            );
        }
    }
}
