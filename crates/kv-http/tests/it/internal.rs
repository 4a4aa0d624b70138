//! The endpoints that a leader uses: what they take, and why they refuse the rest.

use kv_core::{Epoch, NodeId};
use kv_http::{Node, ServerConfig, wire};
use kv_replication::{Answer, Append, ClusterId, Head, Identity, Install, Request};
use serde_json::{Value, json};

use crate::common::messages::{EPOCH, HEAD, append, claim, put};
use crate::common::raw::{Raw, Reply, ask, get, request};
use crate::common::{Cluster, Server, follower, serve_follower};

const PATHS: [&str; 5] =
    [wire::APPEND_PATH, wire::PROBE_PATH, wire::CLAIM_PATH, wire::INSTALL_PATH, wire::PULL_PATH];
const TYPE: [(&str, &str); 1] = [("Content-Type", wire::CONTENT_TYPE)];

fn assert_refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, &reply.json()["code"]), (status, &Value::from(code)), "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.json().get("outcome"), None, "no client's write");
}

#[tokio::test]
async fn the_endpoints_of_a_leader_take_only_what_they_know() {
    let (server, node) = serve_follower(1).await;
    let message = wire::encode_append(&append(vec![put(1, b"v")]));
    for path in PATHS {
        for headers in [
            &[][..],
            &[("Content-Type", "application/json")],
            &[("Content-Type", "application/vnd.kv.replication.v1")],
        ] {
            let reply = ask(server.address, &request("POST", path, headers, Some(&message))).await;
            assert_refused(&reply, 415, "unsupported_media_type");
        }
    }
    let longer = [&message[..], b"x"].concat();
    for body in [&b""[..], b"{}", &message[..message.len() - 1], &longer, &[0xff; 100]] {
        let reply = ask(server.address, &request("POST", wire::APPEND_PATH, &TYPE, Some(body))).await;
        assert_refused(&reply, 422, "invalid_body");
    }
    assert_eq!(node.holds(), follower(1).holds(), "nothing was taken");

    assert!(node.request(Request::Claim(claim())).await.unwrap().is_ok());
    let taken = ask(server.address, &request("POST", wire::APPEND_PATH, &TYPE, Some(&message))).await;
    assert_eq!((taken.status, taken.header("content-type")), (200, Some(wire::CONTENT_TYPE)));
    assert_eq!(wire::decode_held(&taken.body), Ok(node.holds()));
    let probed = ask(server.address, &request("POST", wire::PROBE_PATH, &TYPE, Some(b""))).await;
    assert_eq!((probed.status, wire::decode_standing(&probed.body)), (200, Ok(node.standing())));
}

