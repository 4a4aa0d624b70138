//! `GET /parity`: equal, different, and not known to be either.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kv_core::{Command, Key, Version};
use kv_http::{Node, ServerConfig};
use kv_replication::engine::FollowerHandle;
use kv_replication::{Append, Claim, Group, Head, Request, Stage};
use serde_json::{Value, json};

use crate::common::raw::{Raw, get, put, put_request, request};
use crate::common::{CLUSTER, Cluster, PATIENCE, Server, eventually, node_address, serve_follower};

/// A follower that holds, under the name of the cluster's leader, what that has never written.
async fn decoy(cluster: &Cluster, id: u64, entries: &[(Version, &str, &str)]) -> FollowerHandle {
    let decoy = crate::common::follower(id);
    let (to, epoch) = (decoy.holds().identity, cluster.handle.epoch());
    let head = Head { to, cluster: CLUSTER, epoch };
    let groups = Arc::new(vec![Group { since: head.epoch, write: 1, followers: vec!["decoy".to_owned()] }]);
    decoy.request(Request::Claim(Claim { head, renames: None, groups })).await.unwrap().unwrap();
    let put = |&(version, key, value): &(Version, &str, &str)| {
        let command = Command::put(Key::parse(key).unwrap(), value.as_bytes()).unwrap();
        command.into_entry(epoch, version)
    };
    let entries: Vec<_> = entries.iter().map(put).collect();
    let mark = entries.last().unwrap().version();
    let append = Append { head, stage: Stage::Serving, counted: true, mark, entries };
    decoy.request(Request::Append(append)).await.unwrap().unwrap();
    decoy
}

/// The cluster's leader behind another port, where these are its followers.
async fn with_followers(cluster: &Cluster, followers: &[SocketAddr]) -> Server {
    let peers = followers.iter().copied().map(node_address);
    let node = Node::leader(cluster.handle.clone(), PATIENCE, peers);
    Server::start(node, ServerConfig::default()).await
}

