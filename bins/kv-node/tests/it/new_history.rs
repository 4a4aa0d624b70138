//! Where a history begins, and where two of them meet: real processes.

use serde_json::json;

use crate::common::{Cluster, Node, eventually, urls};

const SETTINGS: [(&str, &str); 3] =
    [("WRITE_QUORUM", "2"), ("WRITE_TIMEOUT_MS", "1000"), ("REPLICATION_TIMEOUT_MS", "300")];

/// A leader that may begin anew without followers that do not answer.
fn lead_anew(followers: &[Node]) -> Node {
    let urls = urls(followers);
    let mut variables = SETTINGS.to_vec();
    variables.push(("FOLLOWER_URLS", &urls));
    let leader = Node::start_with_flags(&["--new-history"], &variables);
    leader.logged("the leader serves");
    leader
}

/// Nobody can know whether the one that does not answer has data; the operator may.
#[test]
fn a_history_begins_without_a_follower_only_if_the_operator_says_so() {
    let mut followers: Vec<Node> = (0..3).map(|_| Node::follower()).collect();
    followers[2].signal("STOP");
    let waiting = Cluster::lead(&followers, &SETTINGS);
    waiting.waits_because("waiting for an answer of follower 3");
    let status = waiting.get("/status").body;
    assert_eq!(status["followers"][2]["url"], followers[2].url(), "{status:#}");
    assert_eq!(status["followers"][2]["last_error"], "no answer in time", "{status:#}");
    drop(waiting);

    let leader = lead_anew(&followers);
    assert_eq!(leader.put("k", "v").body["acks"], 2);
    let late = followers.pop().unwrap();
    let address = late.address;
    drop(late);
    followers.push(Node::follower_again(address));
    let cluster = Cluster { leader, followers };
    cluster.counts();
    cluster.level();
    cluster.is_equal();
    // From now on it is one of those that a write may rest on.
    cluster.followers[0].signal("STOP");
    eventually("the late one acknowledges", || cluster.leader.put("k", "w").status == 200);
    cluster.followers[0].signal("CONT");
}

/// Follower 3 belongs to another cluster and did not answer when the history began. It is refused and
/// shown, keeps what it has, and goes on serving the leader that it belongs to.
#[test]
fn a_follower_with_a_foreign_history_is_never_wiped_and_joins_after_a_reset() {
    let others = Cluster::start(1, &[("WRITE_QUORUM", "1"), ("WRITE_TIMEOUT_MS", "5000")]);
    assert_eq!(others.leader.put("theirs", "v").status, 200);
    let Cluster { leader: other_leader, followers: mut foreign } = others;
    foreign[0].signal("STOP");
    let mut followers = vec![Node::follower(), Node::follower()];
    followers.append(&mut foreign);
    let mut leader = lead_anew(&followers);
    assert_eq!(leader.put("ours", "v").status, 200);
    // So that its epoch is above what the foreign one has promised.
    drop(leader);
    leader = Cluster::lead(&followers, &SETTINGS);
    leader.logged("the leader serves");

    let foreign = &followers[2];
    foreign.signal("CONT");
    let foreign_cluster = other_leader.get("/status").body["cluster_id"].as_str().unwrap().to_owned();
    let refusal = format!("the follower holds data of another history (cluster {foreign_cluster})");
    assert!(leader.logged(&refusal).contains("follower=3"));
    let link = leader.get("/status").body["followers"][2].clone();
    assert!(link["last_error"] == refusal && link["state"] != "streaming", "{link:#}");
    eventually("its own leader reaches it again", || other_leader.put("theirs", "w").status == 200);
    assert_eq!(foreign.dump().as_object().unwrap().keys().collect::<Vec<_>>(), ["theirs"]);
    assert_eq!(foreign.get("/status").body["cluster_id"], foreign_cluster);
    // What cannot be compared is not equal.
    let parity = leader.get("/parity?timeout_ms=1000");
    assert_eq!((parity.status, &parity.body["code"]), (503, &json!("could_not_compare")), "{parity:?}");
    assert_eq!(leader.put("ours", "w").status, 200);

    // Only this empties it. Its own leader is gone, or would fill it again.
    drop(other_leader);
    let reset = foreign.request("POST", "/reset", None);
    assert_eq!(reset.status, 200, "{reset:?}");
    let cluster = Cluster { leader, followers };
    cluster.counts();
    cluster.level();
    cluster.is_equal();
    assert_eq!(cluster.followers[2].get("/kv/theirs").status, 404);
}

/// As above, but the epoch of its own leader was higher: what it has promised there concerns nobody here.
#[test]
fn a_follower_with_a_foreign_history_that_is_reset_deposes_nobody() {
    let Cluster { leader: first, followers: mut foreign } = Cluster::start(1, &[("WRITE_QUORUM", "1")]);
    assert_eq!(first.put("theirs", "v").status, 200);
    drop(first);
    let second = Cluster::lead(&foreign, &[("WRITE_QUORUM", "1")]);
    second.logged("the leader serves");
    drop(second);
    foreign[0].signal("STOP");
    let mut followers = vec![Node::follower(), Node::follower()];
    followers.append(&mut foreign);
    let leader = lead_anew(&followers);
    followers[2].signal("CONT");
    leader.logged("the follower holds data of another history");
    assert_eq!(followers[2].request("POST", "/reset", None).status, 200);
    let cluster = Cluster { leader, followers };
    cluster.counts();
    cluster.is_equal();
}

/// A leader without memory that is given the followers of two clusters belongs to neither.
#[test]
fn of_two_histories_the_operator_chooses_one() {
    let lone = |key: &str| {
        let cluster = Cluster::start(1, &[("WRITE_QUORUM", "1")]);
        assert_eq!(cluster.leader.put(key, "v").status, 200);
        let Cluster { leader, mut followers } = cluster;
        let id = leader.get("/status").body["cluster_id"].as_str().unwrap().to_owned();
        (followers.pop().unwrap(), id)
    };
    let ((one, one_id), (other, other_id)) = (lone("one"), lone("other"));
    let followers = vec![one, other];
    let leader = Cluster::lead(&followers, &[("WRITE_QUORUM", "1"), ("ACCEPT_DATA_LOSS", "true")]);
    leader.waits_because(&format!(
        "the followers hold two histories, of cluster {one_id} and of cluster {other_id}: empty those of one \
         with POST /reset"
    ));
    for (follower, key) in followers.iter().zip(["one", "other"]) {
        assert_eq!(follower.dump().as_object().unwrap().keys().collect::<Vec<_>>(), [key]);
    }
    assert_eq!(followers[1].request("POST", "/reset", None).status, 200);
    leader.logged("the leader serves");
    assert_eq!((leader.get("/kv/one").status, leader.get("/kv/other").status), (200, 404));
    let cluster = Cluster { leader, followers };
    cluster.counts();
    cluster.is_equal();
}
