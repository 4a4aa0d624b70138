//! Connections: slow ones, too many, broken ones, ones that leave early, and the end of the server.

use std::time::Duration;

use kv_http::ServerConfig;
use kv_replication::DelayLaw;
use serde_json::json;

use crate::common::raw::{Raw, get, put, put_request, request};
use crate::common::{Cluster, eventually};

const HEALTHY: &str = r#"{"status":"ok","role":"leader"}"#;
/// Longer than a server on a busy machine needs to answer; used to see that it does not.
const A_WHILE: Duration = Duration::from_millis(150);

async fn leader_with(config: ServerConfig) -> Cluster {
    Cluster::with(0, 0, |setup| setup.server = config).await
}

async fn is_healthy(connection: &mut Raw) -> bool {
    connection.send(&request("GET", "/health", &[], None)).await;
    let reply = connection.reply().await;
    reply.status == 200 && reply.text() == HEALTHY
}

#[tokio::test]
async fn slow_heads_close_the_connection() {
    let config = ServerConfig { header_timeout: Duration::from_millis(300), ..ServerConfig::default() };
    let cluster = leader_with(config).await;
    for start in ["", "GET /hea", "GET /health HTTP/1.1\r\nHost: t\r\n"] {
        let mut connection = Raw::open(cluster.leader.address).await;
        connection.send(start.as_bytes()).await;
        connection.until_closed().await;
    }
    // One that is kept open without a request, too: it would hold a place for ever.
    let mut idle = Raw::open(cluster.leader.address).await;
    assert!(is_healthy(&mut idle).await);
    idle.until_closed().await;
}

#[tokio::test]
async fn a_head_that_trickles_in_gets_no_more_time() {
    let config = ServerConfig { header_timeout: Duration::from_millis(300), ..ServerConfig::default() };
    let cluster = leader_with(config).await;
    let mut connection = Raw::open(cluster.leader.address).await;
    connection.send(b"GET /health HTTP/1.1\r\n").await;
    eventually("the server gives up", async || connection.try_send(b"X: y\r\n").await.is_err()).await;
    assert_eq!(get(cluster.leader.address, "/health").await.text(), HEALTHY);
}

#[tokio::test]
async fn slow_bodies_get_408_and_write_nothing() {
    let config = ServerConfig { body_timeout: Duration::from_millis(300), ..ServerConfig::default() };
    let cluster = leader_with(config).await;
    for body in [&b""[..], br#"{"value":"#] {
        let mut head =
            request("PUT", "/kv/k", &[("Content-Type", "application/json"), ("Content-Length", "13")], None);
        head.extend_from_slice(body);
        let mut connection = Raw::open(cluster.leader.address).await;
        connection.send(&head).await;
        let reply = connection.reply().await;
        assert_eq!((reply.status, reply.json()["code"].as_str()), (408, Some("body_timeout")));
        assert_eq!(reply.json()["outcome"], "not_applied");
        connection.until_closed().await;
    }
    assert_eq!(cluster.handle.versions().0, 0);
}

#[tokio::test]
async fn a_body_that_never_ends_writes_nothing() {
    let cluster = leader_with(ServerConfig::default()).await;
    let mut connection = Raw::open(cluster.leader.address).await;
    let headers = [("Content-Type", "application/json"), ("Content-Length", "13")];
    connection.send(&request("PUT", "/kv/k", &headers, None)).await;
    connection.send(br#"{"value":"v""#).await; // one byte is missing
    drop(connection);
    assert_eq!(put(cluster.leader.address, "other", "v").await.json()["version"], 1, "nothing came before");
    assert_eq!(get(cluster.leader.address, "/kv/k").await.status, 404);
}

#[tokio::test]
async fn more_connections_than_allowed_wait_for_room() {
    let cluster = leader_with(ServerConfig { connections_max: 2, ..ServerConfig::default() }).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut connection = Raw::open(cluster.leader.address).await;
        assert!(is_healthy(&mut connection).await);
        open.push(connection);
    }
    let mut third = Raw::open(cluster.leader.address).await;
    third.send(&request("GET", "/health", &[], None)).await;
    assert!(!third.answers_within(A_WHILE).await, "there is no room");
    assert!(is_healthy(&mut open[0]).await, "those that are in are served");

    drop(open.pop());
    assert_eq!(third.reply().await.text(), HEALTHY);
}

