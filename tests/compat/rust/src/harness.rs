//! Runs one case, bounded in time, and says how it ended.
//!
//! In: a [`Case`]. Out: its result line. Not here: what a case works with (`scene`).

use std::fmt::{self, Display};
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::scene::Scene;

/// How long one case may take.
const CASE_TIMEOUT: Duration = Duration::from_secs(30);

/// How a case ends.
pub type Outcome = Result<(), Failure>;

/// A case that runs.
pub type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A named check.
pub struct Case {
    pub name: &'static str,
    pub run: fn(Arc<Scene>) -> Running,
}

/// Makes a `Vec<Case>` of async functions; a case's name is its function's, with dashes.
#[macro_export]
macro_rules! cases {
    ($($name:literal => $function:ident),* $(,)?) => {
        /// The cases of this module in the order in which they run.
        pub fn cases() -> Vec<$crate::harness::Case> {
            vec![$($crate::harness::Case { name: $name, run: |scene| Box::pin($function(scene)) }),*]
        }
    };
}

/// Why a case is not ok, and where it noticed.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// A failure at the caller's place.
    #[track_caller]
    pub fn new(reason: impl Display) -> Failure {
        let at = Location::caller();
        Failure(format!("{}:{}: {reason}", at.file(), at.line()))
    }
}

impl<E: std::error::Error> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Failure {
        Failure::new(format!("unexpected error: {error}"))
    }
}

/// Fails unless both are equal.
#[track_caller]
pub fn same<T: PartialEq + fmt::Debug>(what: &str, got: T, wanted: T) -> Outcome {
    if got == wanted {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{what}: expected {wanted:?}, got {got:?}"
    )))
}

/// Fails unless the condition holds.
#[track_caller]
pub fn check(what: &str, condition: bool) -> Outcome {
    if condition {
        Ok(())
    } else {
        Err(Failure::new(format!("not so: {what}")))
    }
}

/// Fails unless the result is this error.
#[track_caller]
pub fn gives<T: fmt::Debug, E: PartialEq + fmt::Debug>(result: Result<T, E>, wanted: E) -> Outcome {
    match result {
        Err(error) if error == wanted => Ok(()),
        other => Err(Failure::new(format!("expected {wanted:?}, got {other:?}"))),
    }
}

/// Runs the case and returns its result line.
pub async fn outcome(case: Case) -> String {
    let scene = Arc::new(Scene::new(case.name));
    // A task of its own, so that a panic in the client's code is this case's affair alone.
    let mut task = tokio::spawn((case.run)(Arc::clone(&scene)));
    let reason = match timeout(CASE_TIMEOUT, &mut task).await {
        Ok(Ok(Ok(()))) => None,
        Ok(Ok(Err(Failure(reason)))) => Some(reason),
        Ok(Err(panicked)) => Some(panicked.to_string()),
        Err(_) => {
            task.abort();
            Some(format!("still running after {} s", CASE_TIMEOUT.as_secs()))
        }
    };
    if let Err(Failure(error)) = scene.control.heal().await {
        eprintln!("healing the server: {error}");
    }
    match reason {
        None => format!("ok {}", case.name),
        Some(reason) => {
            let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("not ok {} # {reason}", case.name)
        }
    }
}
