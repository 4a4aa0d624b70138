//! `kv-bench parity`: what it says, and its exit codes.

use kv_replication::{DelayLaw, Quorum};

use crate::common::{Servers, kv_bench};

fn parity(leader: &str, seconds: &str) -> crate::common::Ended {
    kv_bench(&["parity", "--url", leader, "--timeout", seconds])
}

#[test]
fn equal_nodes_are_0() {
    let servers = Servers::start(Quorum::new(3, 2).unwrap(), DelayLaw::NONE);
    servers.put("k", "v");
    let ended = parity(&servers.leader, "30");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert!(lines[0].starts_with("Node") && lines[1].starts_with("leader "), "{lines:?}");
    assert!(lines[2].starts_with(&servers.followers[0]), "{lines:?}");
    assert_eq!(lines.last(), Some(&"equal at version 1"));
}

/// The other cluster here has the same id and the same epoch, and its follower another value.
#[test]
fn different_nodes_are_1_and_the_keys_are_named() {
    let quorum = Quorum::new(1, 1).unwrap();
    let others = Servers::start(quorum, DelayLaw::NONE);
    let servers = Servers::comparing(quorum, DelayLaw::NONE, &[&others.followers[0]]);
    for (key, value) in [("same", "v"), ("k", "one"), ("only-here", "v")] {
        servers.put(key, value);
    }
    for (key, value) in [("same", "v"), ("k", "other"), ("only-there", "v")] {
        others.put(key, value);
    }
    let ended = parity(&servers.leader, "30");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.stderr, "kv-bench: the nodes are not equal\n");
    for line in ["key \"k\"", "key \"only-here\"", "key \"only-there\"", "different at version 3: these keys"]
    {
        assert!(ended.stdout.lines().any(|found| found == line), "{line} is not in {}", ended.stdout);
    }
    assert!(!ended.stdout.contains("key \"same\""), "{}", ended.stdout);
    assert_eq!(ended.stdout.lines().filter(|line| line.ends_with("absent")).count(), 3, "{}", ended.stdout);
}

#[test]
fn what_could_not_be_compared_is_3() {
    // Nobody listens there; nobody there is a leader; a follower that does not answer.
    let ended = parity("http://127.0.0.1:1", "1");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""), "{ended:?}");
    assert!(ended.stderr.contains("cannot connect"), "{ended:?}");

    let servers = Servers::comparing(Quorum::new(1, 1).unwrap(), DelayLaw::NONE, &["http://127.0.0.1:1"]);
    let ended = parity(&servers.followers[0], "1");
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let ended = parity(&servers.leader, "5");
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stdout.ends_with("could not compare\n"), "{ended:?}");
    assert!(ended.stderr.starts_with("kv-bench: could not compare: http://127.0.0.1:1: "), "{ended:?}");

    assert_eq!(kv_bench(&["parity"]).code, Some(2), "without a leader to ask");
}
