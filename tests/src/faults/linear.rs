//! Whether the writes and the strict reads of one register are linearizable, by porcupine's search.
//!
//! In: the calls of a run. Out: what cannot be. `check` judges the same history by what versions tell; here nothing is
//! taken from that but which unknown writes need not be looked at: the search tries orders, and knows a znode only as a
//! value with a version. Reads that may be old are not part of it.
//!
//! A call whose outcome is unknown may take effect at any time after its start, so it stays open until the end.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use porcupine_rs::{CheckResult, Model, Operation, check_operations_timeout};

use super::history::{Action, Call, Outcome, Violation};

/// How long the search may take for one register; a register has some thousand calls, which takes well below a second.
const SEARCH_MAX: Duration = Duration::from_secs(30);
/// When nothing happens any more, in nanoseconds: behind all ends, and before that of what stays open.
const END: i64 = i64::MAX - 1;
/// The value of a register that nobody has set.
const INITIAL: usize = usize::MAX;

/// What a call did to a register. Values are told by the place of the call that wrote them.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A set that made this version; the version that it expected fits.
    Set { value: usize, version: i64 },
    /// A set that was refused, as the version was another one.
    Refused { expected: i64 },
    /// A set of which nobody knows, and whose value nobody saw. It made one of the versions that nobody else made, or
    /// did not happen before the end. Those without an expected version are as good as each other, so they are used in
    /// the order of their starts, which `rank` tells.
    Unseen { value: usize, rank: Option<usize> },
    /// A read of the latest.
    Read { value: usize, version: i64 },
    /// What no order allows.
    Impossible,
    /// Behind everything whose end is known.
    End,
}

/// A step and what the unseen sets may have made.
#[derive(Clone, Debug)]
struct Judged {
    step: Step,
    /// The same for all steps of a register: what a step can be depends on it.
    holes: Arc<BTreeSet<i64>>,
    /// The version that a set expected.
    expected: Option<i64>,
}

/// What a register holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Held {
    version: i64,
    value: usize,
    /// Unseen sets that have been used.
    used: usize,
    /// What has not happened by now does not.
    is_over: bool,
}

#[derive(Clone, Debug)]
struct Register;

impl Model for Register {
    type State = Held;
    type Op = Judged;
    type Metadata = ();

    fn init() -> Held {
        Held {
            version: 0,
            value: INITIAL,
            used: 0,
            is_over: false,
        }
    }

    fn step(held: &Held, judged: &Judged) -> (bool, Held) {
        let now = held.version;
        let fits = judged.expected.is_none_or(|expected| expected == now);
        match judged.step {
            Step::Set { value, version } => {
                let next = Held {
                    version,
                    value,
                    ..held.clone()
                };
                (fits && version == now + 1, next)
            }
            Step::Refused { expected } => (expected != now, held.clone()),
            Step::Unseen { .. } if held.is_over => (true, held.clone()),
            Step::Unseen { value, rank } => {
                let is_next = rank.is_none_or(|rank| rank == held.used);
                let is_hole = judged.holes.contains(&(now + 1));
                let next = Held {
                    version: now + 1,
                    value,
                    used: held.used + usize::from(rank.is_some()),
                    is_over: false,
                };
                (fits && is_next && is_hole, next)
            }
            Step::Read { value, version } => (value == held.value && version == now, held.clone()),
            Step::Impossible => (false, held.clone()),
            Step::End => {
                let next = Held {
                    is_over: true,
                    ..held.clone()
                };
                (true, next)
            }
        }
    }
}

