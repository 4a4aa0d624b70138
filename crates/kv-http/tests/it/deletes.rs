//! `DELETE /kv/{key}`: a tombstone like any other write, and nothing at all for a key that is not there.

use std::net::SocketAddr;
use std::time::Duration;

use kv_http::{Node, ServerConfig};
use kv_replication::{LeaderConfig, Quorum};
use serde_json::json;

use crate::common::raw::{Raw, Reply, ask, get, put_request, request};
use crate::common::{Cluster, PATIENCE, Server, Setup, eventually, follower, lead, serve_follower};

async fn delete(leader: SocketAddr, path: &str) -> Reply {
    ask(leader, &request("DELETE", path, &[], None)).await
}

#[tokio::test]
async fn a_deleted_key_is_gone_everywhere_and_a_key_that_is_not_there_costs_nothing() {
    let cluster = Cluster::start(2, 2).await;
    let leader = cluster.leader.address;
    assert_eq!(cluster.put("a%2Fb", "v").await.status, 200);
    let deleted = delete(leader, "/kv/a/b").await;
    let body = json!({ "key": "a/b", "deleted": true, "version": 2, "acks": 2 });
    assert_eq!((deleted.status, deleted.json()), (200, body));
    assert_eq!(cluster.get("a/b").await.status, 404);
    assert_eq!(cluster.until_equal().await, json!({}));

    for key in ["a/b", "never"] {
        let absent = delete(leader, &format!("/kv/{key}?timeout_ms=1000")).await;
        assert_eq!((absent.status, absent.json()), (200, json!({ "key": key, "deleted": false })));
    }
    assert_eq!(cluster.handle.versions(), (2, 2), "no version was used");

    assert_eq!(cluster.put("a/b", "again").await.json()["version"], 3);
    assert_eq!(cluster.until_equal().await, json!({ "a/b": { "value": "again", "version": 3 } }));
}

/// What is on its way counts: the delete is ordered behind it.
#[tokio::test]
async fn a_key_that_is_only_pending_is_deleted_behind_the_write() {
    let cluster = Cluster::with(1, 1, |setup| setup.gated = true).await;
    let leader = cluster.leader.address;
    cluster.gates[0].freeze();
    let mut writer = Raw::open(leader).await;
    writer.send(&put_request("k", "v")).await;
    eventually("the write has a version", async || cluster.handle.versions() == (1, 0)).await;

    let reply = delete(leader, "/kv/other?timeout_ms=60").await;
    let what =
        (reply.status, reply.json()["code"].as_str().map(str::to_owned), reply.json()["outcome"].clone());
    let unsure = (503, Some("no_quorum".to_owned()), json!("not_applied"));
    assert_eq!(what, unsure, "nobody confirms that it is absent");
    let mut deleter = Raw::open(leader).await;
    deleter.send(&request("DELETE", "/kv/k", &[], None)).await;
    eventually("the delete has the next one", async || cluster.handle.versions() == (2, 0)).await;
    let reply = delete(leader, "/kv/k?timeout_ms=50").await;
    assert_eq!((reply.status, reply.json()["code"].as_str()), (503, Some("quorum_timeout")), "{reply:?}");
    assert_eq!(reply.json()["outcome"], "unknown");

    cluster.gates[0].thaw();
    assert_eq!(writer.reply().await.json()["version"], 1);
    assert_eq!(deleter.reply().await.json(), json!({ "key": "k", "deleted": true, "version": 2, "acks": 1 }));
    assert_eq!(cluster.until_equal().await, json!({}));
}

/// A leader that does not serve yet does not know whether a key is there.
#[tokio::test]
async fn a_delete_waits_for_the_start_and_is_decided_after_it() {
    let (up, _node) = serve_follower(1).await;
    let mut down = Server::start(Node::follower(follower(2)), ServerConfig::default()).await;
    down.stop().await;
    let setup = Setup {
        leader: LeaderConfig::new(Quorum::new(2, 1).unwrap()),
        server: ServerConfig::default(),
        write_timeout: PATIENCE,
        gated: false,
    };
    let (leader, _handle) = lead(setup, &[up.address, down.address]).await;
    let reply = delete(leader.address, "/kv/k?timeout_ms=100").await;
    assert_eq!((reply.status, reply.json()["code"].as_str()), (503, Some("recovering")), "{reply:?}");
    assert_eq!(reply.json()["outcome"], "not_applied");
    assert!(reply.header("retry-after").is_some());

    let mut waiting = Raw::open(leader.address).await;
    waiting.send(&request("DELETE", "/kv/k", &[], None)).await;
    assert!(!waiting.answers_within(Duration::from_millis(100)).await);
    down.start_again(Node::follower(follower(2)));
    assert_eq!(waiting.reply().await.json(), json!({ "key": "k", "deleted": false }));
    assert_eq!(get(leader.address, "/status").await.json()["versions"]["assigned"], 0);
}
