//! Read levels, and what every read says of itself.

use std::net::SocketAddr;
use std::time::Duration;

use kv_http::{Node, ServerConfig};
use kv_replication::{LeaderConfig, Quorum};
use serde_json::json;

use crate::common::raw::{Raw, Reply, ask, get, put_request, request};
use crate::common::{Cluster, PATIENCE, Server, Setup, eventually, follower, lead, serve_follower};

/// The epoch of the first leader of a cluster here: its node is 500.
const FIRST_EPOCH: &str = "1.00000000000001f4";
/// Every kind of read: of a key that is there, of one that is not, of all keys.
const READS: [&str; 4] = ["/kv/k", "/kv/nothing", "/kv?limit=5", "/keys"];

fn position(reply: &Reply) -> (Option<&str>, Option<&str>, Option<u64>) {
    let lag = reply.header("kv-lag-ms").map(|lag| lag.parse().unwrap());
    (reply.header("kv-version"), reply.header("kv-epoch"), lag)
}

async fn get_if_none_match(address: SocketAddr, tags: &str) -> Reply {
    ask(address, &request("GET", "/kv/k", &[("If-None-Match", tags)], None)).await
}

#[tokio::test]
async fn every_read_says_where_its_node_stands() {
    let (unclaimed, _node) = serve_follower(9).await;
    for path in READS {
        let reply = get(unclaimed.address, path).await;
        assert_eq!(position(&reply), (Some("0"), Some("0.0000000000000000"), None), "{path}");
    }
    let cluster = Cluster::start(2, 2).await;
    assert_eq!(cluster.put("k", "v").await.status, 200);
    cluster.until_equal().await;
    let follower = cluster.followers[0].address;
    eventually("the follower knows the commit", async || {
        get(follower, "/kv/k?consistency=committed").await.status == 200
    })
    .await;
    for path in READS {
        let reply = get(cluster.leader.address, path).await;
        assert_eq!(position(&reply), (Some("1"), Some(FIRST_EPOCH), None), "{path}");
        let reply = get(follower, path).await;
        let (version, epoch, lag) = position(&reply);
        assert_eq!((version, epoch), (Some("1"), Some(FIRST_EPOCH)), "{path}");
        assert!(lag.is_some_and(|lag| lag < PATIENCE.as_millis() as u64), "{path}: {lag:?}");
    }
}

/// The lag of a follower that hears nothing grows, although it lacks nothing.
#[tokio::test]
async fn the_lag_is_the_time_since_the_leaders_word_and_not_less() {
    let cluster = Cluster::with(1, 1, |setup| setup.gated = true).await;
    assert_eq!(cluster.put("k", "v").await.status, 200);
    let follower = cluster.followers[0].address;
    let lag = async || position(&get(follower, "/kv/k").await).2;
    eventually("it is level", async || lag().await.is_some()).await;
    cluster.gates[0].freeze();
    eventually("it grows", async || lag().await >= Some(300)).await;
    assert_eq!(get(follower, "/status").await.json()["lag_versions"], 0);
    cluster.gates[0].thaw();
    eventually("it falls", async || lag().await < Some(300)).await;
}

#[tokio::test]
async fn a_version_that_the_client_has_is_not_sent_again() {
    let cluster = Cluster::start(1, 1).await;
    assert_eq!(cluster.put("k", "v").await.status, 200);
    cluster.until_equal().await;
    let follower = cluster.followers[0].address;
    // What is still pending has no tag.
    eventually("the follower knows the commit", async || {
        get(follower, "/kv/k?consistency=committed").await.status == 200
    })
    .await;
    for address in [cluster.leader.address, cluster.followers[0].address] {
        for tags in ["\"1\"", "W/\"1\"", "*", "\"7\", \"1\"", "\"7\",W/\"1\""] {
            let reply = get_if_none_match(address, tags).await;
            assert_eq!((reply.status, reply.body.len()), (304, 0), "{tags}");
            assert_eq!(reply.header("etag"), Some("\"1\""), "{tags}");
            assert_eq!(reply.header("content-type"), None, "{tags}");
            assert_eq!(reply.header("kv-version"), Some("1"), "{tags}");
            assert_eq!(reply.header("kv-epoch"), Some(FIRST_EPOCH), "{tags}");
        }
        for tags in ["\"2\"", "1", "", "\"11\"", "w/\"1\""] {
            let reply = get_if_none_match(address, tags).await;
            assert_eq!((reply.status, reply.header("etag")), (200, Some("\"1\"")), "{tags}");
        }
        let absent = ask(address, &request("GET", "/kv/nothing", &[("If-None-Match", "*")], None)).await;
        assert_eq!(absent.status, 404);
        for name in ["If-Match", "Idempotency-Key"] {
            let reply = ask(address, &request("GET", "/kv/k", &[(name, "\"1\"")], None)).await;
            assert_eq!((reply.status, reply.json()["code"].as_str()), (400, Some("invalid_parameter")));
        }
    }
}