/// Checks the calls of one register, which held `initial` at version 0.
#[must_use]
pub fn register(register: usize, initial: &str, calls: &[Call]) -> Vec<Violation> {
    let mut of_it: Vec<_> = calls.iter().filter(|call| is_of(register, call)).collect();
    of_it.sort_by_key(|call| call.start);
    let mut values: HashMap<&str, usize> = HashMap::from([(initial, INITIAL)]);
    for (place, call) in of_it.iter().enumerate() {
        if let Action::Set { value, .. } = &call.action {
            values.insert(value, place);
        }
    }
    // Unknown sets whose value somebody saw.
    let mut seen: HashMap<usize, i64> = HashMap::new();
    let mut highest = 0;
    let mut made = BTreeSet::new();
    for call in &of_it {
        match &call.outcome {
            Outcome::Set(version) => {
                made.insert(*version);
                highest = highest.max(*version);
            }
            Outcome::Read { value, version } => {
                highest = highest.max(*version);
                if let Some(place) = values.get(value.as_str()).filter(|at| **at != INITIAL) {
                    seen.insert(*place, *version);
                    made.insert(*version);
                }
            }
            _ => {}
        }
    }
    // Versions that were seen or passed, and that no set is known to have made.
    let holes: BTreeSet<_> = (1..=highest).filter(|at| !made.contains(at)).collect();
    let holes = Arc::new(holes);
    let mut operations = Vec::new();
    let mut ranks = 0..;
    let mut with_expected = BTreeSet::new();
    for (place, call) in of_it.iter().enumerate() {
        let Some((mut step, is_open)) = step_of(place, call, &values, &seen) else {
            continue;
        };
        let expected = match &call.action {
            Action::Set { expected, .. } => expected.map(i64::from),
            _ => None,
        };
        if let Step::Unseen { rank, .. } = &mut step {
            let can_be = match expected {
                // One for each hole is enough, and the first is the best.
                Some(expected) => holes.contains(&(expected + 1)) && with_expected.insert(expected),
                None => !holes.is_empty(),
            };
            if !can_be {
                continue;
            }
            if expected.is_none() {
                *rank = ranks.next();
            }
        }
        let op = Judged {
            step,
            holes: Arc::clone(&holes),
            expected,
        };
        let returned = if is_open { i64::MAX } else { nanos(call.end) };
        operations.push(operation(nanos(call.start), returned, op));
    }
    let end = Judged {
        step: Step::End,
        holes,
        expected: None,
    };
    operations.push(operation(END, END, end));
    let count = operations.len();
    let what = match check_operations_timeout(&operations, SEARCH_MAX) {
        CheckResult::Ok => return Vec::new(),
        CheckResult::Illegal => {
            format!("no order of the {count} calls of register {register} explains what they saw")
        }
        CheckResult::Unknown => format!(
            "{SEARCH_MAX:?} are too short to find an order of the {count} calls of register {register}: take more registers, or shorter phases"
        ),
    };
    vec![Violation::new(what, &[])]
}

fn operation(call_time: i64, return_time: i64, op: Judged) -> Operation<Register> {
    Operation {
        client_id: None,
        call_time,
        return_time,
        op,
        metadata: None,
    }
}

fn is_of(register: usize, call: &Call) -> bool {
    match &call.action {
        Action::Set { register: of, .. } | Action::Read { register: of, .. } => *of == register,
        _ => false,
    }
}

