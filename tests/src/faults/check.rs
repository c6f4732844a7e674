//! Whether a history can be.
//!
//! A register's version is a total order of its sets, and a list's numbers are one of its items. So there is nothing to
//! search for: the order that the versions tell must agree with the order in time of the calls that do not overlap, a
//! read must hold what the set of its version wrote, and every version must have a set that can have made it.
//! Sets of which nobody knows what came may have happened, once, at any time after they began.

use std::collections::{BTreeMap, HashMap};

use super::history::{Action, Call, Outcome, Violation};

/// How a call knows its place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It made the place: all that was known before it began has an earlier one.
    Write,
    /// It saw the place, which is that of the latest write known before it began, or a later one.
    Fresh,
    /// It saw the place.
    Seen,
}

#[derive(Clone, Copy, Debug)]
struct Point<'a> {
    call: &'a Call,
    place: i64,
    kind: Kind,
    /// Was it known at the end of the call?
    known: bool,
}

/// Compares the places with the times.
fn in_real_time(what: &str, points: &[Point<'_>]) -> Vec<Violation> {
    let mut starts: Vec<_> = points.iter().collect();
    starts.sort_by_key(|point| point.call.start);
    let mut ends: Vec<_> = points.iter().filter(|point| point.known).collect();
    ends.sort_by_key(|point| point.call.end);
    let mut ends = ends.into_iter().peekable();
    let mut highest: Option<&Point<'_>> = None;
    let mut violations = Vec::new();
    for point in starts {
        while let Some(ended) = ends.next_if(|ended| ended.call.end < point.call.start) {
            if highest.is_none_or(|highest| highest.place < ended.place) {
                highest = Some(ended);
            }
        }
        let Some(before) = highest else { continue };
        let wrong = match point.kind {
            Kind::Write if point.place <= before.place => "was made after",
            Kind::Fresh if point.place < before.place => "was read as the latest after",
            _ => continue,
        };
        let text = format!("{what}: {} {wrong} {} was known", point.place, before.place);
        violations.push(Violation::new(text, &[before, point].map(|p| p.call)));
    }
    violations
}

/// Checks the calls of one register, which held `initial` at version 0. A lost write is one that a later synced read
/// does not see, so the last call should be such a read.
#[must_use]
pub fn register(register: usize, initial: &str, calls: &[Call]) -> Vec<Violation> {
    let what = format!("register {register}");
    let mut violations = Vec::new();
    let mut sets: HashMap<&str, &Call> = HashMap::new();
    let mut made: BTreeMap<i64, &Call> = BTreeMap::new();
    let mut points = Vec::new();
    for call in calls {
        let Action::Set {
            register: of,
            value,
            expected,
        } = &call.action
        else {
            continue;
        };
        if *of != register {
            continue;
        }
        sets.insert(value, call);
        let Outcome::Set(version) = call.outcome else {
            continue;
        };
        if let Some(other) = made.insert(version, call) {
            let text = format!("{what}: version {version} was made twice");
            violations.push(Violation::new(text, &[other, call]));
        }
        if expected.is_some_and(|expected| i64::from(expected) + 1 != version) {
            let text = format!("{what}: version {version} does not follow the expected one");
            violations.push(Violation::new(text, &[call]));
        }
        points.push(Point {
            call,
            place: version,
            kind: Kind::Write,
            known: true,
        });
    }
    let mut found: HashMap<&str, i64> = HashMap::new();
    for call in calls {
        let (
            Action::Read {
                register: of,
                synced,
            },
            Outcome::Read { value, version },
        ) = (&call.action, &call.outcome)
        else {
            continue;
        };
        if *of != register {
            continue;
        }
        let version = *version;
        points.push(Point {
            call,
            place: version,
            kind: if *synced { Kind::Fresh } else { Kind::Seen },
            known: true,
        });
        if version == 0 {
            if value != initial {
                let text = format!("{what}: version 0 is not what was created");
                violations.push(Violation::new(text, &[call]));
            }
            continue;
        }
        let Some(set) = sets.get(value.as_str()).copied() else {
            let text = format!("{what}: {value:?} was never written");
            violations.push(Violation::new(text, &[call]));
            continue;
        };
        if let Outcome::Refused(_) = set.outcome {
            let text = format!("{what}: a refused write was carried out");
            violations.push(Violation::new(text, &[set, call]));
        }
        match made.get(&version) {
            Some(maker) if *maker != set => {
                let text = format!("{what}: version {version} holds two values");
                violations.push(Violation::new(text, &[maker, set, call]));
                continue;
            }
            Some(_) => {}
            None => {
                made.insert(version, set);
                points.push(Point {
                    call: set,
                    place: version,
                    kind: Kind::Write,
                    known: false,
                });
            }
        }
        let first = *found.entry(value).or_insert(version);
        let own = match set.outcome {
            Outcome::Set(own) => own,
            _ => first,
        };
        if own != version {
            let text = format!("{what}: {value:?} was written at {own} and at {version}");
            violations.push(Violation::new(text, &[set, call]));
        }
    }
    violations.extend(holes(&what, &points, &made, &sets));
    violations.extend(in_real_time(&what, &points));
    violations
}

/// Versions that nobody is known to have made need as many sets of which nobody knows what came.
fn holes(
    what: &str,
    points: &[Point<'_>],
    made: &BTreeMap<i64, &Call>,
    sets: &HashMap<&str, &Call>,
) -> Option<Violation> {
    let highest = points.iter().map(|point| point.place).max()?;
    let unmade = (1..=highest).filter(|version| !made.contains_key(version));
    let unmade: Vec<_> = unmade.collect();
    let unknown = sets.values().filter(|set| {
        matches!(set.outcome, Outcome::Unknown(_)) && !made.values().any(|maker| maker == *set)
    });
    let unknown = unknown.count();
    (unmade.len() > unknown).then(|| {
        let text = format!(
            "{what}: nobody can have made all of the versions {unmade:?}: there are only {unknown} unknown writes"
        );
        Violation::new(text, &[])
    })
}

/// Checks that every session saw each register's versions only grow, in the order of its calls.
#[must_use]
pub fn sessions(calls: &[Call]) -> Vec<Violation> {
    let mut by_order: Vec<_> = calls.iter().collect();
    by_order.sort_by_key(|call| call.order);
    let mut latest: HashMap<(i64, usize), (i64, &Call)> = HashMap::new();
    let mut violations = Vec::new();
    for call in by_order {
        let (register, version, is_set) = match (&call.action, &call.outcome) {
            (Action::Set { register, .. }, Outcome::Set(version)) => (*register, *version, true),
            (Action::Read { register, .. }, Outcome::Read { version, .. }) => {
                (*register, *version, false)
            }
            _ => continue,
        };
        let before = latest.insert((call.session, register), (version, call));
        if let Some((before, earlier)) = before
            && (version < before || (is_set && version == before))
        {
            let text = format!(
                "a session saw version {version} of register {register} after version {before}"
            );
            violations.push(Violation::new(text, &[earlier, call]));
        }
    }
    violations
}

/// Checks the appends to the list against what it holds in the end: data by number.
#[must_use]
pub fn list(items: &BTreeMap<i64, String>, calls: &[Call]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut appends: HashMap<&str, &Call> = HashMap::new();
    let mut made: HashMap<i64, &Call> = HashMap::new();
    let mut points = Vec::new();
    for call in calls {
        let Action::Append { value } = &call.action else {
            continue;
        };
        appends.insert(value, call);
        let Outcome::Appended(number) = call.outcome else {
            continue;
        };
        if let Some(other) = made.insert(number, call) {
            let text = format!("list: number {number} was given twice");
            violations.push(Violation::new(text, &[other, call]));
        }
        if items.get(&number) != Some(value) {
            let text = format!(
                "list: an acknowledged item is lost; its number holds {:?}",
                items.get(&number)
            );
            violations.push(Violation::new(text, &[call]));
        }
        points.push(Point {
            call,
            place: number,
            kind: Kind::Write,
            known: true,
        });
    }
    let mut places: HashMap<&str, i64> = HashMap::new();
    for (number, value) in items {
        let Some(append) = appends.get(value.as_str()).copied() else {
            let text = format!("list: item {number} holds {value:?}, which nobody appended");
            violations.push(Violation::new(text, &[]));
            continue;
        };
        if let Some(other) = places.insert(value, *number) {
            let text = format!("list: one append made the items {other} and {number}");
            violations.push(Violation::new(text, &[append]));
        }
        match append.outcome {
            Outcome::Refused(_) => {
                let text = format!("list: a refused append made the item {number}");
                violations.push(Violation::new(text, &[append]));
            }
            Outcome::Unknown(_) => points.push(Point {
                call: append,
                place: *number,
                kind: Kind::Write,
                known: false,
            }),
            _ => {}
        }
    }
    violations.extend(in_real_time("list", &points));
    violations
}

#[cfg(test)]
mod tests;
