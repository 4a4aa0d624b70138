//! Followers go and come back: the leader stays healthy, and nobody has to write anything for a
//! cluster to become whole again.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::common::raw::get;
use crate::common::{Cluster, Setup, eventually, soon};

fn impatient(setup: &mut Setup) {
    setup.leader.timing.replication_timeout = Duration::from_millis(500);
}

#[tokio::test]
async fn a_follower_that_comes_back_empty_catches_up_without_a_new_write() {
    let mut cluster = Cluster::with(3, 2, impatient).await;
    for key in 0..50 {
        assert_eq!(cluster.put(&format!("k{key:02}"), "v").await.status, 200);
    }
    let full = cluster.until_equal().await;
    assert_eq!(full.as_object().unwrap().len(), 50);

    cluster.lose(1).await;
    cluster.until_up(2).await;
    cluster.restart(1);
    assert_eq!(cluster.until_equal().await, full);
    assert_eq!(cluster.handle.versions(), (50, 50), "nothing was written");
    assert_eq!(cluster.nodes[1].holds().mark, 50);
}

#[tokio::test]
async fn what_was_written_meanwhile_is_there_as_well() {
    let mut cluster = Cluster::with(3, 2, impatient).await;
    assert_eq!(cluster.put("before", "v").await.status, 200);
    cluster.until_equal().await;
    cluster.followers[2].stop().await;
    for key in ["one", "two"] {
        assert_eq!(cluster.put(key, "v").await.status, 200, "two of three are enough");
    }
    assert_eq!(cluster.nodes[2].dump().len(), 1, "it is away");
    cluster.restart(2); // with what it had
    let dump = cluster.until_equal().await;
    assert_eq!(dump.as_object().unwrap().len(), 3);
}

#[tokio::test]
async fn without_followers_the_leader_answers_in_time_and_stays_healthy() {
    let mut cluster = Cluster::with(3, 2, impatient).await;
    assert_eq!(cluster.put("k", "v").await.status, 200);
    cluster.until_equal().await;
    for follower in 0..3 {
        cluster.followers[follower].stop().await;
    }
    // Right away, when the leader may not know it yet, and later, when it does.
    for round in 0..10 {
        let start = Instant::now();
        let refused = cluster.put("k?timeout_ms=200", "x").await;
        assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
        assert_eq!(refused.status, 503, "{round}: {}", refused.text());
        let body = refused.json();
        match body["code"].as_str().unwrap() {
            "quorum_timeout" => assert_eq!(body["outcome"], "unknown"),
            "no_quorum" => assert_eq!(
                (&body["outcome"], &body["detail"]["version"]),
                (&json!("not_applied"), &json!(null))
            ),
            other => panic!("{other}"),
        }
        assert_eq!(get(cluster.leader.address, "/health").await.status, 200);
        assert_eq!(cluster.get("k").await.json(), json!({ "value": "v", "version": 1 }));
    }
}

#[tokio::test]
async fn when_followers_come_back_writes_work_again() {
    let mut cluster = Cluster::with(3, 2, impatient).await;
    assert_eq!(cluster.put("k", "old").await.status, 200);
    cluster.until_equal().await;
    for follower in 0..3 {
        cluster.followers[follower].stop().await;
    }
    cluster.until_up(0).await;
    assert_eq!(cluster.put("k?timeout_ms=500", "x").await.json()["code"], "no_quorum");
    cluster.restart(0);
    cluster.restart(1);
    cluster.until_up(2).await;
    let written = cluster.put("k", "new").await;
    assert_eq!((written.status, written.json()["version"].as_u64()), (200, Some(2)), "{}", written.text());
    cluster.restart(2);
    assert_eq!(cluster.until_equal().await, json!({ "k": { "value": "new", "version": 2 } }));
}

/// A write that waits because nobody knows better is served by the followers that come back.
#[tokio::test]
async fn a_follower_that_hangs_delays_nobody_and_gets_everything_when_it_is_back() {
    let cluster = Cluster::with(3, 2, |setup| {
        impatient(setup);
        setup.gated = true;
    })
    .await;
    cluster.gates[0].freeze();
    for key in 0..20 {
        let reply = soon("a write", cluster.put(&format!("k{key}"), "v")).await;
        assert_eq!(reply.status, 200);
    }
    assert!(cluster.nodes[0].dump().is_empty());
    cluster.until_up(2).await;
    cluster.gates[0].thaw();
    eventually("it has everything", async || cluster.nodes[0].holds().mark == 20).await;
    cluster.until_equal().await;
}
