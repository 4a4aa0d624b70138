//! What each level of reading shows, on real processes: stale and dirty reads made on purpose, and the
//! levels that rule them out.

use std::thread;

use serde_json::json;

use crate::common::{Cluster, Node, eventually, open, request};

/// A write on a thread of its own: it is answered when its quorum is there.
fn put_beside(
    leader: std::net::SocketAddr,
    key: &str,
    value: &str,
) -> thread::JoinHandle<crate::common::Answer> {
    let (path, body) = (format!("/kv/{key}"), json!({ "value": value }));
    thread::spawn(move || request(leader, "PUT", &path, Some(body)).unwrap())
}

/// The delay of an entry on its way is what makes a follower stale: with W = 1 of 2 a write is
/// acknowledged by the faster one.
#[test]
fn a_stale_read_is_seen_with_local_and_never_with_min_version() {
    let delays = [("WRITE_QUORUM", "1"), ("MAX_DELAY_MS", "120"), ("SEED", "7")];
    let cluster = Cluster::start(2, &delays);
    let mut stale = 0;
    for write in 1..=30_u64 {
        let written = cluster.leader.put("k", &write.to_string());
        assert_eq!((written.status, written.body["version"].as_u64()), (200, Some(write)), "{written:?}");
        for follower in &cluster.followers {
            let local = follower.get("/kv/k?consistency=local");
            // What it says of itself tells that it is stale.
            let version: u64 = local.header("kv-version").unwrap().parse().unwrap();
            let shown = local.body["version"].as_u64().unwrap_or(0);
            assert!(shown >= version, "only one key is written: {local:?}");
            stale += usize::from(shown < write);
        }
        for follower in &cluster.followers {
            for level in ["local", "committed"] {
                let path = format!("/kv/k?consistency={level}&min_version={write}&timeout_ms=30000");
                let read = follower.get(&path);
                assert_eq!(read.body, json!({ "value": write.to_string(), "version": write }), "{read:?}");
            }
        }
    }
    assert!(stale > 0, "with these delays some reads must be stale");
}

/// With W = 2 of 2 and one follower stopped, what the other holds is not committed.
#[test]
fn a_dirty_read_is_seen_with_local_and_never_with_committed() {
    let settings =
        [("WRITE_QUORUM", "2"), ("WRITE_TIMEOUT_MS", "30000"), ("REPLICATION_TIMEOUT_MS", "30000")];
    let cluster = Cluster::start(2, &settings);
    assert_eq!(cluster.leader.put("k", "clean").status, 200);
    cluster.followers[1].signal("STOP");
    let writer = put_beside(cluster.leader.address, "k", "dirty");
    let dirty = &cluster.followers[0];
    eventually("the dirty value is there", || dirty.get("/kv/k").body["value"] == "dirty");
    let clean = json!({ "value": "clean", "version": 1 });
    for read in [dirty.get("/kv/k?consistency=committed"), cluster.leader.get("/kv/k")] {
        assert_eq!(read.body, clean, "{read:?}");
    }
    assert_eq!(dirty.get("/kv?consistency=committed").body, json!({ "k": clean }));
    assert_eq!(dirty.get("/kv").body["k"]["value"], "dirty");

    cluster.followers[1].signal("CONT");
    assert_eq!(writer.join().unwrap().status, 200);
    let read = dirty.get("/kv/k?consistency=committed&min_version=2&timeout_ms=30000");
    assert_eq!(read.body, json!({ "value": "dirty", "version": 2 }), "by now it is clean");
}