/// What a call is to the search, and whether it may take effect after its end; none if it says nothing.
fn step_of(
    place: usize,
    call: &Call,
    values: &HashMap<&str, usize>,
    seen: &HashMap<usize, i64>,
) -> Option<(Step, bool)> {
    let step = match (&call.action, &call.outcome) {
        (Action::Set { .. }, Outcome::Set(version)) => Step::Set {
            value: place,
            version: *version,
        },
        (Action::Set { expected, .. }, Outcome::Refused(_)) => match expected {
            Some(expected) => Step::Refused {
                expected: i64::from(*expected),
            },
            None => Step::Impossible,
        },
        (Action::Set { .. }, Outcome::Unknown(_)) => {
            let step = match seen.get(&place) {
                Some(version) => Step::Set {
                    value: place,
                    version: *version,
                },
                None => Step::Unseen {
                    value: place,
                    rank: None,
                },
            };
            return Some((step, true));
        }
        (Action::Read { synced: true, .. }, Outcome::Read { value, version }) => {
            match values.get(value.as_str()) {
                Some(value) => Step::Read {
                    value: *value,
                    version: *version,
                },
                None => Step::Impossible,
            }
        }
        _ => return None,
    };
    Some((step, false))
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(END - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(start: u64, end: u64, action: Action, outcome: Outcome) -> Call {
        Call {
            session: 1,
            order: start,
            action,
            start: Duration::from_millis(start),
            end: Duration::from_millis(end),
            outcome,
        }
    }

    fn set_at(times: (u64, u64), value: &str, expected: Option<i32>, outcome: Outcome) -> Call {
        let value = value.to_owned();
        let action = Action::Set {
            register: 0,
            value,
            expected,
        };
        call(times.0, times.1, action, outcome)
    }

    fn read(times: (u64, u64), value: &str, version: i64) -> Call {
        let action = Action::Read {
            register: 0,
            synced: true,
        };
        let value = value.to_owned();
        call(times.0, times.1, action, Outcome::Read { value, version })
    }

    fn unknown() -> Outcome {
        Outcome::Unknown("connection lost".to_owned())
    }

    fn refused() -> Outcome {
        Outcome::Refused("bad version".to_owned())
    }

    fn passes(calls: &[Call]) -> bool {
        let found = register(0, "initial", calls);
        let searched = |violation: &Violation| violation.what.starts_with("no order");
        assert!(found.iter().all(searched), "{found:?}");
        found.is_empty()
    }

    #[test]
    fn a_history_that_can_be_passes() {
        assert!(passes(&[
            read((0, 1), "initial", 0),
            set_at((2, 9), "a", None, Outcome::Set(1)),
            read((3, 4), "initial", 0),
            read((5, 6), "a", 1),
            // Of the unknown ones one was seen late, one made a version that nobody saw, one did not happen.
            set_at((10, 11), "late", None, unknown()),
            set_at((10, 11), "unseen", Some(1), unknown()),
            set_at((10, 11), "never", Some(7), unknown()),
            read((12, 13), "a", 1),
            set_at((14, 15), "b", None, Outcome::Set(3)),
            set_at((16, 17), "c", Some(2), refused()),
            set_at((18, 19), "d", Some(3), Outcome::Set(4)),
            read((20, 21), "late", 5),
        ]));
    }

    #[test]
    fn many_unknown_writes_are_no_trouble() {
        let mut calls: Vec<_> = (0..200)
            .map(|n| set_at((n, n + 1), &format!("unknown{n}"), None, unknown()))
            .collect();
        for n in 0..2_000_u32 {
            let at = 300 + u64::from(n) * 2;
            // Every hundredth was made by one of the unknown.
            let version = i64::from(n + n / 100 + 1);
            calls.push(set_at(
                (at, at + 3),
                &format!("known{n}"),
                None,
                Outcome::Set(version),
            ));
        }
        assert!(passes(&calls));
        calls.push(read((9_000, 9_001), "known0", 1));
        assert!(!passes(&calls));
    }

    #[test]
    fn violations_are_caught() {
        let stale = [
            set_at((0, 1), "a", None, Outcome::Set(1)),
            set_at((2, 3), "b", None, Outcome::Set(2)),
            read((4, 5), "a", 1),
        ];
        assert!(!passes(&stale), "a stale read, or a lost write");
        let turned = [
            set_at((0, 1), "a", None, Outcome::Set(2)),
            set_at((2, 3), "b", None, Outcome::Set(1)),
        ];
        assert!(!passes(&turned), "against the time");
        let hole = [set_at((0, 1), "a", None, Outcome::Set(2))];
        assert!(!passes(&hole), "a version that nobody can have made");
        let early = [read((0, 1), "a", 1), set_at((2, 3), "a", None, unknown())];
        assert!(!passes(&early), "read before it was written");
        let fits = [
            set_at((0, 1), "a", None, Outcome::Set(1)),
            set_at((2, 3), "b", Some(1), refused()),
        ];
        assert!(
            !passes(&fits),
            "refused, though the version was the expected one"
        );
        let wrong = [
            set_at((0, 1), "a", None, Outcome::Set(1)),
            set_at((2, 3), "b", Some(0), Outcome::Set(2)),
        ];
        assert!(!passes(&wrong), "the version was not the expected one");
        assert!(!passes(&[read((0, 1), "x", 1)]), "never written");
        let carried_out = [
            set_at((0, 1), "a", Some(3), refused()),
            read((2, 3), "a", 1),
        ];
        assert!(!passes(&carried_out), "a refused write was carried out");
    }
}