/// A follower behind a frozen wire is stale; who names a version is never shown that.
#[tokio::test]
async fn a_stale_read_is_local_and_min_version_waits_or_refuses() {
    let cluster = Cluster::with(2, 1, |setup| setup.gated = true).await;
    cluster.gates[1].freeze();
    assert_eq!(cluster.put("k", "v").await.json()["version"], 1);
    let stale = cluster.followers[1].address;
    let reply = get(stale, "/kv/k").await;
    assert_eq!((reply.status, reply.header("kv-version")), (404, Some("0")));
    for path in ["/kv/k?min_version=1", "/kv?min_version=1", "/keys?limit=3&min_version=1"] {
        for level in ["local", "committed"] {
            let reply = get(stale, &format!("{path}&consistency={level}&timeout_ms=60")).await;
            assert_eq!((reply.status, reply.json()["code"].as_str()), (503, Some("stale_replica")));
            assert_eq!(reply.json()["committed"], 0, "{}", reply.text());
            assert_eq!(reply.header("kv-version"), Some("0"));
            assert!(reply.header("retry-after").is_some());
        }
    }
    let mut waiting = Vec::new();
    for level in ["local", "committed"] {
        let mut reader = Raw::open(stale).await;
        let path = format!("/kv/k?min_version=1&timeout_ms=30000&consistency={level}");
        reader.send(&request("GET", &path, &[], None)).await;
        assert!(!reader.answers_within(Duration::from_millis(60)).await);
        waiting.push(reader);
    }
    cluster.gates[1].thaw();
    for mut reader in waiting {
        assert_eq!(reader.reply().await.json(), json!({ "value": "v", "version": 1 }));
    }
}