#[test]
fn a_deleted_key_stays_deleted_on_every_node_and_through_a_restart() {
    let mut cluster = Cluster::start(3, &[("WRITE_QUORUM", "2"), ("MAX_DELAY_MS", "30")]);
    for key in ["gone", "kept"] {
        assert_eq!(cluster.leader.put(key, "v").status, 200);
    }
    let deleted = cluster.leader.request("DELETE", "/kv/gone", None);
    assert_eq!((deleted.status, &deleted.body["deleted"]), (200, &json!(true)), "{deleted:?}");
    let again = cluster.leader.request("DELETE", "/kv/gone", None);
    assert_eq!((again.status, again.body), (200, json!({ "key": "gone", "deleted": false })));
    let left = json!({ "kept": { "value": "v", "version": 2 } });
    for follower in &cluster.followers {
        let path = "/kv?consistency=committed&min_version=3&timeout_ms=30000";
        assert_eq!(follower.get(path).body, left, "late puts change nothing");
        assert_eq!(follower.request("DELETE", "/kv/kept", None).status, 405);
    }
    // A follower that comes back empty, and then a leader that does.
    let lost = cluster.followers.remove(2);
    let address = lost.address;
    drop(lost);
    cluster.followers.push(Node::follower_again(address));
    cluster.level();
    cluster.counts();
    let Cluster { leader, followers } = cluster;
    drop(leader);
    let leader = Cluster::lead(&followers, &[("WRITE_QUORUM", "2")]);
    let cluster = Cluster { leader, followers };
    eventually("the leader has recovered", || cluster.leader.get("/readyz?sync").status == 200);
    assert_eq!(cluster.leader.dump(), left);
    cluster.level();
}

/// The first leader is stopped, another one takes over and writes. Continued, the first one does not know:
/// with `local` it shows what it has, with `linearizable` it finds out that it must not.
#[test]
fn a_leader_that_was_replaced_shows_nothing_old_to_a_linearizable_read() {
    let settings = [("WRITE_QUORUM", "2"), ("WRITE_TIMEOUT_MS", "5000")];
    let Cluster { leader: first, followers } = Cluster::start(3, &settings);
    assert_eq!(first.put("k", "old").status, 200);
    let old = json!({ "value": "old", "version": 1 });
    assert_eq!(first.get("/kv/k?consistency=linearizable").body, old);

    first.signal("STOP");
    let second = Cluster::lead(&followers, &settings);
    second.logged("the leader serves");
    let written = second.put("k", "new");
    assert_eq!((written.status, &written.body["version"]), (200, &json!(2)), "{written:?}");
    // The system takes the connections, in this order: the first leader finds both when it goes on.
    let ask = |path: &str| open(first.address, path);
    let (local, linearizable) =
        (ask("/kv/k?consistency=local"), ask("/kv/k?consistency=linearizable&timeout_ms=30000"));
    first.signal("CONT");
    let refused = linearizable.answer();
    assert_eq!((refused.status, refused.body["code"].as_str()), (503, Some("no_quorum")), "{refused:?}");
    let local = local.answer();
    assert_eq!((local.status, &local.body), (200, &old), "nobody was asked");

    // By now it knows, and refuses at once.
    assert_eq!(first.get("/status").body["phase"], "deposed");
    assert_eq!(first.get("/kv/k?consistency=linearizable").status, 503);
    assert_eq!(first.get("/kv/k").body, old);
    let new = json!({ "value": "new", "version": 2 });
    assert_eq!(second.get("/kv/k?consistency=linearizable").body, new);
    for follower in &followers {
        let refused = follower.get("/kv/k?consistency=linearizable");
        assert_eq!((refused.status, refused.body["code"].as_str()), (405, Some("not_leader")));
    }
}

/// A leader that cannot reach W followers does not know whether it still leads.
#[test]
fn a_leader_that_is_cut_off_answers_only_what_needs_nobody() {
    let cluster = Cluster::start(3, &[("WRITE_QUORUM", "2"), ("REPLICATION_TIMEOUT_MS", "300")]);
    assert_eq!(cluster.leader.put("k", "v").status, 200);
    let linearizable = || cluster.leader.get("/kv/k?consistency=linearizable&timeout_ms=500");
    cluster.followers[0].signal("STOP");
    assert_eq!(linearizable().status, 200, "two confirm");
    cluster.followers[1].signal("STOP");
    let refused = linearizable();
    assert_eq!((refused.status, refused.body["code"].as_str()), (503, Some("no_quorum")), "{refused:?}");
    for level in ["local", "committed"] {
        assert_eq!(cluster.leader.get(&format!("/kv/k?consistency={level}")).body["value"], "v");
    }
    cluster.followers[..2].iter().for_each(|follower| follower.signal("CONT"));
    eventually("two confirm again", || linearizable().status == 200);
}
