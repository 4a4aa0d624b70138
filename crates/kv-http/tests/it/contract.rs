//! Every refusal of a request, as the contract has it: status, `code`, `detail`, the `outcome` on
//! writes, the headers; and after each of them nothing has changed.
//!
//! Bodies are in `bodies.rs`; what a write meets when followers are missing is in `outcomes.rs`.

use crate::common::raw::{ask, get, request};
use crate::common::refusal::{Expected, GOOD, JSON, OTHER, Untouched, WRITE, check};

#[tokio::test]
async fn a_follower_takes_no_writes() {
    let untouched = Untouched::start().await;
    let follower = untouched.cluster.followers[0].address;
    for (method, body) in [("PUT", Some(GOOD)), ("DELETE", None)] {
        let reply = ask(follower, &request(method, "/kv/k", &JSON, body)).await;
        let expected = Expected { detail: Some("Leader only"), allow: Some("GET"), is_write: true };
        check("a write on a follower", &reply, 405, "not_leader", expected);
    }
    untouched.check("a write on a follower").await;
}

#[tokio::test]
async fn unknown_paths_keys_and_methods() {
    let untouched = Untouched::start().await;
    let (leader, follower) = (untouched.leader(), untouched.cluster.followers[0].address);
    for address in [leader, follower] {
        for path in ["/", "/KV/k", "/kvx", "/health/", "//kv/k", "/internal", "/internal/append/", "/x?y=z"] {
            let reply = get(address, path).await;
            check(path, &reply, 404, "not_found", OTHER);
        }
        let missing = Expected { detail: Some("Key not found"), ..OTHER };
        check("a key", &get(address, "/kv/nothing").await, 404, "key_not_found", missing);
        for (method, path, allow) in [
            ("POST", "/health", "GET"),
            ("POST", "/kv", "GET"),
            ("PUT", "/keys", "GET"),
            ("POST", "/parity", "GET"),
            ("GET", "/internal/digest", "POST"),
            ("GET", "/replicate", "POST"),
            ("GET", "/internal/append", "POST"),
            ("PUT", "/internal/probe", "POST"),
        ] {
            let what = format!("{method} {path}");
            let reply = ask(address, &request(method, path, &[], None)).await;
            let expected = Expected { allow: Some(allow), ..OTHER };
            check(&what, &reply, 405, "method_not_allowed", expected);
        }
        let reply = get(address, "/reset").await;
        let expected = Expected { allow: Some("POST"), ..OTHER };
        check("GET /reset", &reply, 405, "method_not_allowed", expected);
    }
    for (address, allow) in [(leader, "GET, PUT, DELETE"), (follower, "GET")] {
        for method in ["POST", "PATCH", "OPTIONS", "TRACE", "SPAM"] {
            let reply = ask(address, &request(method, "/kv/k", &JSON, Some(GOOD))).await;
            let expected = Expected { allow: Some(allow), ..OTHER };
            check(method, &reply, 405, "method_not_allowed", expected);
        }
    }
    untouched.check("a method that is not there").await;
}

#[tokio::test]
async fn what_is_no_key() {
    let untouched = Untouched::start().await;
    let too_long =
        [&"k".repeat(513), &"%6B".repeat(513), &"%D1%8F".repeat(257)].map(|key| format!("/kv/{key}"));
    let mut paths: Vec<&str> = too_long.iter().map(String::as_str).collect();
    paths.extend([
        "/kv/",
        "/kv/%",
        "/kv/%4",
        "/kv/a%zz",
        "/kv/a%2",
        "/kv/%%41",
        "/kv/%ff",
        "/kv/a%C3",
        "/kv/%ED%A0%80",
    ]);
    paths.extend([
        "/kv/%C0%AF",
        "/kv/a%00b",
        "/kv/%0A",
        "/kv/%7F",
        "/kv/%C2%85",
        "/kv/.",
        "/kv/a/../b",
        "/kv/%2e%2E/x",
    ]);
    for path in paths {
        untouched.refused_put(path, &JSON, GOOD, 400, "invalid_key").await;
        for server in [&untouched.cluster.leader, &untouched.cluster.followers[0]] {
            check(path, &get(server.address, path).await, 400, "invalid_key", OTHER);
        }
    }
}

#[tokio::test]
async fn parameters_that_are_wrong_or_not_there_yet() {
    let untouched = Untouched::start().await;
    for query in [
        "w=",
        "w=-1",
        "w=1.0",
        "w=65",
        "cas=1",
        "explain=true",
        "consistency=eventual",
        "consistency=",
        "min_version=-1",
        "min_version=x",
        "limit=0",
        "limit=1001",
        "prefix=%zz",
        "after=%ff",
        "sync",
        "x",
        "=1",
        "timeout_ms",
        "timeout_ms=",
        "timeout_ms=0",
        "timeout_ms=abc",
        "timeout_ms=-1",
        "timeout_ms=1.5",
        "timeout_ms=%31",
        "timeout_ms=600001",
        "timeout_ms=99999999999999999999",
        "timeout_ms=1&timeout_ms=1",
        "timeout_ms=100&w=x",
        "TIMEOUT_MS=1",
    ] {
        untouched.refused_put(&format!("/kv/k?{query}"), &JSON, GOOD, 400, "invalid_parameter").await;
        for path in ["/kv/k", "/kv", "/keys", "/parity", "/health", "/status", "/livez"] {
            let path = format!("{path}?{query}");
            let reply = get(untouched.leader(), &path).await;
            check(&path, &reply, 400, "invalid_parameter", OTHER);
        }
        let path = format!("/kv/k?{query}");
        let reply = ask(untouched.leader(), &request("DELETE", &path, &[], None)).await;
        check(&path, &reply, 400, "invalid_parameter", WRITE);
        let path = format!("/reset?{query}");
        let reply = ask(untouched.leader(), &request("POST", &path, &[], None)).await;
        check(&path, &reply, 400, "invalid_parameter", WRITE);
        untouched.check(&path).await;
    }
}

#[tokio::test]
async fn more_acknowledgements_than_followers_can_never_come() {
    let untouched = Untouched::start().await;
    untouched.refused_put("/kv/k?w=64", &JSON, GOOD, 400, "quorum_unsatisfiable").await;
    let reply = ask(untouched.leader(), &request("DELETE", "/kv/k?w=64", &[], None)).await;
    check("DELETE", &reply, 400, "quorum_unsatisfiable", WRITE);
    untouched.check("w").await;
}

#[tokio::test]
async fn headers_and_types_that_are_not_supported() {
    let untouched = Untouched::start().await;
    for header in [("If-Match", "\"1\""), ("If-None-Match", "*"), ("Idempotency-Key", "x"), ("if-match", "")]
    {
        untouched.refused_put("/kv/k", &[JSON[0], header], GOOD, 400, "invalid_parameter").await;
        let reply = ask(untouched.leader(), &request("DELETE", "/kv/k", &[header], None)).await;
        check(header.0, &reply, 400, "invalid_parameter", WRITE);
    }
    untouched.refused_put("/kv/k", &[], GOOD, 415, "unsupported_media_type").await;
    for content_type in
        ["", "text/plain", "text/json", "application/jsonx", "application/x-www-form-urlencoded", "json"]
    {
        let headers = [("Content-Type", content_type)];
        untouched.refused_put("/kv/k", &headers, GOOD, 415, "unsupported_media_type").await;
    }
}