#[tokio::test]
async fn garbage_ends_the_connection_and_nothing_else() {
    let cluster = leader_with(ServerConfig::default()).await;
    let long_head = format!("GET /health HTTP/1.1\r\nHost: t\r\n{}", "X: y\r\n".repeat(1000));
    let long_path = format!("GET /kv/{} HTTP/1.1\r\nHost: t\r\n\r\n", "k".repeat(100_000));
    for garbage in [
        &b"\0\x01\x02\x03\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello, TLS\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"GET /kv/\xff HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET /health HTTP/1.1\r\nno colon\r\n\r\n",
        b"PUT /kv/k HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"PUT /kv/k HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        long_head.as_bytes(),
        long_path.as_bytes(),
    ] {
        let mut connection = Raw::open(cluster.leader.address).await;
        connection.send(garbage).await;
        // The preface of HTTP/2 gets no answer, and a reset may overtake the answer to a very long head.
        if let Some(reply) = connection.reply_or_end().await {
            let shown = String::from_utf8_lossy(&garbage[..garbage.len().min(60)]);
            assert!([400, 414, 431].contains(&reply.status), "{shown}: {reply:?}");
        }
        connection.until_closed().await;
    }
    // A chunk that is none breaks the body, not the head.
    let headers = [("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")];
    let mut connection = Raw::open(cluster.leader.address).await;
    connection.send(&request("PUT", "/kv/k", &headers, None)).await;
    connection.send(b"zz\r\n").await;
    let reply = connection.reply().await;
    assert_eq!(
        (reply.status, reply.json()["outcome"].as_str()),
        (400, Some("not_applied")),
        "{}",
        reply.text()
    );
    connection.until_closed().await;

    assert_eq!(get(cluster.leader.address, "/health").await.text(), HEALTHY);
    assert_eq!(cluster.handle.versions().0, 0);
}

/// Whoever hangs up loses the answer, not the write.
#[tokio::test]
async fn a_client_that_leaves_does_not_stop_its_write() {
    let delay = Duration::from_millis(50);
    let delays = DelayLaw::uniform(1, delay, delay).unwrap();
    let cluster = Cluster::with(2, 2, |setup| setup.leader.delays = delays).await;
    for version in 1..=5 {
        let key = format!("k{version}");
        let mut client = Raw::open(cluster.leader.address).await;
        client.send(&put_request(&key, "v")).await;
        eventually("it has a version", async || cluster.handle.versions().0 == version).await;
        drop(client);
        eventually("it is committed", async || cluster.get(&key).await.status == 200).await;
        assert_eq!(cluster.get(&key).await.json(), json!({ "value": "v", "version": version }));
    }
    cluster.until_equal().await;
}

#[tokio::test]
async fn requests_on_one_connection_are_answered_in_order() {
    let cluster = leader_with(ServerConfig::default()).await;
    let mut connection = Raw::open(cluster.leader.address).await;
    // Pipelined: all at once, with a refusal in between.
    let mut all = put_request("a", "1");
    all.extend(request("GET", "/kv/a", &[], None));
    all.extend(put_request("%zz", "1"));
    all.extend(put_request("a", "2"));
    all.extend(request("GET", "/kv/a", &[], None));
    connection.send(&all).await;
    let mut answers = Vec::new();
    for _ in 0..5 {
        let reply = connection.reply().await;
        answers.push((reply.status, reply.json()["version"].as_u64()));
    }
    let expected = [(200, Some(1)), (200, Some(1)), (400, None), (200, Some(2)), (200, Some(2))];
    assert_eq!(answers, expected);
    for _ in 0..3 {
        assert!(is_healthy(&mut connection).await, "and it is kept open");
    }
    connection.send(b"GET /health HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").await;
    assert_eq!(connection.reply().await.text(), HEALTHY);
    connection.until_closed().await;
}

#[tokio::test]
async fn what_http_itself_asks_for() {
    let cluster = leader_with(ServerConfig::default()).await;
    let mut connection = Raw::open(cluster.leader.address).await;
    for (path, allow) in
        [("/kv/k", "GET, PUT, DELETE"), ("/kv", "GET"), ("/health", "GET"), ("/reset", "POST")]
    {
        connection.send(&request("HEAD", path, &[], None)).await;
        let reply = connection.reply_to_head().await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allow)), "HEAD {path}");
        connection.send(&request("OPTIONS", path, &[], None)).await;
        let reply = connection.reply().await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allow)), "OPTIONS {path}");
    }
    let headers =
        [("Content-Type", "application/json"), ("Content-Length", "13"), ("Expect", "100-continue")];
    connection.send(&request("PUT", "/kv/k", &headers, None)).await;
    assert_eq!(connection.reply().await.status, 100);
    connection.send(br#"{"value":"v"}"#).await;
    assert_eq!(connection.reply().await.status, 200);

    let mut old = Raw::open(cluster.leader.address).await;
    old.send(b"GET /kv/k HTTP/1.0\r\n\r\n").await;
    assert_eq!(old.reply().await.json(), json!({ "value": "v", "version": 1 }));
    old.until_closed().await;
}
