//! A long history.

use std::time::{Duration, Instant};

use kv_linearizability::{Action, History, Outcome, Version};

const OPERATIONS: u64 = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
const KEYS: u64 = 1_000;
/// A tenth of it is what a release build takes on a busy machine.
const BOUND: Duration = Duration::from_secs(20);

/// Writes and reads of many clients at once, as a store would answer that applies writes as they come;
/// some end unknown, some are deletes, a few are clears.
fn long_history() -> History {
    let keys: Vec<std::sync::Arc<str>> = (0..KEYS).map(|key| format!("key-{key}").into()).collect();
    let mut held: Vec<Option<(Version, u64)>> = vec![None; keys.len()];
    let (mut history, mut version, mut random) = (History::new(), 0, 1u64);
    for at in 0..OPERATIONS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let dice = random >> 33;
        let (index, invoked) = ((dice % KEYS) as usize, 100 * at + 5_000);
        let (key, early, end) = (keys[index].clone(), invoked - dice % 5_000, invoked + dice % 4_000);
        let kind = dice / KEYS % 100;
        let (action, outcome) = match kind {
            0..=49 => {
                let outcome = match held[index] {
                    Some((version, value)) => Outcome::Found { version, value },
                    None => Outcome::Absent,
                };
                (Action::read(key), outcome)
            }
            50..=89 => {
                version += 1;
                held[index] = Some((version, at));
                (Action::put(key, at), Outcome::Written(version))
            }
            90..=97 => {
                version += 1;
                held[index] = None;
                let told = (kind < 95).then_some(version);
                (Action::delete(key), told.map_or(Outcome::Unknown(told), Outcome::Written))
            }
            98 if (dice / KEYS / 100).is_multiple_of(1_000) => {
                version += 1;
                held.fill(None);
                (Action::Clear, Outcome::Written(version))
            }
            _ => {
                version += 1;
                held[index] = Some((version, at));
                (Action::put(key, at), Outcome::Unknown((at.is_multiple_of(2)).then_some(version)))
            }
        };
        let operation = history.invoke(early, action);
        history.complete(operation, end, outcome);
    }
    history
}

#[test]
#[expect(clippy::disallowed_methods, reason = "this measures")]
fn a_long_history_is_checked_in_seconds() {
    let history = long_history();
    let start = Instant::now();
    let checked = history.check().unwrap_or_else(|violation| panic!("{violation}"));
    let took = start.elapsed();
    println!("{OPERATIONS} operations in {took:?}: {checked:?}");
    assert!(checked.found > 20_000 && checked.absent > 2_000 && checked.unknown_found > 100, "{checked:?}");
    assert!(took < BOUND, "{took:?}");
}