fn problem_of(body: &Value, node: &str) -> String {
    let nodes = body["nodes"].as_array().unwrap();
    let named = nodes.iter().find(|found| found["node"] == node).unwrap_or_else(|| panic!("{body}"));
    named["problem"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn equal_nodes_are_equal_without_a_wait_of_the_clients() {
    let cluster = Cluster::start(3, 1).await;
    for write in 1..=40 {
        assert_eq!(cluster.put(&format!("k{}", write % 7), "v").await.status, 200);
    }
    let reply = get(cluster.leader.address, "/parity?timeout_ms=30000").await;
    let body = reply.json();
    assert_eq!((reply.status, &body["parity_ok"], &body["version"]), (200, &json!(true), &json!(40)));
    let nodes = body["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 4);
    assert_eq!(nodes[0]["node"], "leader");
    assert_eq!(nodes[1]["node"], cluster.followers[0].url().to_string());
    for node in nodes {
        assert_eq!((&node["keys"], &node["version"]), (&json!(7), &json!(40)));
        assert_eq!(node["digest"], nodes[0]["digest"]);
        assert!(node["node_id"].is_string() && node.get("problem").is_none());
    }
    let alone = Cluster::start(0, 0).await;
    assert_eq!(get(alone.leader.address, "/parity").await.status, 200, "a leader alone is equal to itself");
}

#[tokio::test]
async fn different_nodes_are_shown_with_what_they_hold() {
    let cluster = Cluster::start(1, 1).await;
    for (key, value) in [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")] {
        assert_eq!(cluster.put(key, value).await.status, 200);
    }
    let others = decoy(&cluster, 9, &[(1, "a", "1"), (2, "b", "two"), (3, "e", "3"), (4, "d", "4")]).await;
    let decoy = Server::start(Node::follower(others), ServerConfig::default()).await;
    let server = with_followers(&cluster, &[cluster.followers[0].address, decoy.address]).await;
    let reply = get(server.address, "/parity?timeout_ms=30000").await;
    let body = reply.json();
    assert_eq!((reply.status, &body["parity_ok"], &body["version"]), (409, &json!(false), &json!(4)));
    assert_eq!((&body["code"], &body["differences_complete"]), (&json!("not_equal"), &json!(true)));
    assert_eq!(body["nodes"][0]["digest"], body["nodes"][1]["digest"]);
    assert_ne!(body["nodes"][0]["digest"], body["nodes"][2]["digest"]);

    let differences = body["differences"].as_array().unwrap();
    let keys: Vec<_> = differences.iter().map(|one| one["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["b", "c", "e"]);
    let versions = |key: usize| {
        differences[key]["held"]
            .as_array()
            .unwrap()
            .iter()
            .map(|held| held["version"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(versions(0), [json!(2), json!(2), json!(2)], "the same version with another value");
    assert_eq!(versions(1), [json!(3), json!(3), Value::Null]);
    assert_eq!(versions(2), [Value::Null, Value::Null, json!(3)]);
    let held = &differences[0]["held"];
    assert_eq!(held[0]["value_digest"], held[1]["value_digest"]);
    assert_ne!(held[0]["value_digest"], held[2]["value_digest"]);
    assert_eq!(held[2]["node"], decoy.url().to_string());
    assert!(!reply.text().contains("two"), "values are not shown");
}

#[tokio::test]
async fn of_many_differences_the_first_are_named() {
    let cluster = Cluster::start(1, 1).await;
    let keys: Vec<String> = (0..25).map(|key| format!("k{key:02}")).collect();
    for key in &keys {
        assert_eq!(cluster.put(key, "v").await.status, 200);
    }
    let entries: Vec<_> = (1..).zip(&keys).map(|(version, key)| (version, key.as_str(), "w")).collect();
    let decoy =
        Server::start(Node::follower(decoy(&cluster, 9, &entries).await), ServerConfig::default()).await;
    let server = with_followers(&cluster, &[decoy.address]).await;
    let body = get(server.address, "/parity?timeout_ms=30000").await.json();
    let differences = body["differences"].as_array().unwrap();
    assert_eq!((differences.len(), &body["differences_complete"]), (10, &json!(false)));
    assert_eq!(differences[9]["key"], "k09");
}

#[tokio::test]
async fn who_cannot_be_asked_is_never_called_equal() {
    let mut cluster = Cluster::with(2, 1, |setup| setup.gated = true).await;
    cluster.gates[1].freeze();
    assert_eq!(cluster.put("k", "v").await.status, 200);
    let reply = get(cluster.leader.address, "/parity?timeout_ms=200").await;
    assert_eq!((reply.status, reply.json()["code"].as_str()), (503, Some("could_not_compare")));
    let silent = node_address(cluster.gates[1].address).to_string();
    assert_eq!(problem_of(&reply.json(), &silent), "no answer in time");
    assert!(reply.header("retry-after").is_some());
    assert_eq!(reply.json()["nodes"].as_array().unwrap().len(), 1, "only those that are in the way");

    // Asked past the gate, it says how far it is.
    let server = with_followers(&cluster, &[cluster.followers[1].address]).await;
    let reply = get(server.address, "/parity?timeout_ms=200").await;
    let behind = cluster.followers[1].url().to_string();
    let expected = "it knows everything up to version 0 to be committed, not up to 1";
    assert_eq!((reply.status, problem_of(&reply.json(), &behind).as_str()), (503, expected));

    let (unclaimed, _node) = serve_follower(9).await;
    let server = with_followers(&cluster, &[unclaimed.address]).await;
    let reply = get(server.address, "/parity?timeout_ms=200").await;
    let expected = "it does not belong to the leader's cluster";
    assert_eq!(problem_of(&reply.json(), &unclaimed.url().to_string()), expected);

    let gone = cluster.followers[0].address;
    cluster.followers[0].stop().await;
    let server = with_followers(&cluster, &[gone]).await;
    let reply = get(server.address, "/parity?timeout_ms=5000").await;
    assert!(problem_of(&reply.json(), &node_address(gone).to_string()).contains("cannot connect"));
}

#[tokio::test]
async fn a_leader_with_a_write_under_way_has_nothing_to_compare() {
    let cluster = Cluster::with(1, 1, |setup| setup.gated = true).await;
    cluster.gates[0].freeze();
    let mut writer = Raw::open(cluster.leader.address).await;
    writer.send(&put_request("k", "v")).await;
    eventually("it has a version", async || cluster.handle.versions() == (1, 0)).await;
    let reply = get(cluster.leader.address, "/parity?timeout_ms=100").await;
    let expected = "writes are under way: version 1 is the newest, and everything up to 0 is committed";
    assert_eq!((reply.status, problem_of(&reply.json(), "leader").as_str()), (503, expected));

    let mut waiting = Raw::open(cluster.leader.address).await;
    waiting.send(&request("GET", "/parity?timeout_ms=30000", &[], None)).await;
    eventually("another one is refused", async || {
        let reply = get(cluster.leader.address, "/parity?timeout_ms=100").await;
        reply.status == 503 && reply.json()["code"] == "overloaded"
    })
    .await;
    cluster.gates[0].thaw();
    assert_eq!(waiting.reply().await.json()["parity_ok"], true);
}

/// Whatever is written meanwhile: equal nodes are never called different.
#[tokio::test]
async fn under_writes_it_is_equal_or_unknown() {
    let cluster = Cluster::start(2, 1).await;
    let leader = cluster.leader.address;
    let writer = tokio::spawn(async move {
        for write in 0.. {
            put(leader, &format!("k{}", write % 50), &write.to_string()).await;
        }
    });
    for _ in 0..20 {
        let reply = get(leader, "/parity?timeout_ms=50").await;
        assert!(matches!(reply.status, 200 | 503), "{}", reply.text());
    }
    writer.abort();
    assert_eq!(get(leader, "/parity?timeout_ms=30000").await.status, 200);
}

#[tokio::test]
async fn only_a_leader_compares() {
    let cluster = Cluster::start(1, 1).await;
    let reply = get(cluster.followers[0].address, "/parity").await;
    assert_eq!((reply.status, reply.json()["code"].as_str()), (405, Some("not_leader")));
    let reply = get(cluster.leader.address, "/parity?timeout_ms=0").await;
    assert_eq!((reply.status, reply.json()["code"].as_str()), (400, Some("invalid_parameter")));
    // The internal question is the leader's, with its own content type.
    let reply = get(cluster.followers[0].address, "/internal/digest").await;
    assert_eq!((reply.status, reply.header("allow")), (405, Some("POST")));
    let digest = Duration::from_millis(10);
    let said = cluster.nodes[0].digest(7, digest).await;
    assert_eq!((said.mark, said.digest), (0, None), "not at that mark in time");
    assert_eq!(cluster.nodes[0].digest(0, digest).await.digest.unwrap().keys, 0);
}
