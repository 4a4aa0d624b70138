//! Another W, or another list of followers, at the next start of a leader: of real processes.

use serde_json::Value;

use crate::common::writer::Writer;
use crate::common::{Cluster, Node, eventually};

/// W, and times that are short enough for a follower that is stopped.
fn settings(write_quorum: &str) -> [(&str, &str); 3] {
    [("WRITE_QUORUM", write_quorum), ("WRITE_TIMEOUT_MS", "1000"), ("REPLICATION_TIMEOUT_MS", "300")]
}

/// The leader is killed while it writes; the next one has another W.
fn next_leader(name: &'static str, cluster: Cluster, write_quorum: &str) -> Cluster {
    let writer = Writer::start_with(name, cluster.leader.address);
    writer.goes_on("writes are acknowledged");
    let Cluster { leader, followers } = cluster;
    drop(leader);
    let acknowledged = writer.finish();

    let leader = Cluster::lead(&followers, &settings(write_quorum));
    leader.logged("the leader serves");
    acknowledged.is_in(&leader.dump());
    let next = leader.put("next", name);
    assert_eq!(next.status, 200, "{next:?}");
    assert!(next.body["version"].as_u64() > acknowledged.newest(), "{next:?} after {acknowledged:?}");
    let cluster = Cluster { leader, followers };
    cluster.level();
    cluster
}

/// A leader whose followers have heard that it serves. If it is killed before, they know that its group
/// was on its way in, but not that it came: both groups are in force for the next leader, and the list
/// must keep enough of each.
fn lead_until_all_know(followers: &[Node], write_quorum: &str) -> Node {
    let leader = Cluster::lead(followers, &settings(write_quorum));
    leader.logged("the leader serves");
    assert_eq!(leader.put("news", write_quorum).status, 200);
    let news = leader.get("/kv/news").body;
    eventually("all have heard", || followers.iter().all(|follower| follower.get("/kv/news").body == news));
    leader
}

/// A write that must be acknowledged, sooner or later; one that is late is unknown, and is repeated.
fn writes(leader: &Node, what: &str) {
    eventually(what, || leader.put("probe", what).status == 200);
}

/// A write that must miss its quorum.
fn misses(leader: &Node, required: u64, what: &str) {
    let missed = leader.put("probe", what);
    assert_eq!((missed.status, &missed.body["detail"]["required"]), (503, &required.into()), "{missed:?}");
}

#[test]
fn another_w_is_in_force_after_the_next_start_and_nothing_is_lost() {
    let cluster = Cluster::start(3, &settings("2"));
    let cluster = next_leader("of-2", cluster, "3");
    // Two of three are no longer enough.
    cluster.followers[2].signal("STOP");
    misses(&cluster.leader, 3, "two are up");
    cluster.followers[2].signal("CONT");
    writes(&cluster.leader, "three are up again");

    let cluster = next_leader("of-3", cluster, "1");
    // One of three is enough.
    cluster.followers[1..].iter().for_each(|follower| follower.signal("STOP"));
    writes(&cluster.leader, "one is up");
    assert_eq!(cluster.leader.put("alone", "x").body["acks"], 1);
    cluster.followers[1..].iter().for_each(|follower| follower.signal("CONT"));
    let cluster = next_leader("of-1", cluster, "2");
    cluster.counts();
    cluster.is_equal();
}

#[test]
fn a_follower_is_taken_out_and_a_new_one_is_added() {
    let Cluster { leader, mut followers } = Cluster::start(3, &settings("2"));
    let writer = Writer::start(leader.address);
    writer.goes_on("writes are acknowledged");
    drop(leader);
    let acknowledged = writer.finish();

    let out = followers.pop().unwrap();
    let leader = Cluster::lead(&followers, &settings("2"));
    leader.logged("the leader serves");
    acknowledged.is_in(&leader.dump());
    // Both that are left must acknowledge, and the one that is out is not asked.
    assert_eq!(leader.put("without", "x").body["acks"], 2);
    assert_eq!(out.get("/kv/without").status, 404);
    drop(out);
    drop(leader);

    followers.push(Node::follower());
    let leader = Cluster::lead(&followers, &settings("2"));
    leader.logged("the leader serves");
    let cluster = Cluster { leader, followers };
    cluster.counts();
    acknowledged.is_in(&cluster.followers[2].dump());
    assert_eq!(cluster.followers[2].get("/kv/without").status, 200);
    cluster.is_equal();
    // It counts for W, as the others do...
    cluster.followers[1].signal("STOP");
    writes(&cluster.leader, "the new one acknowledges");
    cluster.followers[1].signal("CONT");
    // ...and for the next start: of a, b and the new one, two must have kept their memory.
    let Cluster { leader, mut followers } = cluster;
    drop(leader);
    let lost = followers.remove(0);
    let address = lost.address;
    drop(lost);
    followers.insert(0, Node::follower_again(address));
    let leader = Cluster::lead(&followers, &settings("2"));
    leader.logged("the leader serves");
    acknowledged.is_in(&leader.dump());
    let cluster = Cluster { leader, followers };
    cluster.counts();
    cluster.is_equal();
}

