//! The report's own integration test, over real sockets: what is written through the leader is on
//! every follower, as it is on the leader; with and without the simulated delays. And the rest that
//! the report shows: health, dump, its `/replicate`, `/reset`.

use std::time::Duration;

use kv_http::{Node, ServerConfig};
use kv_replication::DelayLaw;
use serde_json::{Value, json};

use crate::common::raw::{Raw, ask, get, post_json, put, request};
use crate::common::{Cluster, Server, eventually, follower, serve_follower};

/// `assert follower_data == leader_data`, for one key.
async fn until_every_follower_has(cluster: &Cluster, key: &str, expected: &Value) {
    for server in &cluster.followers {
        eventually("the follower has it", async || {
            let found = get(server.address, &format!("/kv/{key}")).await;
            found.status == 200 && found.json() == *expected
        })
        .await;
    }
}

async fn leader_replication_reaches_all_followers(cluster: &Cluster) {
    let (key, value) = ("integration-key", "value-1");
    let written = cluster.put(key, value).await;
    assert_eq!(written.status, 200);
    let acks = written.json()["acks"].as_u64().unwrap();
    assert!((3..=5).contains(&acks), "{acks} acks");
    assert_eq!(written.json(), json!({ "key": key, "value": value, "version": 1, "acks": acks }));

    let leader = cluster.get(key).await;
    assert_eq!((leader.status, leader.header("etag")), (200, Some("\"1\"")));
    assert_eq!(leader.json(), json!({ "value": value, "version": 1 }));
    until_every_follower_has(cluster, key, &leader.json()).await;
}

#[tokio::test]
async fn without_delays_a_write_reaches_every_follower() {
    leader_replication_reaches_all_followers(&Cluster::start(5, 3).await).await;
}

#[tokio::test]
async fn with_random_delays_a_write_reaches_every_follower() {
    for seed in 1..=3 {
        let delays = DelayLaw::uniform(seed, Duration::ZERO, Duration::from_millis(50)).unwrap();
        let cluster = Cluster::with(5, 3, |setup| setup.leader.delays = delays).await;
        leader_replication_reaches_all_followers(&cluster).await;
    }
}

/// Entries overtake each other on delayed links; the highest version wins everywhere.
#[tokio::test]
async fn the_last_of_many_writes_to_a_key_wins_on_every_node() {
    let delays = DelayLaw::uniform(4, Duration::ZERO, Duration::from_millis(50)).unwrap();
    let cluster = Cluster::with(5, 1, |setup| setup.leader.delays = delays).await;
    for round in 1..=10 {
        for key in ["a", "b"] {
            assert_eq!(cluster.put(key, &format!("{key}{round}")).await.status, 200);
        }
    }
    let dump = cluster.until_equal().await;
    let expected = json!({ "a": { "value": "a10", "version": 19 }, "b": { "value": "b10", "version": 20 } });
    assert_eq!(dump, expected);
}

#[tokio::test]
async fn a_leader_alone_needs_nobody() {
    let cluster = Cluster::start(0, 0).await;
    let written = cluster.put("k", "v").await;
    assert_eq!(written.json(), json!({ "key": "k", "value": "v", "version": 1, "acks": 0 }));
    assert_eq!(cluster.get("k").await.json(), json!({ "value": "v", "version": 1 }));
}