/// A write that lacks its quorum is pending on the follower that has it.
#[tokio::test]
async fn a_dirty_read_is_local_and_never_committed() {
    let cluster = Cluster::with(2, 2, |setup| setup.gated = true).await;
    cluster.gates[1].freeze();
    let mut writer = Raw::open(cluster.leader.address).await;
    writer.send(&put_request("k", "dirty")).await;
    let dirty = cluster.followers[0].address;
    eventually("it is pending there", async || get(dirty, "/kv/k").await.status == 200).await;
    for level in ["local", "committed"] {
        let on_leader = get(cluster.leader.address, &format!("/kv/k?consistency={level}")).await;
        assert_eq!(on_leader.status, 404, "a leader shows what is committed");
    }
    assert_eq!(get(dirty, "/kv/k?consistency=committed").await.status, 404);
    assert_eq!(get(dirty, "/kv?consistency=committed").await.text(), "{}");
    assert_eq!(get(dirty, "/keys").await.text(), r#"{"keys":[{"key":"k","version":1}],"next":null}"#);
    cluster.gates[1].thaw();
    assert_eq!(writer.reply().await.status, 200);
    let committed = get(dirty, "/kv/k?consistency=committed&min_version=1&timeout_ms=30000").await;
    assert_eq!(committed.json(), json!({ "value": "dirty", "version": 1 }));
}

#[tokio::test]
async fn a_leader_waits_for_its_mark() {
    let cluster = Cluster::with(1, 1, |setup| setup.gated = true).await;
    let leader = cluster.leader.address;
    cluster.gates[0].freeze();
    let mut writer = Raw::open(leader).await;
    writer.send(&put_request("k", "v")).await;
    eventually("it has a version", async || cluster.handle.versions() == (1, 0)).await;
    let late = get(leader, "/kv/k?min_version=1&timeout_ms=60").await;
    assert_eq!((late.status, late.json()["code"].as_str()), (503, Some("stale_replica")));
    let not_level = get(leader, "/readyz?sync&verbose&timeout_ms=60").await;
    assert_eq!(not_level.status, 503);
    assert!(not_level.text().contains("[-]sync: not level in time\n"), "{}", not_level.text());
    let mut readers = Vec::new();
    for path in ["/kv/k?min_version=1&timeout_ms=30000", "/readyz?sync&timeout_ms=30000"] {
        let mut reader = Raw::open(leader).await;
        reader.send(&request("GET", path, &[], None)).await;
        readers.push(reader);
    }
    cluster.gates[0].thaw();
    for mut reader in readers {
        assert_eq!(reader.reply().await.status, 200);
    }
    assert_eq!(writer.reply().await.status, 200);
}

#[tokio::test]
async fn a_follower_is_in_sync_after_a_word_of_its_leader() {
    let cluster = Cluster::with(2, 1, |setup| setup.gated = true).await;
    assert_eq!(cluster.put("k", "v").await.status, 200);
    let follower = cluster.followers[1].address;
    let path = "/readyz?sync&verbose&timeout_ms=30000";
    let reply = get(follower, path).await;
    assert!(reply.text().ends_with("[+]sync ok\nready\n"), "{}", reply.text());
    assert_eq!((reply.status, get(follower, "/kv/k").await.status), (200, 200), "it has it by now");

    cluster.gates[1].freeze();
    let reply = get(follower, "/readyz?sync&verbose&timeout_ms=300").await;
    assert_eq!(reply.status, 503);
    assert!(reply.text().ends_with("[-]sync: not level in time\nnot ready\n"), "{}", reply.text());
    assert_eq!(get(follower, "/readyz").await.status, 200, "it lacks nothing that it knows of");
    assert_eq!(get(follower, "/readyz?sync=no").await.status, 400);
}

/// W = 2 of 3 must confirm: with two frozen the leader cannot know, and says so in time.
#[tokio::test]
async fn a_linearizable_read_is_confirmed_by_w_followers_or_refused() {
    let cluster = Cluster::with(3, 2, |setup| setup.gated = true).await;
    let leader = cluster.leader.address;
    assert_eq!(cluster.put("k", "v").await.status, 200);
    let reply = get(leader, "/kv/k?consistency=linearizable").await;
    assert_eq!((reply.status, reply.json()["value"].as_str()), (200, Some("v")));
    assert_eq!((reply.header("kv-version"), reply.header("etag")), (Some("1"), Some("\"1\"")));
    assert_eq!(get(leader, "/kv/nothing?consistency=linearizable").await.status, 404);

    cluster.gates[0].freeze();
    assert_eq!(get(leader, "/kv/k?consistency=linearizable").await.status, 200, "two are left");
    cluster.gates[1].freeze();
    let reply = get(leader, "/kv/k?consistency=linearizable&timeout_ms=100").await;
    assert_eq!((reply.status, reply.json()["code"].as_str()), (503, Some("no_quorum")), "{}", reply.text());
    assert!(reply.header("retry-after").is_some() && reply.json().get("outcome").is_none());
    assert_eq!(get(leader, "/kv/k").await.status, 200, "a local read asks nobody");
    cluster.gates[1].thaw();
    assert_eq!(get(leader, "/kv/k?consistency=linearizable&timeout_ms=30000").await.status, 200);
}

#[tokio::test]
async fn linearizable_reads_are_not_pretended() {
    let cluster = Cluster::start(1, 1).await;
    for path in ["/kv/k", "/kv", "/keys"] {
        let path = format!("{path}?consistency=linearizable");
        let reply = get(cluster.followers[0].address, &path).await;
        assert_eq!((reply.status, reply.json()["code"].as_str()), (405, Some("not_leader")));
        assert_eq!(reply.header("allow"), Some("GET"));
    }
    for path in ["/kv?consistency=linearizable", "/keys?consistency=linearizable"] {
        let reply = get(cluster.leader.address, path).await;
        assert_eq!((reply.status, reply.json()["code"].as_str()), (400, Some("invalid_parameter")));
    }
}

/// What it has by then may be a part of what was acknowledged.
#[tokio::test]
async fn a_leader_that_starts_answers_no_reads() {
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
    for path in READS {
        let reply = get(leader.address, path).await;
        assert_eq!((reply.status, reply.json()["code"].as_str()), (503, Some("recovering")), "{path}");
        assert!(reply.header("retry-after").is_some());
        assert_eq!(reply.json().get("outcome"), None, "it is no write");
    }
    assert_eq!(get(leader.address, "/readyz?sync&timeout_ms=60").await.status, 503);
    down.start_again(Node::follower(follower(2)));
    assert_eq!(get(leader.address, "/readyz?sync&timeout_ms=30000").await.status, 200);
    assert_eq!(get(leader.address, "/kv/k").await.status, 404);
}
