//! Nodes with disks are killed with -9 under load, again and again: nothing acknowledged is lost.
//!
//! `KV_CRASH_ROUNDS` says how many rounds (20), `KV_CRASH_SEED` which nodes and when (1).

use std::time::Duration;

use crate::common::durable::DurableCluster;
use crate::common::writer::{Acknowledged, Writer};
use crate::common::{Dice, eventually, now};

const SETTINGS: [(&str, &str); 4] = [
    ("WRITE_QUORUM", "3"),
    ("WRITE_TIMEOUT_MS", "700"),
    ("REPLICATION_TIMEOUT_MS", "300"),
    // Checkpoints happen while nodes are killed.
    ("CHECKPOINT_LOG_BYTES", "1048576"),
];

#[test]
fn a_leader_and_two_followers_killed_at_random_lose_nothing() {
    let rounds = number("KV_CRASH_ROUNDS", 20);
    let mut dice = Dice(number("KV_CRASH_SEED", 1));
    let mut cluster = DurableCluster::start(5, &SETTINGS);
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        let writers = start_writers(&cluster, round);
        writers[0].goes_on("writes before the crash");
        pass(dice.roll(30));
        let first = 1 + dice.roll(5) as usize;
        let second = 1 + (first + dice.roll(4) as usize) % 5;
        let mut victims = vec![0, first, second];
        victims.rotate_left(dice.roll(3) as usize);
        for victim in &victims {
            cluster.kill(*victim);
            pass(dice.roll(20));
        }
        for victim in &victims {
            cluster.start_again(*victim);
        }
        writers[0].goes_on("writes after the crash");
        acknowledged.extend(writers.into_iter().map(Writer::finish));
        assert_all_there(&cluster, &acknowledged);
    }
    cluster.counts();
    cluster.is_equal();
    assert_all_there(&cluster, &acknowledged);
    println!("{rounds} rounds, {} writes acknowledged, none lost", count(&acknowledged));
}

#[test]
fn all_nodes_killed_at_once_lose_nothing() {
    let rounds = number("KV_CRASH_ROUNDS", 20).div_ceil(5);
    let mut dice = Dice(number("KV_CRASH_SEED", 1) + 1);
    let mut cluster = DurableCluster::start(5, &SETTINGS);
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        let writers = start_writers(&cluster, round);
        writers[0].goes_on("writes before the crash");
        pass(dice.roll(30));
        // As close together as signals can be sent: the others notice nothing.
        let order = dice.roll(6) as usize;
        (0..6).for_each(|index| cluster.kill((index + order) % 6));
        (0..6).for_each(|index| cluster.start_again((index + order) % 6));
        writers[0].goes_on("writes after the crash");
        acknowledged.extend(writers.into_iter().map(Writer::finish));
        assert_all_there(&cluster, &acknowledged);
    }
    cluster.counts();
    cluster.is_equal();
    println!("{rounds} rounds, {} writes acknowledged, none lost", count(&acknowledged));
}

/// Keys are written once; each round has its own.
fn start_writers(cluster: &DurableCluster, round: u64) -> Vec<Writer> {
    (0..3).map(|writer| Writer::start_with(format!("r{round}w{writer}"), cluster.address())).collect()
}

fn assert_all_there(cluster: &DurableCluster, acknowledged: &[Acknowledged]) {
    eventually("the leader serves", || cluster.leader().get("/status").body["phase"] == "serving");
    let held = cluster.leader().dump();
    acknowledged.iter().for_each(|writes| writes.is_in(&held));
}

fn count(acknowledged: &[Acknowledged]) -> usize {
    acknowledged.iter().map(Acknowledged::len).sum()
}

/// Lets so many milliseconds go by: when the crash comes is what the test draws.
fn pass(ms: u64) {
    let start = now();
    eventually("time passes", || start.elapsed() >= Duration::from_millis(ms));
}

#[expect(clippy::disallowed_methods, reason = "how long a test is run is chosen by whoever runs it")]
fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}