#[test]
fn a_changed_w_waits_for_a_follower_that_is_down_and_says_so() {
    let mut cluster = Cluster::start(3, &settings("2"));
    let written = cluster.leader.put("k", "v");
    assert_eq!(written.status, 200, "{written:?}");
    let down = cluster.followers.remove(2);
    let (address, url) = (down.address, down.url());
    drop(down);

    let urls = format!("{},{url}", crate::common::urls(&cluster.followers));
    let mut changed = settings("1").to_vec();
    changed.push(("FOLLOWER_URLS", &urls));
    let waiting = Node::start(&changed);
    waiting.waits_because("W or the list of followers has changed: waiting for an answer of follower 3");
    let status = waiting.get("/status").body;
    let links = status["followers"].as_array().unwrap();
    assert_eq!((&links[2]["url"], &links[2]["state"]), (&Value::from(url.as_str()), &"down".into()));
    assert!(links[2]["last_error"].is_string(), "{status:#}");
    // It has not asked for any promise: the leader that it is to follow goes on.
    assert_eq!(cluster.leader.put("k", "w").status, 200);

    cluster.followers.push(Node::follower_again(address));
    waiting.logged("the leader serves");
    eventually("the older one knows", || cluster.leader.get("/status").body["phase"] == "deposed");
    cluster.leader = waiting;
    assert_eq!(cluster.leader.get("/kv/k").body["value"], "w");
    assert!(cluster.leader.get("/readyz?verbose").text.contains("[+]recovered ok"));
    assert!(cluster.leader.get("/status").body["problem"].is_null());
    cluster.counts();
    cluster.is_equal();
}

/// Of five with W = 3, three must stay, so that nobody can go on with the old list unawares.
#[test]
fn a_list_that_keeps_too_few_is_refused_and_the_last_one_still_works() {
    let Cluster { leader, followers } = Cluster::start(5, &settings("3"));
    assert_eq!(leader.put("k", "v").status, 200);
    let refused = Cluster::lead(&followers[..2], &settings("2"));
    refused.waits_because(
        "2 of the followers of the last list are in this one, and 3 must be: change fewer at a time (if none \
         may go, lower W first), or go on as a new cluster with ACCEPT_DATA_LOSS",
    );
    assert_eq!(leader.put("k", "w").status, 200, "nothing was taken from the leader that there is");
    drop(refused);
    drop(leader);

    let leader = Cluster::lead(&followers, &settings("3"));
    leader.logged("the leader serves");
    assert_eq!(leader.get("/kv/k").body["value"], "w");
    assert_eq!(leader.put("k", "x").status, 200);
    let cluster = Cluster { leader, followers };
    cluster.is_equal();
    // Fewer at a time: first to three, then to two.
    let Cluster { mut leader, mut followers } = cluster;
    for (count, write_quorum) in [(3, "2"), (2, "1")] {
        drop(leader);
        followers.truncate(count);
        leader = lead_until_all_know(&followers, write_quorum);
        assert_eq!(leader.get("/kv/k").body["value"], "x");
    }
    let cluster = Cluster { leader, followers };
    cluster.counts();
    cluster.is_equal();
}

/// With W = N every follower may be the only one that a leader with the old settings would ask, so none
/// may go before W is lower.
#[test]
fn with_w_of_all_followers_w_goes_down_before_a_follower_goes() {
    let Cluster { leader, mut followers } = Cluster::start(3, &settings("3"));
    assert_eq!(leader.put("k", "v").status, 200);
    drop(leader);
    let refused = Cluster::lead(&followers[..2], &settings("2"));
    refused.waits_because("2 of the followers of the last list are in this one, and 3 must be");
    drop(refused);

    let leader = lead_until_all_know(&followers, "2");
    drop(leader);
    followers.truncate(2);
    let leader = lead_until_all_know(&followers, "2");
    assert_eq!(leader.get("/kv/k").body["value"], "v");
    Cluster { leader, followers }.is_equal();
}
