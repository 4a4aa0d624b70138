//! One history for each thing that must be found, and for each that looks wrong and is right.

use kv_linearizability::{Action, Checked, History, Operation, Outcome, Violation};

use Outcome::{Absent, Cleared, NotApplied, Unknown, Written};

fn op(action: Action, invoked: u64, ended: u64, outcome: Outcome) -> Operation {
    Operation { action, invoked, completed: Some((ended, outcome)) }
}

fn put(value: u64, invoked: u64, ended: u64, outcome: Outcome) -> Operation {
    op(Action::put("a", value), invoked, ended, outcome)
}

fn read(invoked: u64, ended: u64, outcome: Outcome) -> Operation {
    op(Action::read("a"), invoked, ended, outcome)
}

fn delete(invoked: u64, ended: u64, outcome: Outcome) -> Operation {
    op(Action::delete("a"), invoked, ended, outcome)
}

fn clear(invoked: u64, ended: u64, outcome: Outcome) -> Operation {
    op(Action::Clear, invoked, ended, outcome)
}

fn found(version: u64, value: u64) -> Outcome {
    Outcome::Found { version, value }
}

fn check(operations: impl IntoIterator<Item = Operation>) -> Result<Checked, Box<Violation>> {
    operations.into_iter().collect::<History>().check()
}

/// The violation's kind, in its own words.
macro_rules! assert_violates {
    ($operations:expr, $kind:ident) => {
        let checked = check($operations).map_err(|violation| *violation);
        assert!(matches!(checked, Err(Violation::$kind { .. })), "{checked:?}");
    };
}

#[test]
fn a_history_that_is_right_is_counted() {
    let checked = check([
        read(0, 1, Absent),
        put(10, 2, 4, Written(1)),
        read(3, 5, found(1, 10)),
        put(11, 5, 6, NotApplied),
        put(12, 5, 9, Unknown(None)),
        read(20, 21, found(4, 12)),
        delete(30, 31, Written(5)),
        delete(32, 33, Absent),
        clear(34, 35, Cleared),
        Operation { action: Action::read("a"), invoked: 40, completed: None },
    ]);
    let expected = Checked {
        operations: 10,
        written: 3,
        found: 2,
        absent: 2,
        not_applied: 1,
        unknown: 2,
        unknown_found: 1,
        by_unplaced: 0,
    };
    assert_eq!(checked, Ok(expected));
    assert_eq!(check([]), Ok(Checked::default()));
}

#[test]
fn a_stale_read() {
    let writes = [put(10, 0, 1, Written(1)), put(20, 2, 5, Written(2))];
    let history = |read: Operation| writes.iter().cloned().chain([read]);
    assert_violates!(history(read(6, 7, found(1, 10))), StaleRead);
    assert!(check(history(read(5, 7, found(1, 10)))).is_ok(), "it began as the write ended");
}

/// The second write is not acknowledged yet, but it was shown, so there is no way back.
#[test]
fn a_read_that_goes_back() {
    let history = |later: Operation| {
        [put(10, 0, 1, Written(1)), put(20, 2, 99, Unknown(Some(2))), read(3, 4, found(2, 20)), later]
    };
    assert_violates!(history(read(5, 6, found(1, 10))), StaleRead);
    assert!(check(history(read(4, 6, found(1, 10)))).is_ok());
}

/// A new leader has given a version again: the first write of it is gone.
#[test]
fn a_lost_update() {
    let first = put(10, 0, 1, Written(1));
    assert_violates!([first.clone(), put(20, 2, 3, Written(1))], OneVersionTwice);
    assert_violates!([first.clone(), put(20, 2, 9, Unknown(Some(1))), read(4, 5, found(1, 20))], TwoContents);
    assert_violates!([first.clone(), delete(2, 3, Written(1))], OneVersionTwice);
    // If it was never acknowledged, it may be lost, and its version be given again.
    assert!(
        check([put(20, 0, 9, Unknown(Some(1))), put(10, 10, 11, Written(1)), read(12, 13, found(1, 10))])
            .is_ok()
    );
}

#[test]
fn one_version_with_two_contents() {
    let [one, other] = [put(10, 0, 9, Unknown(None)), put(20, 0, 9, Unknown(None))];
    let reads = [read(1, 2, found(5, 10)), read(3, 4, found(5, 20))];
    assert_violates!([one, other].into_iter().chain(reads), TwoContents);
    let elsewhere = op(Action::read("b"), 2, 3, found(1, 10));
    assert_violates!([put(10, 0, 1, Written(1)), elsewhere], TwoContents);
}

