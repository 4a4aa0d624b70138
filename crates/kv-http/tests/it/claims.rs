//! What the report claims of its store, and on which level it holds here.

use serde_json::json;

use crate::common::raw::get;
use crate::common::{Cluster, eventually};

/// "Monotonic reads": a session that asks one follower and then a slower one goes back in time, unless it says
/// what it has seen.
#[tokio::test]
async fn monotonic_reads_hold_for_a_session_that_says_what_it_has_seen() {
    let cluster = Cluster::with(2, 1, |setup| setup.gated = true).await;
    let [fast, slow] = [&cluster.followers[0], &cluster.followers[1]].map(|follower| follower.address);
    assert_eq!(cluster.put("k", "old").await.status, 200);
    cluster.until_equal().await;
    cluster.gates[1].freeze();
    assert_eq!(cluster.put("k", "new").await.status, 200);
    let value =
        async |address, query: &str| get(address, &format!("/kv/k?{query}")).await.json()["value"].clone();

    eventually("the fast follower has it", async || value(fast, "consistency=local").await == "new").await;
    assert_eq!(value(slow, "consistency=local").await, "old", "local: back in time");

    let seen = get(fast, "/kv/k?consistency=committed&min_version=2&timeout_ms=30000").await;
    assert_eq!(seen.json()["value"], "new");
    let token = format!("consistency=committed&min_version={}", seen.header("kv-version").unwrap());
    let reply = get(slow, &format!("/kv/k?{token}&timeout_ms=60")).await;
    assert_eq!(
        (reply.status, reply.json()["code"].as_str()),
        (503, Some("stale_replica")),
        "not back in time"
    );
    cluster.gates[1].thaw();
    assert_eq!(value(slow, &format!("{token}&timeout_ms=30000")).await, "new");
}

/// "Eventual consistency": also for one that heard of nothing while it went on.
#[tokio::test]
async fn eventual_consistency_reaches_those_who_were_cut_off() {
    let cluster = Cluster::with(3, 1, |setup| setup.gated = true).await;
    cluster.gates[1].freeze();
    for number in 0..20 {
        assert_eq!(cluster.put(&format!("k{}", number % 7), &number.to_string()).await.status, 200);
    }
    let cut_off = cluster.followers[1].address;
    assert_eq!(get(cut_off, "/kv").await.json(), json!({}), "nothing has come through");
    cluster.gates[1].thaw();
    let held = cluster.until_equal().await; // without a new write
    assert_eq!(held.as_object().unwrap().len(), 7);
    assert_eq!(held["k5"], json!({ "value": "19", "version": 20 }));
}
