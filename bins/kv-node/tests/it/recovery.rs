//! Real processes that are killed, stopped and started again, in memory mode.

use std::time::Duration;

use crate::common::writer::Writer;
use crate::common::{Cluster, Node, eventually, now};

const SETTINGS: [(&str, &str); 2] = [("WRITE_QUORUM", "3"), ("WRITE_TIMEOUT_MS", "2000")];

#[test]
fn nothing_acknowledged_is_lost_when_followers_and_then_the_leader_are_killed() {
    let mut cluster = Cluster::start(5, &SETTINGS);
    let writer = Writer::start(cluster.leader.address);
    writer.goes_on("writes are acknowledged");
    let mut dead: Vec<_> = cluster.followers.drain(..2).map(|follower| follower.address).collect();
    writer.goes_on("writes go on with two followers killed");

    dead.push(cluster.followers.remove(0).address);
    eventually("the third loss is seen", || {
        let start = now();
        let refused = cluster.leader.put("probe", "x");
        assert!(start.elapsed() < Duration::from_secs(4), "nothing hangs");
        let code = refused.body["code"].as_str().unwrap_or_default().to_owned();
        refused.status == 503 && (code == "no_quorum" || code == "quorum_timeout")
    });
    let acknowledged = writer.finish();

    let back = now();
    cluster.followers.extend(dead.into_iter().map(Node::follower_again));
    cluster.level(); // without a new write
    assert!(back.elapsed() < Duration::from_secs(10), "{:?}", back.elapsed());
    cluster.counts();

    let newest = cluster.leader.get("/status").body["versions"]["assigned"].as_u64().unwrap();
    let Cluster { leader, followers } = cluster;
    drop(leader);
    // In the order of before: another list would be another group, which is a different story.
    let urls = followers;
    let leader = Cluster::lead(&urls, &SETTINGS);
    let cluster = Cluster { leader, followers: urls };
    eventually("the leader has recovered", || cluster.leader.get("/readyz").status == 200);
    acknowledged.is_in(&cluster.leader.dump());
    let next = cluster.leader.put("next", "x");
    assert!(next.body["version"].as_u64().unwrap() > newest, "{next:?} after {newest}");
    cluster.level();
}

#[test]
fn a_follower_that_is_stopped_and_continued_comes_back_level() {
    let settings = [SETTINGS[0], SETTINGS[1], ("REPLICATION_TIMEOUT_MS", "300")];
    let cluster = Cluster::start(5, &settings);
    let writer = Writer::start(cluster.leader.address);
    writer.goes_on("writes are acknowledged");
    cluster.followers[0].signal("STOP");
    writer.goes_on("writes go on with one follower stopped");
    cluster.followers[0].signal("CONT");
    writer.goes_on("writes go on with all");
    writer.finish();
    cluster.level();
}

#[test]
fn of_two_leaders_only_the_newer_one_is_acknowledged() {
    let cluster = Cluster::start(3, &[("WRITE_QUORUM", "2"), ("WRITE_TIMEOUT_MS", "1000")]);
    assert_eq!(cluster.leader.put("k", "first").status, 200);
    let second = Cluster::lead(&cluster.followers, &[("WRITE_QUORUM", "2"), ("WRITE_TIMEOUT_MS", "1000")]);
    eventually("the second leader serves", || second.get("/readyz").status == 200);
    assert_eq!(second.get("/kv/k").body["value"], "first");
    let refused = cluster.leader.put("k", "old");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(second.put("k", "new").status, 200);
    eventually("the first leader knows", || {
        cluster.leader.get("/status").body["phase"] == "deposed"
            && cluster.leader.get("/readyz").status == 503
    });
    let refused = cluster.leader.put("k", "old");
    assert_eq!((refused.status, refused.body["code"].as_str()), (503, Some("no_quorum")), "{refused:?}");
    assert_eq!(second.get("/kv/k").body["value"], "new");
}

/// Too few have kept their memory: the leader waits and says so, until the operator accepts the loss.
#[test]
fn data_is_given_up_only_if_the_operator_says_so() {
    let Cluster { leader, mut followers } = Cluster::start(3, &[("WRITE_QUORUM", "2")]);
    assert_eq!(leader.put("k", "v").status, 200);
    eventually("everybody has it", || followers.iter().all(|one| one.get("/kv/k").status == 200));
    drop(leader);
    let lost: Vec<_> = followers.drain(..2).map(|follower| follower.address).collect();
    let mut all: Vec<Node> = lost.into_iter().map(Node::follower_again).collect();
    all.append(&mut followers);

    let leader = Cluster::lead(&all, &[("WRITE_QUORUM", "2"), ("WRITE_TIMEOUT_MS", "500")]);
    leader.waits_because("1 follower has answered and kept its memory, and 2 are needed");
    drop(leader);

    let settings = [("WRITE_QUORUM", "2"), ("ACCEPT_DATA_LOSS", "true")];
    let cluster = Cluster { leader: Cluster::lead(&all, &settings), followers: all };
    eventually("it serves", || cluster.leader.get("/readyz").status == 200);
    assert_eq!(cluster.leader.get("/kv/k").body["value"], "v", "what was left is there");
    assert_eq!(cluster.leader.put("k2", "v").status, 200);
    cluster.level();
}
