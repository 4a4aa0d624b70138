//! Bodies that are refused: what they say, how long they are; and the report's `/replicate`.

use std::time::Duration;

use kv_http::{Node, ServerConfig};

use crate::common::raw::{Raw, ask, get, request};
use crate::common::refusal::{Expected, JSON, OTHER, SECRET, Untouched, WRITE, check};
use crate::common::{Cluster, Server, follower, serve_follower};

/// Also the answer says nothing of the value: [`check`] looks for the secret.
#[tokio::test]
async fn bodies_that_are_no_write() {
    let untouched = Untouched::start().await;
    let nested = "[".repeat(10_000);
    let nested = [nested.clone(), format!(r#"{{"value":{nested}"#), format!(r#"{{"x":{nested}"#)];
    let mut bodies: Vec<&[u8]> = nested.iter().map(String::as_bytes).collect();
    bodies.extend::<[&[u8]; 27]>([
        b"",
        b" ",
        b"s3cret",
        b"\"s3cret\"",
        b"null",
        b"1",
        b"[]",
        b"{}",
        b"{\"Value\":\"s3cret\"}",
        b"{\"value\":\"s3cret\",\"x\":1}",
        b"{\"x\":\"s3cret\"}",
        b"{\"value\":\"s3cret\",\"value\":\"s3cret\"}",
        b"{\"value\":1}",
        b"{\"value\":null}",
        b"{\"value\":true}",
        b"{\"value\":[\"s3cret\"]}",
        b"{\"value\":{\"s3cret\":1}}",
        b"{\"value\":\"s3cret\"",
        b"{\"value\":\"s3cret",
        b"{\"value\":\"s3cret\"} s3cret",
        b"{\"value\":\"s3cret\",}",
        b"{'value':'s3cret'}",
        b"{\"value\":\"s3cret \\ud800\"}",
        b"{\"value\":\"s3cret \\udc00\\ud800\"}",
        b"{\"value\":\"s3cret \n\"}",
        b"{\"value\":\"s3cret \xff\"}",
        b"\xef\xbb\xbf{\"value\":\"s3cret\"}",
    ]);
    for body in bodies {
        untouched.refused_put("/kv/k", &JSON, body, 422, "invalid_body").await;
    }
}

#[tokio::test]
async fn an_array_is_no_object() {
    let untouched = Untouched::start().await;
    untouched.refused_put("/kv/k", &JSON, br#"["s3cret"]"#, 422, "invalid_body").await;
    let (server, _node) = serve_follower(1).await;
    let body = br#"["k","s3cret",1]"#;
    let reply = ask(server.address, &request("POST", "/replicate", &JSON, Some(body))).await;
    check("an array", &reply, 422, "invalid_body", OTHER);
}

#[tokio::test]
async fn too_large_is_said_as_soon_as_it_is_known() {
    let config = ServerConfig { body_bytes_max: 200, value_bytes_max: 100, ..ServerConfig::default() };
    let cluster = Cluster::with(0, 0, |setup| setup.server = config).await;
    let address = cluster.leader.address;

    let value = format!(r#"{{"value":"{}"}}"#, SECRET.repeat(17)); // 102 bytes
    let reply = ask(address, &request("PUT", "/kv/k", &JSON, Some(value.as_bytes()))).await;
    check(
        "a value over the limit",
        &reply,
        413,
        "too_large",
        Expected { detail: Some("more than 100 bytes"), ..WRITE },
    );

    let mut announced = Raw::open(address).await;
    announced
        .send(
            b"PUT /kv/k HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: 201\r\n\r\n",
        )
        .await;
    let expected = Expected { detail: Some("more than 200 bytes"), ..WRITE };
    check("announced, and never sent", &announced.reply().await, 413, "too_large", expected);
    announced.until_closed().await;

    let mut found = Raw::open(address).await;
    found.send(b"PUT /kv/k HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    found.send(format!("64\r\n{}\r\n64\r\n{}\r\n", "s".repeat(100), "s".repeat(100)).as_bytes()).await;
    assert!(!found.answers_within(Duration::from_millis(50)).await, "200 bytes are not too many");
    found.send(b"1\r\ns\r\n").await;
    check("found while reading", &found.reply().await, 413, "too_large", expected);
    assert_eq!((cluster.handle.versions().0, get(address, "/kv").await.text().as_str()), (0, "{}"));
}

/// It came whole and the connection is there, but it is not the form that was announced.
#[tokio::test]
async fn a_body_that_is_none_is_not_said_to_have_ended() {
    let untouched = Untouched::start().await;
    let mut connection = Raw::open(untouched.leader()).await;
    let chunked = [JSON[0], ("Transfer-Encoding", "chunked")];
    connection.send(&request("PUT", "/kv/k", &chunked, None)).await;
    connection.send(b"no size\r\n").await;
    let expected = Expected { detail: Some("the body could not be read to its end"), ..WRITE };
    check("a chunk without a size", &connection.reply().await, 400, "body_broken", expected);
    untouched.check("a chunk without a size").await;
}

#[tokio::test]
async fn what_the_reports_replicate_refuses() {
    let server = Server::start(Node::follower(follower(1)), ServerConfig::default()).await;
    let long = format!(r#"{{"key":"{}","value":"s3cret","version":1}}"#, "k".repeat(513));
    let bodies: [(&str, u16, &str); 12] = [
        ("", 422, "invalid_body"),
        (r#"{"key":"k","value":"s3cret"}"#, 422, "invalid_body"),
        (r#"{"key":"k","value":"s3cret","version":0}"#, 422, "invalid_body"),
        (r#"{"key":"k","value":"s3cret","version":-1}"#, 422, "invalid_body"),
        (r#"{"key":"k","value":"s3cret","version":1.5}"#, 422, "invalid_body"),
        (r#"{"key":"k","value":"s3cret","version":"1"}"#, 422, "invalid_body"),
        (r#"{"key":"k","value":"s3cret","version":9007199254740992}"#, 422, "invalid_body"),
        (r#"{"key":"k","value":"s3cret","version":1,"epoch":1}"#, 422, "invalid_body"),
        (r#"{"key":"k","value":"s3cret","version":1,"version":2}"#, 422, "invalid_body"),
        (r#"{"key":"","value":"s3cret","version":1}"#, 400, "invalid_key"),
        (r#"{"key":"a\nb","value":"s3cret","version":1}"#, 400, "invalid_key"),
        (&long, 400, "invalid_key"),
    ];
    for (body, status, code) in bodies {
        let reply = ask(server.address, &request("POST", "/replicate", &JSON, Some(body.as_bytes()))).await;
        check(body, &reply, status, code, OTHER);
    }
    let reply = ask(server.address, &request("POST", "/replicate", &[], Some(b"{}"))).await;
    check("no type", &reply, 415, "unsupported_media_type", OTHER);
    let reply = ask(server.address, &request("POST", "/replicate?w=1", &JSON, Some(b"{}"))).await;
    check("a parameter", &reply, 400, "invalid_parameter", OTHER);
    assert_eq!(get(server.address, "/kv").await.text(), "{}");
}