#[test]
fn a_read_from_the_future() {
    assert_violates!([put(10, 5, 6, Written(1)), read(1, 4, found(1, 10))], FromTheFuture);
    assert_violates!([put(10, 5, 6, Unknown(None)), read(1, 4, found(1, 10))], FromTheFuture);
}

#[test]
fn what_nobody_wrote_and_what_was_refused() {
    assert_violates!([put(10, 0, 1, Written(1)), read(2, 3, found(2, 30))], NobodyWrote);
    assert_violates!([put(10, 0, 1, NotApplied), read(2, 3, found(1, 10))], RefusedIsShown);
    let told = put(10, 0, 1, Unknown(Some(4)));
    assert_violates!([told, read(2, 3, found(5, 10))], NobodyWrote);
}

#[test]
fn versions_rise_with_time_over_all_keys() {
    let other = |version| op(Action::put("b", 20), 2, 3, Written(version));
    assert_violates!([put(10, 0, 1, Written(7)), other(6)], VersionsAgainstTime);
    assert!(check([put(10, 0, 2, Written(7)), other(6)]).is_ok(), "they overlap");
    // A read that was over shows that the version had been given.
    assert_violates!([put(10, 0, 9, Unknown(None)), read(0, 1, found(7, 10)), other(6)], VersionsAgainstTime);
}

/// A leader may commit version 8 before version 7: no order of the versions explains these reads, and
/// each key by itself is right.
#[test]
fn keys_need_not_come_into_effect_in_the_order_of_versions() {
    let other = [op(Action::put("b", 20), 0, 9, Written(8)), op(Action::read("b"), 2, 3, found(8, 20))];
    assert!(check([put(10, 0, 9, Written(7)), read(4, 5, Absent)].into_iter().chain(other)).is_ok());
}

#[test]
fn a_deleted_key_comes_back() {
    let history =
        |late: u64| [put(10, 0, 1, Written(1)), delete(2, 3, Written(2)), read(late, 9, found(1, 10))];
    assert_violates!(history(4), StaleRead);
    assert!(check(history(3)).is_ok());
    // It was not acknowledged, but somebody has found the key absent: then it is in effect.
    let unknown = [put(10, 0, 1, Written(1)), delete(2, 9, Unknown(Some(2))), read(3, 4, Absent)];
    assert!(check(unknown.clone()).is_ok());
    assert_violates!(unknown.into_iter().chain([read(5, 6, found(1, 10))]), NotAbsent);
}

#[test]
fn absent_after_an_acknowledged_put() {
    let written = put(10, 0, 1, Written(1));
    assert_violates!([written.clone(), read(2, 3, Absent)], NotAbsent);
    assert_violates!([written.clone(), delete(2, 3, Absent)], NotAbsent);
    assert!(check([written.clone(), read(1, 3, Absent)]).is_ok());
    // The delete began too late, has too low a version, or had no effect.
    assert_violates!([written.clone(), read(2, 3, Absent), delete(4, 5, Written(2))], NotAbsent);
    assert_violates!([put(10, 0, 1, Written(2)), delete(0, 1, Written(1)), read(2, 3, Absent)], NotAbsent);
    assert_violates!([written, delete(2, 3, NotApplied), read(4, 5, Absent)], NotAbsent);
}

/// Whoever finds `b` absent has seen version 6, so version 4 had been given, before its delete began;
/// unless another delete of `b` explains the absence.
#[test]
fn a_delete_that_began_too_late_for_its_version_explains_nothing() {
    let history = |other: Outcome, begins| {
        [
            op(Action::put("b", 20), 0, 1, Written(2)),
            op(Action::delete("b"), 1, 99, other),
            op(Action::delete("b"), 2, 99, Written(6)),
            op(Action::read("b"), 3, 4, Absent),
            put(10, 0, 1, Written(1)),
            delete(begins, 99, Unknown(Some(4))),
            read(20, 21, Absent),
        ]
    };
    assert_violates!(history(NotApplied, 5), NotAbsent);
    for (other, begins) in [(NotApplied, 4), (Unknown(Some(3)), 5), (Unknown(None), 5)] {
        assert!(check(history(other, begins)).is_ok(), "{other:?}");
    }
}

