//! Whole clusters in virtual time. `KV_SIM_SEEDS` and `KV_SIM_FIRST` say how many and from which seed on.

use std::sync::Mutex;
use std::time::Duration;

use kv_replication::simulator::{Bug, Counters, Failure, Options, run};

fn setting(name: &str, default: u64) -> u64 {
    text(name).map_or(default, |value| value.parse().unwrap())
}

#[expect(clippy::disallowed_methods, reason = "set by whoever runs the tests")]
fn text(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What counts as a fault, beside every lost, doubled or late message.
const FAULTS: [&str; 14] = [
    "blackouts",
    "blackouts of disks only",
    "full disks of followers",
    "full disks of leaders",
    "messages forged",
    "starts interrupted",
    "cuts",
    "pauses",
    "resets",
    "slow spells",
    "leaders killed",
    "crashes with a disk",
    "crashes without memory",
    "addresses led astray",
];

/// Runs the seeds on two threads; the first failure by seed is shown with its trace.
fn run_all(first: u64, seeds: u64, options: Options) -> Result<Counters, Box<Failure>> {
    let (next, totals, failed) = (Mutex::new(first), Mutex::new(Counters::new()), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = {
                        let mut next = next.lock().unwrap();
                        *next += 1;
                        *next - 1
                    };
                    if seed >= first + seeds || failed.lock().unwrap().is_some() {
                        return;
                    }
                    match run(seed, options) {
                        Ok(report) => {
                            let sum = |names: &[&str]| {
                                names.iter().filter_map(|name| report.counters.get(name)).sum::<u64>()
                            };
                            assert!(
                                sum(&["client writes"]) >= 1_000 && sum(&FAULTS) >= 10,
                                "nothing happened in {seed}: {:?}",
                                report.counters
                            );
                            let mut totals = totals.lock().unwrap();
                            for (name, count) in report.counters {
                                *totals.entry(name).or_default() += count;
                            }
                        }
                        Err(failure) => *failed.lock().unwrap() = Some(failure),
                    }
                }
            });
        }
    });
    match failed.into_inner().unwrap() {
        Some(failure) => Err(failure),
        None => Ok(totals.into_inner().unwrap()),
    }
}