#[tokio::test]
async fn a_refusal_has_its_own_status_code_and_facts() {
    let (server, node) = serve_follower(1).await;
    assert!(matches!(node.request(Request::Claim(claim())).await, Ok(Ok(Answer::Standing(_)))));
    let send = async |append: &Append| {
        let body = wire::encode_append(append);
        ask(server.address, &request("POST", wire::APPEND_PATH, &TYPE, Some(&body))).await
    };
    assert_eq!(send(&append(vec![put(1, b"v")])).await.status, 200);
    let before = node.holds();
    let with = |head| Append { head, ..append(Vec::new()) };
    let stale = with(Head { epoch: Epoch { counter: 2, ..EPOCH }, ..HEAD });
    let early = with(Head { epoch: Epoch { counter: 4, ..EPOCH }, ..HEAD });
    let elsewhere = with(Head { to: Identity { node: NodeId(7), resets: 0 }, ..HEAD });
    let facts = json!({ "kind": "stale_epoch", "counter": "3", "node": "0000000000000009" });
    let far = 1 << 40;
    for (append, status, code, facts) in [
        (stale, 409, "stale_epoch", facts),
        (
            early,
            409,
            "not_promised",
            json!({ "kind": "not_promised", "counter": "3", "node": "0000000000000009" }),
        ),
        (
            elsewhere,
            409,
            "other_node",
            json!({ "kind": "other_node", "node": "0000000000000001", "resets": "0" }),
        ),
        (
            append(vec![put(3, b"v"), put(2, b"v")]),
            422,
            "invalid_body",
            json!({ "kind": "malformed", "version": 2 }),
        ),
        (
            append(vec![put(2, b"v"), put(2, b"v")]),
            422,
            "invalid_body",
            json!({ "kind": "malformed", "version": 2 }),
        ),
        (
            append(vec![put(far, b"v")]),
            412,
            "beyond_window",
            json!({ "kind": "beyond_window", "version": far, "last": 250_000 }),
        ),
        (
            with(Head { cluster: ClusterId(2), ..HEAD }),
            409,
            "wrong_cluster",
            json!({ "kind": "wrong_cluster", "held": "0000000000000001" }),
        ),
    ] {
        let reply = send(&append).await;
        assert_refused(&reply, status, code);
        assert_eq!(reply.json()["refusal"], facts);
        assert!(!reply.text().contains("s3cret"));
        assert_eq!(node.holds(), before, "{code}: nothing has changed");
    }
    let torn = Install { head: HEAD, base: 9, chunk: 3, last: true, through: 9, entries: Vec::new() };
    let body = wire::encode_install(&torn);
    let reply = ask(server.address, &request("POST", wire::INSTALL_PATH, &TYPE, Some(&body))).await;
    assert_refused(&reply, 412, "wrong_chunk");
    assert_eq!(reply.json()["refusal"], json!({ "kind": "wrong_chunk", "expected": 0 }));

    node.set_disk_full(true);
    let reply = send(&append(vec![put(2, b"s3cret")])).await;
    assert_refused(&reply, 507, "insufficient_storage");
    assert_eq!(reply.json()["refusal"], json!({ "kind": "disk_full" }));
    assert_eq!(send(&append(vec![put(1, b"v")])).await.status, 200, "it holds that already");
    assert_eq!(send(&append(Vec::new())).await.status, 200, "a mark takes no space");
    let torn = Install { chunk: 0, ..torn };
    let body = wire::encode_install(&torn);
    let reply = ask(server.address, &request("POST", wire::INSTALL_PATH, &TYPE, Some(&body))).await;
    assert_refused(&reply, 507, "insufficient_storage");
    node.set_disk_full(false);
    assert_eq!(node.holds(), before);

    let reply = send(&append(vec![put(1, b"s3cret")])).await;
    assert_refused(&reply, 409, "conflict");
    assert_eq!(reply.json()["refusal"], json!({ "kind": "conflict", "version": 1 }));
    assert!(!reply.text().contains("s3cret"));
    assert_eq!(node.standing().diverged, Some(1), "from now on it trusts nothing that it holds");
}

#[tokio::test]
async fn batches_have_a_limit_and_leaders_take_none() {
    let config = ServerConfig { batch_bytes_max: 1000, ..ServerConfig::default() };
    let server = Server::start(Node::follower(follower(1)), config).await;
    let mut announced = Raw::open(server.address).await;
    announced.send(&request("POST", wire::APPEND_PATH, &[TYPE[0], ("Content-Length", "1001")], None)).await;
    assert_refused(&announced.reply().await, 413, "too_large");
    let mut found = Raw::open(server.address).await;
    found.send(&request("POST", wire::APPEND_PATH, &[TYPE[0], ("Transfer-Encoding", "chunked")], None)).await;
    found.send(format!("3e9\r\n{}\r\n", "x".repeat(1001)).as_bytes()).await;
    assert_refused(&found.reply().await, 413, "too_large");

    let cluster = Cluster::start(1, 1).await;
    let leader = cluster.leader.address;
    for path in PATHS {
        let message = wire::encode_append(&append(vec![put(1, b"v")]));
        let reply = ask(leader, &request("POST", path, &TYPE, Some(&message))).await;
        assert_refused(&reply, 405, "not_follower");
        assert_eq!(reply.json()["detail"], "Follower only");
    }
    assert_eq!(get(leader, "/kv").await.text(), "{}");
}
