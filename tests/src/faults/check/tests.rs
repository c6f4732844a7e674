use std::time::Duration;

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

fn set(start: u64, end: u64, value: &str, outcome: Outcome) -> Call {
    let action = Action::Set {
        register: 0,
        value: value.to_owned(),
        expected: None,
    };
    call(start, end, action, outcome)
}

fn read(start: u64, end: u64, synced: bool, value: &str, version: i64) -> Call {
    let outcome = Outcome::Read {
        value: value.to_owned(),
        version,
    };
    let action = Action::Read {
        register: 0,
        synced,
    };
    call(start, end, action, outcome)
}

fn append(start: u64, end: u64, value: &str, outcome: Outcome) -> Call {
    let value = value.to_owned();
    call(start, end, Action::Append { value }, outcome)
}

fn unknown() -> Outcome {
    Outcome::Unknown("connection lost".to_owned())
}

#[track_caller]
fn assert_says(violations: &[Violation], text: &str) {
    assert!(
        violations.iter().any(|found| found.what.contains(text)),
        "{violations:?}"
    );
}

#[track_caller]
fn assert_fine(violations: &[Violation]) {
    assert!(violations.is_empty(), "{violations:?}");
}

#[test]
fn a_history_that_can_be_passes() {
    let calls = [
        read(0, 1, true, "initial", 0),
        set(2, 5, "a", Outcome::Set(1)),
        // Overlaps: may see either.
        Call {
            session: 2,
            ..read(3, 4, true, "initial", 0)
        },
        set(6, 7, "b", unknown()),
        set(8, 9, "lost", unknown()),
        // Unknown, and carried out after its end.
        set(10, 11, "c", Outcome::Set(2)),
        read(12, 13, true, "b", 3),
        // Not synced: may be old, but is another session's.
        Call {
            session: 2,
            ..read(14, 15, false, "a", 1)
        },
    ];
    assert_fine(&register(0, "initial", &calls));
    assert_fine(&sessions(&calls));
}

#[test]
fn a_lost_write_is_caught() {
    let calls = [
        set(0, 1, "a", Outcome::Set(1)),
        set(2, 3, "b", Outcome::Set(2)),
        read(4, 5, true, "a", 1),
    ];
    assert_says(&register(0, "", &calls), "1 was read as the latest after 2");
}

#[test]
fn a_stale_read_is_caught() {
    let calls = [
        set(0, 1, "a", Outcome::Set(1)),
        read(2, 3, true, "", 0),
        read(4, 5, true, "a", 1),
    ];
    assert_says(&register(0, "", &calls), "0 was read as the latest after 1");
    // By its own session it may not even be seen without a sync.
    let calls = [set(0, 1, "a", Outcome::Set(1)), read(2, 3, false, "", 0)];
    assert_fine(&register(0, "", &calls));
    assert_says(&sessions(&calls), "after version 1");
}

#[test]
fn a_duplicate_is_caught() {
    let twice = [
        set(0, 9, "a", Outcome::Set(1)),
        set(0, 9, "b", Outcome::Set(1)),
    ];
    assert_says(&register(0, "", &twice), "made twice");
    let carried_out_twice = [
        set(0, 1, "a", unknown()),
        read(2, 3, true, "a", 1),
        read(4, 5, true, "a", 2),
    ];
    assert_says(
        &register(0, "", &carried_out_twice),
        "written at 1 and at 2",
    );
    let unseen = [
        set(0, 1, "a", Outcome::Set(1)),
        set(2, 3, "b", Outcome::Set(3)),
    ];
    assert_says(&register(0, "", &unseen), "[2]");
}

#[test]
fn values_and_versions_belong_together() {
    let calls = [
        set(0, 1, "a", Outcome::Set(1)),
        set(2, 3, "b", Outcome::Set(2)),
        read(4, 5, true, "a", 2),
    ];
    assert_says(&register(0, "", &calls), "holds two values");
    let future = [read(0, 1, true, "a", 1), set(2, 3, "a", Outcome::Set(1))];
    assert_says(&register(0, "", &future), "1 was made after 1");
    let refused = [
        set(0, 1, "a", Outcome::Refused("bad version".to_owned())),
        read(2, 3, true, "a", 1),
    ];
    assert_says(&register(0, "", &refused), "refused");
    assert_says(
        &register(0, "", &[read(0, 1, true, "x", 1)]),
        "never written",
    );
}

fn items(of: &[(i64, &str)]) -> BTreeMap<i64, String> {
    of.iter()
        .map(|(number, value)| (*number, (*value).to_owned()))
        .collect()
}

#[test]
fn a_list_keeps_what_was_appended() {
    let calls = [
        append(0, 1, "a", Outcome::Appended(0)),
        append(2, 3, "b", unknown()),
        append(4, 5, "c", Outcome::Appended(1)),
    ];
    let held = items(&[(0, "a"), (1, "c"), (2, "b")]);
    assert_fine(&list(&held, &calls));
    assert_says(&list(&items(&[(1, "c")]), &calls), "is lost");
    let twice = items(&[(0, "a"), (1, "c"), (2, "b"), (3, "b")]);
    assert_says(&list(&twice, &calls), "one append made");
    let early = items(&[(-1, "b"), (0, "a"), (1, "c")]);
    assert_says(&list(&early, &calls), "-1 was made after 0");
    let strange = items(&[(0, "a"), (1, "c"), (2, "x")]);
    assert_says(&list(&strange, &calls), "nobody appended");
}

#[test]
fn numbers_are_given_once_and_in_order() {
    let calls = [
        append(0, 1, "a", Outcome::Appended(1)),
        append(2, 3, "b", Outcome::Appended(0)),
        append(2, 3, "c", Outcome::Appended(1)),
    ];
    let found = list(&items(&[(0, "b"), (1, "a")]), &calls);
    assert_says(&found, "0 was made after 1");
    assert_says(&found, "given twice");
}
