//! How a case ends: well, failed with a one-line reason, or skipped with one.

use std::fmt::Debug;
use std::panic::Location;

/// Why a case did not pass.
#[derive(Debug)]
pub(crate) enum Stop {
    /// An expectation was not met.
    Failed(String),
    /// The case cannot be put to this server.
    Skipped(String),
}

impl std::fmt::Display for Stop {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Failed(reason) | Self::Skipped(reason)) = self;
        out.write_str(reason)
    }
}

/// What a step of a case gives.
pub(crate) type Outcome<T = ()> = Result<T, Stop>;

impl From<std::io::Error> for Stop {
    #[track_caller]
    fn from(error: std::io::Error) -> Self {
        failed(format!("i/o: {error}"))
    }
}

/// A failure with the place that found it.
#[track_caller]
pub(crate) fn failed(reason: impl Into<String>) -> Stop {
    let place = Location::caller();
    let file = place.file().rsplit('/').next().unwrap_or_default();
    Stop::Failed(format!("{} ({file}:{})", reason.into(), place.line()))
}

/// Checks that `got` is `expected`.
#[track_caller]
#[expect(
    clippy::needless_pass_by_value,
    reason = "plain values on both sides read best"
)]
pub(crate) fn expect<T: PartialEq<U> + Debug, U: Debug>(
    what: &str,
    got: T,
    expected: U,
) -> Outcome {
    if got == expected {
        return Ok(());
    }
    Err(failed(format!(
        "{what}: expected {expected:?}, got {got:?}"
    )))
}

/// Checks that `holds` is true; `what` says what should hold, with the values.
#[track_caller]
pub(crate) fn ensure(holds: bool, what: impl Into<String>) -> Outcome {
    if holds {
        return Ok(());
    }
    Err(failed(format!("expected {}", what.into())))
}