#[test]
fn seeds_run_without_a_violation() {
    let (first, seeds) = (setting("KV_SIM_FIRST", 1), setting("KV_SIM_SEEDS", 40));
    let counters = run_all(first, seeds, Options::default());
    let counters = counters.unwrap_or_else(|failure| panic!("{}", replayed(&failure)));
    for (name, count) in &counters {
        println!("{count:>10} {name}");
    }
    for happened in [
        "commits",
        "writes acknowledged",
        "writes answered early",
        "writes unknown",
        "writes refused: no_quorum",
        "writes refused: deposed",
        "writes refused: recovering",
        "writes refused: overloaded",
        "writes refused: draining",
        "writes refused: disk_full",
        "reads confirmed",
        "reads refused",
        "reads refused: stale_replica",
        "session reads",
        "fresh starts",
        "recoveries",
        "starts interrupted",
        "changes of the group completed",
        "snapshot chunks pushed",
        "chunks pulled",
        "attempts given up",
        "refusals: stale_epoch",
        "refusals: not_promised",
        "refusals: other_node",
        "refusals: wrong_cluster",
        "refusals: conflict",
        "refusals: malformed",
        "refusals: beyond_window",
        "refusals: wrong_chunk",
        "refusals: disk_full",
        "full disks of followers",
        "full disks of leaders",
        "slow disks of leaders",
        "crashes in the middle of a sync",
        "crashes that lost unsynced writes",
        "blackouts",
        "blackouts of disks only",
        "lone leaders",
    ] {
        assert!(counters.get(happened).is_some_and(|count| *count > 0), "{happened} never happened");
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let options = Options { simulated: Duration::from_secs(60), ..Options::default() };
    let hash = || run(7, options).unwrap_or_else(|failure| panic!("{failure}")).trace_hash;
    // Pinned, so that builds of every profile must agree; a change of the machines or of the simulator
    // changes it.
    let pinned = 4385360862457316886;
    assert_eq!((hash(), hash()), (pinned, pinned));
}

/// One seed of a minute passes many a difference over. A change that is only one of structure keeps these too.
#[test]
fn the_traces_of_many_seeds_are_as_they_were() {
    let hash = |seed| run(seed, Options::default()).unwrap_or_else(|failure| panic!("{failure}")).trace_hash;
    let all = (1..=120).fold(0_u64, |all, seed| all.rotate_left(7) ^ hash(seed));
    assert_eq!(all, 7207331516457128205);
}

#[test]
#[ignore = "for a seed that has failed: KV_SIM_SEED"]
fn replay() {
    let options = Options { trace: true, ..Options::default() };
    if let Err(failure) = run(setting("KV_SIM_SEED", 1), options) {
        panic!("{failure}");
    }
}

/// How many seeds it took, from the first on, until each mistake was caught.
const CAUGHT: [(Bug, u64); 24] = [
    (Bug::StaleAnswerIsAck, 1),
    (Bug::AckBeforePersist, 3),
    (Bug::RecoveryWithTooFew, 2),
    (Bug::OnlyLastPromiseLookedAt, 164),
    (Bug::RecoveryWithoutUnion, 8),
    (Bug::OldHoldingsAreAcks, 1),
    (Bug::MarkOverOldEpoch, 2),
    (Bug::LatePutApplied, 3),
    (Bug::SnapshotDropsHeld, 215),
    (Bug::SnapshotTailGap, 9),
    (Bug::NodeCountedTwice, 3),
    (Bug::LostMemoryCounts, 50),
    (Bug::OldPendingDroppedEarly, 15),
    (Bug::FreshWithoutOne, 11),
    (Bug::LogCutAboveMark, 14),
    (Bug::PromisesNotConfirmed, 2095),
    (Bug::GroupTakenAtPromise, 3),
    (Bug::ChangeNotJoint, 8),
    (Bug::ReadNotConfirmed, 1),
    (Bug::MinVersionByWatermark, 1),
    (Bug::LeaderCommitsBeforePersist, 2),
    (Bug::PromiseNotWritten, 3),
    (Bug::FullDiskAcknowledges, 3),
    (Bug::MarkBeforeEntries, 5),
];

/// From the seed that caught it last time on: a change of the machines may move it a little.
#[test]
fn planted_bugs_are_caught() {
    for (bug, seed) in CAUGHT {
        let options = Options { planted: Some(bug), ..Options::default() };
        let caught = (seed..seed + 50).find_map(|seed| run(seed, options).err());
        let failure = caught.unwrap_or_else(|| panic!("{bug:?} is not caught"));
        println!("{bug:?}: seed {}, {}", failure.seed, failure.invariant);
    }
}

/// Says how many seeds each mistake takes.
#[test]
#[ignore = "a survey of minutes; KV_SIM_BUG_SEEDS says how many seeds each mistake gets, KV_SIM_BUG which one"]
fn every_planted_bug_is_caught() {
    let seeds = setting("KV_SIM_BUG_SEEDS", 300);
    let mut missed = Vec::new();
    let only = text("KV_SIM_BUG");
    for bug in Bug::ALL.into_iter().filter(|bug| only.as_ref().is_none_or(|only| *only == format!("{bug:?}")))
    {
        let options = Options { planted: Some(bug), ..Options::default() };
        match (1..=seeds).find_map(|seed| run(seed, options).err()) {
            Some(failure) => {
                println!("{bug:?}: seed {}, {}: {}", failure.seed, failure.invariant, failure.message);
            }
            None => missed.push(bug),
        }
    }
    assert!(missed.is_empty(), "not caught in {seeds} seeds: {missed:?}");
}

fn replayed(failure: &Failure) -> String {
    let again = run(failure.seed, Options { trace: true, ..Options::default() });
    again.err().map_or_else(|| failure.to_string(), |failure| failure.to_string())
}