#[tokio::test]
async fn health_says_the_role_and_a_dump_says_everything_in_key_order() {
    let cluster = Cluster::start(2, 2).await;
    let (leader, follower) = (cluster.leader.address, cluster.followers[0].address);
    assert_eq!(get(leader, "/health").await.text(), r#"{"status":"ok","role":"leader"}"#);
    assert_eq!(get(follower, "/health").await.text(), r#"{"status":"ok","role":"follower"}"#);

    for address in [leader, follower] {
        let empty = get(address, "/kv").await;
        assert_eq!((empty.status, empty.text().as_str()), (200, "{}"));
        assert_eq!(empty.header("content-type"), Some("application/json"));
    }
    for (key, value) in [("b", "2"), ("a%2Fz", "1"), ("%C3%B6", "3")] {
        assert_eq!(cluster.put(key, value).await.status, 200);
    }
    cluster.until_equal().await;
    let dump =
        r#"{"a/z":{"value":"1","version":2},"b":{"value":"2","version":1},"ö":{"value":"3","version":3}}"#;
    for address in [leader, follower] {
        assert_eq!(get(address, "/kv").await.text(), dump);
    }
}

#[tokio::test]
async fn the_reports_leader_can_drive_a_follower_that_nobody_has_claimed() {
    let (server, _node) = serve_follower(1).await;
    let replicate = async |value: &str, version: u64| {
        let body = json!({ "key": "a/b", "value": value, "version": version });
        let reply = post_json(server.address, "/replicate", &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    };
    let held = async || get(server.address, "/kv/a/b").await.json();

    assert_eq!(replicate("five", 5).await, json!({ "key": "a/b", "version": 5 }), "fresh");
    assert_eq!(replicate("three", 3).await, json!({ "key": "a/b", "version": 5 }), "stale");
    assert_eq!(held().await, json!({ "value": "five", "version": 5 }));
    assert_eq!(replicate("other", 5).await, json!({ "key": "a/b", "version": 5 }), "equal");
    assert_eq!(held().await, json!({ "value": "five", "version": 5 }), "what came first stays");
    assert_eq!(replicate("nine", 9).await, json!({ "key": "a/b", "version": 9 }), "newer");
    assert_eq!(held().await, json!({ "value": "nine", "version": 9 }));
}

#[tokio::test]
async fn a_claimed_follower_takes_nothing_from_the_reports_leader() {
    let cluster = Cluster::start(1, 1).await;
    assert_eq!(cluster.put("k", "v").await.status, 200);
    let before = cluster.until_equal().await;
    let follower = cluster.followers[0].address;

    let held = post_json(follower, "/replicate", &json!({ "key": "k", "value": "v", "version": 1 })).await;
    assert_eq!((held.status, held.json()), (200, json!({ "key": "k", "version": 1 })));

    let newer = post_json(follower, "/replicate", &json!({ "key": "k", "value": "x", "version": 2 })).await;
    assert_eq!((newer.status, newer.json()["code"].as_str()), (409, Some("stale_epoch")));
    assert_eq!(get(follower, "/kv").await.json(), before);

    let body = json!({ "key": "k", "value": "v", "version": 1 });
    let leader = post_json(cluster.leader.address, "/replicate", &body).await;
    assert_eq!((leader.status, leader.json()["detail"].as_str()), (405, Some("Follower only")));
}

#[tokio::test]
async fn a_reset_on_the_leader_empties_every_node_and_versions_go_on() {
    let cluster = Cluster::start(3, 2).await;
    for key in ["a", "b"] {
        assert_eq!(cluster.put(key, "old").await.status, 200);
    }
    cluster.until_equal().await;

    let reset = ask(cluster.leader.address, &request("POST", "/reset", &[], None)).await;
    assert_eq!((reset.status, reset.text().as_str()), (200, r#"{"status":"ok"}"#));
    assert_eq!(cluster.until_equal().await, json!({}));
    assert_eq!(cluster.get("a").await.status, 404);

    let written = cluster.put("a", "new").await.json();
    assert!(written["version"].as_u64().unwrap() > 2, "{written}");
    let dump = json!({ "a": { "value": "new", "version": written["version"] } });
    assert_eq!(cluster.until_equal().await, dump);
}

#[tokio::test]
async fn a_reset_follower_drops_its_copy_and_catches_up_without_a_new_write() {
    let cluster = Cluster::with(2, 2, |setup| setup.gated = true).await;
    for key in ["a", "b", "c"] {
        assert_eq!(cluster.put(key, "v").await.status, 200);
    }
    let full = cluster.until_equal().await;
    let follower = cluster.followers[1].address;

    // Behind a frozen wire the copy stays dropped for as long as one likes to look.
    cluster.gates[1].freeze();
    let reset = ask(follower, &request("POST", "/reset", &[], None)).await;
    assert_eq!((reset.status, reset.text().as_str()), (200, r#"{"status":"ok"}"#));
    assert_eq!(get(follower, "/kv").await.json(), json!({}));
    assert_eq!(get(cluster.leader.address, "/kv").await.json(), full, "only the copy is dropped");

    cluster.gates[1].thaw();
    assert_eq!(cluster.until_equal().await, full);
    assert_eq!(cluster.handle.versions().0, 3, "nothing was written");
}

#[tokio::test]
async fn a_reset_that_is_switched_off_is_refused_and_empties_nothing() {
    let cluster = Cluster::with(1, 1, |setup| setup.server.enable_reset = false).await;
    assert_eq!(cluster.put("k", "v").await.status, 200);
    let before = cluster.until_equal().await;
    for address in [cluster.leader.address, cluster.followers[0].address] {
        let refused = ask(address, &request("POST", "/reset", &[], None)).await;
        assert_eq!((refused.status, refused.json()["code"].as_str()), (403, Some("forbidden")));
        assert_eq!(refused.json()["outcome"], "not_applied");
        assert_eq!(get(address, "/kv").await.json(), before);
    }
}

/// The report's follower answers on one connection what its leader wrote over others.
#[tokio::test]
async fn a_reset_follower_that_nobody_has_claimed_is_simply_empty() {
    let config = ServerConfig::default();
    let server = Server::start(Node::follower(follower(1)), config).await;
    let body = json!({ "key": "k", "value": "v", "version": 7 });
    assert_eq!(post_json(server.address, "/replicate", &body).await.status, 200);
    let mut connection = Raw::open(server.address).await;
    for (method, path, answer) in [
        ("GET", "/kv", r#"{"k":{"value":"v","version":7}}"#),
        ("POST", "/reset", r#"{"status":"ok"}"#),
        ("GET", "/kv", "{}"),
    ] {
        connection.send(&request(method, path, &[], None)).await;
        assert_eq!(connection.reply().await.text(), answer);
    }
    assert_eq!(put(server.address, "k", "v").await.status, 405);
}
