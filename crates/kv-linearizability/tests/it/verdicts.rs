//! Random histories: the verdict of the checker and that of the twin, which tries every order.

use std::cell::RefCell;
use std::collections::BTreeMap;

use kv_linearizability::{History, Operation, Outcome, Violation};
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::random::{Unknowns, histories};
use crate::twin::has_an_order;

const CASES: u32 = if cfg!(debug_assertions) { 4_000 } else { 100_000 };

/// How often which verdict came: the kind of violation, or one of these two.
type Verdicts = BTreeMap<String, u32>;
const GOOD: &str = "there is an order";
const MISSED: &str = "there is none, and it was not found";

/// Compares checker and twin on random histories. They may differ only where `may_miss` says so, and
/// then only in that the checker finds nothing.
fn compare(cases: u32, most: usize, unknowns: Unknowns, may_miss: impl Fn(&[Operation]) -> bool) -> Verdicts {
    let verdicts = RefCell::new(Verdicts::new());
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(cases) });
    let run = runner.run(&histories(most, unknowns), |(operations, changed)| {
        let verdict = operations.iter().cloned().collect::<History>().check();
        let order = has_an_order(&operations);
        let fail = |what| Err(TestCaseError::fail(format!("{what}: {verdict:?}\n{}", shown(&operations))));
        let name = match (&verdict, order) {
            (Err(_), true) => return fail("there is an order"),
            (Err(_), false) if !changed => return fail("the store was right"),
            (Ok(_), false) if !may_miss(&operations) => return fail("there is no order"),
            (Ok(_), false) => MISSED.to_owned(),
            (Ok(_), true) => GOOD.to_owned(),
            (Err(violation), false) => name_of(violation),
        };
        *verdicts.borrow_mut().entry(name).or_default() += 1;
        Ok(())
    });
    run.unwrap_or_else(|failure| panic!("{failure}"));
    println!("{:#?}", verdicts.borrow());
    verdicts.into_inner()
}

fn name_of(violation: &Violation) -> String {
    let words = format!("{violation:?}");
    words.split(' ').next().unwrap().to_owned()
}

/// Both verdicts must have come up often, and every one of these kinds, or the test shows nothing.
fn assert_all_came(verdicts: &Verdicts, kinds: &[&str]) {
    let count = |name: &str| verdicts.get(name).copied().unwrap_or(0);
    let all: u32 = verdicts.values().sum();
    let bad = all - count(GOOD) - count(MISSED);
    assert!(count(GOOD) >= all / 2 && bad >= all / 20 && count(MISSED) <= bad / 10, "{verdicts:?}");
    assert!(kinds.iter().all(|kind| count(kind) > 0), "{verdicts:?}");
}

fn shown(operations: &[Operation]) -> String {
    operations.iter().map(|it| format!("{it}\n")).collect()
}

/// Two leaders gave one version to removals of which neither was acknowledged.
fn one_version_for_two_removals(operations: &[Operation]) -> bool {
    let mut told = BTreeMap::new();
    operations.iter().any(|it| match it.outcome() {
        Outcome::Unknown(Some(version)) => told.insert(version, &it.action).is_some(),
        _ => false,
    })
}

#[test]
fn with_known_versions_the_verdicts_are_the_same() {
    let verdicts = compare(CASES, 9, Unknowns::Told, one_version_for_two_removals);
    let kinds = [
        "OneVersionTwice",
        "TwoContents",
        "NobodyWrote",
        "RefusedIsShown",
        "VersionsAgainstTime",
        "FromTheFuture",
        "StaleRead",
        "NotAbsent",
    ];
    assert_all_came(&verdicts, &kinds);
}

#[test]
fn with_unknown_versions_nothing_is_found_where_there_is_an_order() {
    let verdicts = compare(CASES / 4, 7, Unknowns::Any, |_| true);
    assert_all_came(&verdicts, &["VersionsAgainstTime", "NotAbsent"]);
}
