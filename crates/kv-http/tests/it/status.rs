//! What an operator sees: `/status`, `/livez`, `/readyz`.

use serde_json::{Value, json};

use crate::common::raw::get;
use crate::common::{Cluster, eventually, serve_follower};

#[tokio::test]
async fn a_follower_says_what_it_lacks() {
    let (server, _node) = serve_follower(1).await;
    assert_eq!(get(server.address, "/livez").await.text(), "ok\n");
    let reply = get(server.address, "/readyz?verbose").await;
    let lines: Vec<_> = reply.text().lines().map(str::to_owned).collect();
    assert_eq!(reply.status, 503);
    assert_eq!(
        lines,
        [
            "[-]leader: no leader has been heard yet",
            "[-]memory: it has lost its memory, and is being filled again",
            "[+]content ok",
            "[+]disk ok",
            "[+]lag ok",
            "not ready",
        ]
    );
    assert_eq!(get(server.address, "/readyz").await.text(), "not ready\n");
    assert_eq!(get(server.address, "/readyz?sink").await.status, 400);
    let status = get(server.address, "/status").await.json();
    assert_eq!((&status["role"], &status["counts"]), (&json!("follower"), &json!(false)));
    assert_eq!((&status["cluster_id"], &status["epoch"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_leader_and_its_followers_become_ready_and_level() {
    let cluster = Cluster::start(3, 2).await;
    assert_eq!(cluster.put("k", "v").await.status, 200);
    let leader = cluster.leader.address;
    eventually("all followers are level", async || {
        let status = get(leader, "/status").await.json();
        let level =
            |link: &Value| link["watermark"] == 1 && link["state"] == "streaming" && link["counts"] == true;
        status["followers"].as_array().unwrap().iter().all(level)
    })
    .await;
    let status = get(leader, "/status").await.json();
    assert_eq!(status["phase"], "serving");
    assert_eq!(status["versions"], json!({ "assigned": 1, "committed": 1, "watermark": 1 }));
    // A frame of 31 bytes, a key and a value of one.
    assert_eq!((&status["keys"], &status["log"]), (&json!(1), &json!({ "entries": 1, "bytes": 33 })));
    assert_eq!((&status["followers_total"], &status["write_quorum"]), (&json!(3), &json!(2)));
    let ready = get(leader, "/readyz?verbose").await;
    assert_eq!(
        (ready.status, ready.text().as_str()),
        (200, "[+]recovered ok\n[+]quorum ok\n[+]disk ok\nready\n")
    );
    for follower in &cluster.followers {
        // The mark comes with the idle mark, which is also what makes it ready.
        eventually("the follower knows the commit", async || {
            let status = get(follower.address, "/status").await.json();
            status["versions"]["committed"] == 1 && status["cluster_id"].is_string()
        })
        .await;
        assert_eq!(get(follower.address, "/readyz").await.status, 200);
    }
}

#[tokio::test]
async fn a_leader_that_waits_says_for_whom() {
    let mut cluster = Cluster::start(2, 1).await;
    cluster.followers.clear();
    let leader = cluster.leader.address;
    eventually("nobody is up", async || get(leader, "/readyz").await.status == 503).await;
    let text = get(leader, "/readyz?verbose").await.text();
    assert!(text.contains("[-]quorum: 0 of the 1 follower that a write needs is up"), "{text}");
    assert_eq!(get(leader, "/livez").await.status, 200);
}
