//! What a write meets when followers are missing: the report's 503, with what is known of the write.
//!
//! `unknown` has a version and may still commit; after `not_applied` nothing has changed, and it says
//! when to try again. No answer comes later than the write's own deadline.

use std::time::Duration;

use kv_core::{Epoch, NodeId};
use kv_http::{Node, PeerTransport, ServerConfig};
use kv_replication::{
    Answer, Claim, DelayLaw, Head, LeaderConfig, LinkState, Phase, Quorum, Request, Transport,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::common::raw::{Raw, Reply, ask, get, post_json, put, put_request, request};
use crate::common::{Cluster, PATIENCE, Server, Setup, eventually, follower, lead, serve_follower};

/// No entry arrives anywhere before the test is over.
const HOUR: Duration = Duration::from_secs(3600);
/// On top of a deadline, for a busy machine. Every other clock of these tests is far beyond it.
const SLACK: Duration = Duration::from_secs(8);

fn slow(setup: &mut Setup) {
    setup.leader.delays = DelayLaw::uniform(1, HOUR, HOUR).unwrap();
}

/// An answer that must come at the deadline, not before and not much later.
async fn put_until(cluster: &Cluster, key: &str, timeout: Duration) -> Reply {
    let start = Instant::now();
    let reply = cluster.put(&format!("{key}?timeout_ms={}", timeout.as_millis()), "v").await;
    let took = start.elapsed();
    assert!((timeout..timeout + SLACK).contains(&took), "{took:?} for {timeout:?}: {}", reply.text());
    reply
}

fn missed(code: &str, message: &str, acks: u64, required: u64, version: Option<u64>) -> Value {
    let outcome = if version.is_some() { "unknown" } else { "not_applied" };
    json!({
        "detail": {
            "message": message, "acks": acks, "required": required, "version": version, "outcome": outcome,
        },
        "code": code,
        "outcome": outcome,
    })
}

/// A refusal that changed nothing, and that names the time to come back.
fn assert_not_applied(reply: &Reply, expected: &Value) {
    assert_eq!((reply.status, &reply.json()), (503, expected));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert!(reply.header("retry-after").is_some_and(|after| after.parse::<u32>().is_ok()), "{reply:?}");
}

#[tokio::test]
async fn a_missed_quorum_says_what_is_known_and_the_write_may_still_commit() {
    let cluster = Cluster::with(5, 3, |setup| {
        setup.gated = true;
        setup.leader.timing.replication_timeout = HOUR;
    })
    .await;
    // Three of five take everything and answer nothing.
    cluster.gates[..3].iter().for_each(|gate| gate.freeze());
    let reply = put_until(&cluster, "k", Duration::from_secs(1)).await;
    let expected = missed("quorum_timeout", "Write quorum not met", 2, 3, Some(1));
    assert_eq!((reply.status, reply.json()), (503, expected));
    assert_eq!(reply.header("retry-after"), None, "to try again might write twice");
    assert_eq!(cluster.get("k").await.status, 404, "what is not committed is not readable on the leader");
    assert_eq!(cluster.handle.versions(), (1, 0));

    cluster.gates[0].thaw();
    eventually("it commits", async || cluster.get("k").await.status == 200).await;
    cluster.gates.iter().for_each(|gate| gate.thaw());
    assert_eq!(cluster.until_equal().await, json!({ "k": { "value": "v", "version": 1 } }));
}

/// The delay is part of the time that a write has.
#[tokio::test]
async fn the_deadline_counts_the_simulated_delay() {
    let cluster = Cluster::with(3, 2, |setup| {
        slow(setup);
        setup.write_timeout = Duration::from_millis(150);
    })
    .await;
    let start = Instant::now();
    let reply = cluster.put("k", "v").await;
    assert!(start.elapsed() < SLACK && start.elapsed() >= Duration::from_millis(150));
    let expected = missed("quorum_timeout", "Write quorum not met", 0, 2, Some(1));
    assert_eq!((reply.status, reply.json()), (503, expected));

    let reply = ask(cluster.leader.address, &request("POST", "/reset", &[], None)).await;
    let expected = missed("quorum_timeout", "Write quorum not met", 0, 2, Some(2));
    assert_eq!((reply.status, reply.json()), (503, expected), "a reset is a write like any other");
}

#[tokio::test]
async fn too_few_followers_are_known_before_anything_is_written() {
    let mut cluster = Cluster::with(3, 2, |setup| {
        setup.leader.timing.replication_timeout = Duration::from_millis(300);
    })
    .await;
    assert_eq!(cluster.put("k", "before").await.status, 200);
    cluster.until_equal().await;
    for follower in [0, 1] {
        cluster.followers[follower].stop().await;
    }
    cluster.until_up(1).await;
    let before = (get(cluster.leader.address, "/kv").await.text(), cluster.handle.versions());
    for _ in 0..3 {
        let start = Instant::now();
        let reply = cluster.put("k?timeout_ms=5000", "v").await;
        assert!(start.elapsed() < Duration::from_millis(5000) + SLACK);
        assert_not_applied(&reply, &missed("no_quorum", "Write quorum not met", 0, 2, None));
    }
    let reset = ask(cluster.leader.address, &request("POST", "/reset", &[], None)).await;
    assert_not_applied(&reset, &missed("no_quorum", "Write quorum not met", 0, 2, None));
    assert_eq!((get(cluster.leader.address, "/kv").await.text(), cluster.handle.versions()), before);
}

/// A follower that takes connections and never answers is found out by the time-out of an attempt.
#[tokio::test]
async fn silent_followers_cost_a_write_no_more_than_its_own_time() {
    let cluster = Cluster::with(2, 1, |setup| {
        setup.gated = true;
        setup.leader.timing.replication_timeout = Duration::from_millis(200);
    })
    .await;
    cluster.gates.iter().for_each(|gate| gate.freeze());
    cluster.until_up(0).await;
    let start = Instant::now();
    let reply = cluster.put("k?timeout_ms=700", "v").await;
    assert!(start.elapsed() < Duration::from_millis(700) + SLACK);
    assert_not_applied(&reply, &missed("no_quorum", "Write quorum not met", 0, 1, None));
    assert_eq!(cluster.handle.versions(), (0, 0));
}

#[tokio::test]
async fn a_leader_that_waits_for_a_follower_says_for_whom() {
    let (up, _node) = serve_follower(1).await;
    let mut down = Server::start(Node::follower(follower(2)), ServerConfig::default()).await;
    down.stop().await;
    let setup = Setup {
        leader: LeaderConfig::new(Quorum::new(2, 1).unwrap()),
        server: ServerConfig::default(),
        write_timeout: PATIENCE,
        gated: false,
    };
    let (leader, handle) = lead(setup, &[up.address, down.address]).await;
    eventually("the first has answered", async || handle.links()[0].identity.is_some()).await;
    let reply = put(leader.address, "k?timeout_ms=200", "v").await;
    let expected = json!({
        "detail": "the leader is not ready: waiting for an answer of follower 2",
        "code": "recovering",
        "outcome": "not_applied",
    });
    assert_not_applied(&reply, &expected);
    assert_eq!(get(leader.address, "/health").await.status, 200, "alive all the same");

    // A write that arrives while the leader waits is served when the waiting is over.
    let mut patient = Raw::open(leader.address).await;
    patient.send(&put_request("k", "patient")).await;
    down.start_again(Node::follower(follower(3)));
    assert_eq!(patient.reply().await.status, 200);
    assert_eq!((handle.phase(), handle.versions().0), (Phase::Serving, 1));
}

#[tokio::test]
async fn a_leader_that_finds_data_says_where_and_what_to_do() {
    let (server, _node) = serve_follower(1).await;
    let body = json!({ "key": "old", "value": "s3cret", "version": 5 });
    assert_eq!(post_json(server.address, "/replicate", &body).await.status, 200);
    let setup = Setup {
        leader: LeaderConfig::new(Quorum::new(1, 1).unwrap()),
        server: ServerConfig::default(),
        write_timeout: PATIENCE,
        gated: false,
    };
    let (leader, handle) = lead(setup, &[server.address]).await;
    eventually("the follower has answered", async || handle.links()[0].state == LinkState::Waiting).await;
    let reply = put(leader.address, "k", "v").await;
    let detail = "the leader is not ready: follower 1: the follower holds data of another history (written by \
                  no leader of this kind)";
    assert_not_applied(&reply, &json!({ "detail": detail, "code": "recovering", "outcome": "not_applied" }));
    assert_eq!(get(server.address, "/kv/old").await.json(), json!({ "value": "s3cret", "version": 5 }));

    assert_eq!(ask(server.address, &request("POST", "/reset", &[], None)).await.status, 200);
    eventually("the leader serves", async || handle.phase() == Phase::Serving).await;
    assert_eq!(put(leader.address, "k", "v").await.status, 200);
}

/// W = 1 of 2, one follower frozen. A write's own `w` decides only when it is answered.
#[tokio::test]
async fn a_write_may_want_fewer_or_more_acknowledgements_than_w() {
    let cluster = Cluster::with(2, 1, |setup| setup.gated = true).await;
    let leader = cluster.leader.address;
    let put = async |path: &str| {
        let json = [("Content-Type", "application/json")];
        ask(leader, &request("PUT", path, &json, Some(br#"{"value":"v"}"#))).await
    };
    let reply = put("/kv/both?w=2").await;
    assert_eq!((reply.status, reply.json()["acks"].as_u64()), (200, Some(2)));
    cluster.gates[1].freeze();
    let expected = missed("quorum_timeout", "Write quorum not met", 1, 2, Some(2));
    assert_eq!(put("/kv/more?w=2&timeout_ms=100").await.json(), expected);
    assert_eq!(get(leader, "/kv/more").await.status, 200, "it is committed, all the same");
    cluster.gates[0].freeze();
    let reply = put("/kv/none?w=0").await;
    assert_eq!((reply.status, reply.json()["acks"].as_u64()), (200, Some(0)));
    assert_eq!(get(leader, "/kv/none").await.status, 404, "answered before it is committed");
    cluster.gates[0].thaw();
    eventually("it is committed", async || get(leader, "/kv/none").await.status == 200).await;
}

#[tokio::test]
async fn a_leader_that_has_been_replaced_takes_no_writes() {
    let cluster = Cluster::with(2, 2, slow).await;
    let mut pending = Raw::open(cluster.leader.address).await;
    pending.send(&put_request("k", "v")).await;
    eventually("it has a version", async || cluster.handle.versions().0 == 1).await;

    let by = Epoch { counter: 9, node: NodeId(9) };
    let rival = PeerTransport::new([cluster.followers[0].url()]);
    let Ok(Answer::Standing(found)) = rival.send(0, Request::Probe).await.unwrap() else { panic!() };
    let head = Head { to: found.held.identity, cluster: found.cluster.unwrap(), epoch: by };
    let claim = Claim { head, renames: None, groups: std::sync::Arc::clone(&found.groups) };
    assert!(rival.send(0, Request::Claim(claim)).await.unwrap().is_ok());

    let expected = missed("quorum_timeout", "Write quorum not met", 0, 2, Some(1));
    assert_eq!(pending.reply().await.json(), expected, "it may still commit under the other leader");
    let message =
        "Write quorum not met: another leader has taken over with epoch 9.0000000000000009".to_owned();
    assert_not_applied(&cluster.put("k", "v").await, &missed("no_quorum", &message, 0, 2, None));
    assert_eq!(cluster.handle.versions(), (1, 0));
    assert_eq!(get(cluster.leader.address, "/health").await.status, 200);
}

#[tokio::test]
async fn past_a_limit_writes_are_refused_not_queued() {
    for (limit, writes, window) in [("writes_in_flight_max", 1, 100), ("window_entries_max", 100, 1)] {
        let cluster = Cluster::with(1, 1, |setup| {
            slow(setup);
            setup.leader.limits.writes_in_flight_max = writes;
            setup.leader.limits.window_entries_max = window;
        })
        .await;
        let mut first = Raw::open(cluster.leader.address).await;
        first.send(&put_request("k", "v")).await;
        eventually("it has a version", async || cluster.handle.versions().0 == 1).await;
        let detail = format!("too much at once: {limit} is reached");
        let expected = json!({ "detail": detail, "code": "overloaded", "outcome": "not_applied" });
        assert_not_applied(&cluster.put("k", "v").await, &expected);
        assert_eq!(cluster.handle.versions(), (1, 0));
    }
}

/// A full disk is seen before a write has a version; reads go on, and with space again writes do too.
#[tokio::test]
async fn a_leader_whose_disk_is_full_refuses_writes_and_goes_on_reading() {
    let cluster = Cluster::start(2, 1).await;
    let leader = cluster.leader.address;
    assert_eq!(cluster.put("k", "v").await.status, 200);
    cluster.handle.set_disk_full(true);
    let expected = json!({
        "detail": "the leader's disk is full: free space there, and writes go on by themselves; reads do meanwhile",
        "code": "insufficient_storage",
        "outcome": "not_applied",
    });
    for (method, path, body) in [
        ("PUT", "/kv/k", Some(&br#"{"value":"s3cret"}"#[..])),
        ("DELETE", "/kv/k", None),
        ("POST", "/reset", None),
    ] {
        let headers: &[_] = if body.is_some() { &[("Content-Type", "application/json")] } else { &[] };
        let reply = ask(leader, &request(method, path, headers, body)).await;
        assert_eq!((reply.status, &reply.json()), (507, &expected), "{method} {path}");
        assert_eq!(reply.header("retry-after"), Some("1"));
    }
    assert_eq!(cluster.handle.versions(), (1, 1));
    let read = get(leader, "/kv/k?consistency=linearizable").await;
    assert_eq!((read.status, read.json()), (200, json!({ "value": "v", "version": 1 })));
    let absent = ask(leader, &request("DELETE", "/kv/absent", &[], None)).await;
    assert_eq!(absent.status, 200, "it writes nothing");
    assert_eq!(get(leader, "/status").await.json()["disk_full"], true);
    let ready = get(leader, "/readyz?verbose").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("[-]disk: full: no writes until there is space again"), "{}", ready.text());

    cluster.handle.set_disk_full(false);
    assert_eq!(cluster.put("k", "w").await.status, 200);
    assert_eq!(get(leader, "/readyz").await.status, 200);
}

/// W = 1 of 2: a full follower costs no write anything, and is level again soon after it has space.
#[tokio::test]
async fn a_follower_whose_disk_is_full_lags_and_comes_back_by_itself() {
    let cluster = Cluster::start(2, 1).await;
    let (leader, full) = (cluster.leader.address, cluster.followers[0].address);
    cluster.nodes[0].set_disk_full(true);
    for key in 0..20 {
        assert_eq!(cluster.put(&format!("k{key}"), "v").await.status, 200);
    }
    eventually("the leader knows", async || cluster.handle.links()[0].state == LinkState::Full).await;
    let link = &get(leader, "/status").await.json()["followers"][0];
    assert_eq!((&link["state"], &link["watermark"]), (&json!("full"), &json!(0)));
    assert!(link["last_error"].as_str().unwrap().contains("disk is full"), "{link}");
    assert_eq!(get(full, "/status").await.json()["disk_full"], true);
    let ready = get(full, "/readyz?verbose").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("[-]disk: full: nothing new until there is space again"));
    let reply = cluster.put("k?w=2", "v").await;
    assert_not_applied(&reply, &missed("no_quorum", "Write quorum not met", 0, 2, None));

    cluster.nodes[0].set_disk_full(false);
    cluster.until_equal().await;
    assert_eq!(cluster.put("k?w=2", "v").await.status, 200);
}

#[tokio::test]
async fn a_follower_whose_disk_is_full_takes_no_write_of_the_report_either() {
    let (server, node) = serve_follower(1).await;
    let body = json!({ "key": "k", "value": "s3cret", "version": 5 });
    node.set_disk_full(true);
    let reply = post_json(server.address, "/replicate", &body).await;
    let detail = "the follower's disk is full: free space there, and it goes on by itself";
    assert_eq!(
        (reply.status, reply.json()),
        (507, json!({ "detail": detail, "code": "insufficient_storage" }))
    );
    assert_eq!(get(server.address, "/kv").await.text(), "{}");
    node.set_disk_full(false);
    assert_eq!(post_json(server.address, "/replicate", &body).await.status, 200);
}