#[test]
fn a_clear_is_a_delete_of_every_key() {
    let before = [put(10, 0, 1, Written(1)), op(Action::put("b", 20), 0, 1, Written(2))];
    let history = |outcome, later| before.iter().cloned().chain([clear(2, 3, outcome), later]);
    for outcome in [Written(3), Cleared] {
        assert!(check(history(outcome, read(4, 5, Absent))).is_ok());
        assert!(check(history(outcome, op(Action::read("b"), 4, 5, Absent))).is_ok());
        assert!(check(history(outcome, read(3, 5, found(1, 10)))).is_ok());
    }
    assert_violates!(history(Written(3), read(4, 5, found(1, 10))), StaleRead);
    assert_violates!(history(Cleared, read(4, 5, found(1, 10))), NotCleared);
    assert_violates!(history(Cleared, put(11, 4, 5, Written(3))), NotCleared);
    // The one version in between is that of another write.
    assert!(check(history(Cleared, put(11, 4, 5, Written(4)))).is_ok());
    let taken = history(Cleared, put(11, 4, 5, Written(4))).chain([put(12, 0, 99, Written(3))]);
    assert_violates!(taken, NotCleared);
    // It explains no absence after a put that came later.
    let late = [put(11, 4, 5, Written(4)), read(6, 7, Absent)];
    assert_violates!(before.iter().cloned().chain([clear(2, 3, Cleared)]).chain(late), NotAbsent);
}

#[test]
fn a_removal_of_unknown_version_explains_what_comes_after_its_beginning() {
    let written = put(10, 0, 1, Written(1));
    for removal in [delete(5, 6, Unknown(None)), clear(5, 6, Unknown(None))] {
        let history = |absent| [written.clone(), removal.clone(), absent, read(9, 12, found(1, 10))];
        assert_eq!(check(history(read(9, 9, Absent))).map(|it| it.by_unplaced), Ok(1));
        assert_violates!(history(read(7, 8, Absent)), NotAbsent);
        assert_violates!(history(read(3, 4, Absent)), NotAbsent);
    }
}

#[test]
fn a_removal_of_unknown_version_lies_above_what_was_seen_before() {
    let history = |later| {
        let writes = [put(10, 0, 1, Written(1)), put(20, 2, 4, Written(2)), delete(5, 6, Unknown(None))];
        writes.into_iter().chain([read(3, 7, Absent), later])
    };
    assert!(check(history(read(7, 8, found(2, 20)))).is_ok());
    assert_violates!(history(read(8, 9, found(2, 20))), NotAbsent);
}

/// Version 1 is the only one that is free, and the key was put with version 2.
#[test]
fn a_clear_explains_nothing_where_it_has_no_room() {
    let history = |next| {
        [put(10, 0, 2, Written(2)), clear(0, 5, Cleared), put(20, 6, 7, Written(next)), read(4, 5, Absent)]
    };
    assert!(check(history(4)).is_ok());
    assert_violates!(history(3), NotAbsent);
}

/// Two leaders gave version 2: the delete's is lost.
#[test]
fn a_removal_whose_version_is_taken_explains_nothing() {
    let history = |version| {
        let other = op(Action::put("b", 20), 6, 7, Written(version));
        [put(10, 0, 1, Written(1)), delete(2, 99, Unknown(Some(2))), other, read(8, 9, Absent)]
    };
    assert!(check(history(3)).is_ok());
    assert_violates!(history(2), NotAbsent);
}

#[test]
fn what_is_not_a_history() {
    for wrong in [
        read(2, 1, Absent),
        read(1, 2, Written(1)),
        put(10, 1, 2, Absent),
        put(10, 1, 2, Cleared),
        put(10, 1, 2, Written(0)),
        clear(1, 2, found(1, 1)),
    ] {
        assert_violates!([wrong], NotAHistory);
    }
    let mut history = History::new();
    let read = history.invoke(1, Action::read("a"));
    history.complete(read, 2, Absent);
    history.complete(read, 3, Absent);
    assert!(matches!(*history.check().unwrap_err(), Violation::NotAHistory { .. }));
}

#[test]
fn a_violation_names_the_operations() {
    let violation = check([put(10, 0, 1, Written(1)), put(20, 2, 5, Written(2)), read(6, 7, found(1, 10))]);
    assert_eq!(
        violation.unwrap_err().to_string(),
        r#"stale read: before read "a" [6..7]: version 1 = a began, a later state had been seen: put "a" = 14 [2..5]: version 2"#
    );
}
