//! What goes in comes out: keys as their path spells them, values byte for byte, on every node.

use serde_json::json;

use crate::common::Cluster;
use crate::common::raw::{ask, get, put_request, request};

#[tokio::test]
async fn keys_are_what_their_path_spells() {
    let cluster = Cluster::start(1, 1).await;
    let longest = "k".repeat(512);
    let escaped = "%6B".repeat(512);
    let mut version = 0;
    for (written, key, also) in [
        ("plain", "plain", "plai%6E"),
        ("a/b", "a/b", "a%2Fb"),
        ("a%2Fc/d", "a/c/d", "a/c%2fd"),
        ("a//b/", "a//b/", "a%2f%2fb%2f"),
        ("/", "/", "%2F"),
        ("a+b", "a+b", "a%2Bb"),
        ("a%20b", "a b", "a%20b"),
        ("%D0%BA%D0%BB%D1%8E%D1%87", "ключ", "%d0%ba%d0%bb%d1%8e%d1%87"),
        ("%F0%9F%A6%80", "🦀", "%f0%9f%a6%80"),
        ("%2541", "%41", "%25%34%31"),
        ("q%3Fa%3Db%26c%23d", "q?a=b&c#d", "q%3fa=b&c%23d"),
        ("%22%5C%27%3C%3E", "\"\\'<>", "%22%5c'%3C%3E"),
        ("a..b", "a..b", "a.%2Eb"),
        ("...", "...", "%2E.."),
        (&longest, &longest, &escaped),
    ] {
        version += 1;
        let reply = cluster.put(written, written).await;
        let expected = json!({ "key": key, "value": written, "version": version, "acks": 1 });
        assert_eq!((reply.status, reply.json()), (200, expected), "{written}");
        let dump = cluster.until_equal().await;
        assert_eq!(dump[key], json!({ "value": written, "version": version }), "{written}");
        for path in [written, also] {
            let found = cluster.get(path).await;
            assert_eq!((found.status, &found.json()), (200, &dump[key]), "{path}");
            assert_eq!(found.header("etag"), Some(format!("\"{version}\"").as_str()), "{path}");
        }
    }
    assert_eq!(cluster.until_equal().await.as_object().unwrap().len(), version);
}

#[tokio::test]
async fn values_come_back_as_they_were_written() {
    let cluster = Cluster::start(1, 1).await;
    let every_ascii: String = (0..128_u8).map(char::from).collect();
    for value in [
        "",
        " ",
        "\"quoted\" \\ and 'not'",
        "line\nline\r\n\ttab",
        "\0",
        "wörter, слова, 🦀, \u{feff}, \u{2028}, e\u{301}",
        r#"{"value":"x"}"#,
        "null",
        &every_ascii,
    ] {
        let written = cluster.put("k", value).await;
        assert_eq!((written.status, &written.json()["value"]), (200, &json!(value)), "{value:?}");
        cluster.until_equal().await;
        for server in [&cluster.leader, &cluster.followers[0]] {
            assert_eq!(get(server.address, "/kv/k").await.json()["value"], json!(value), "{value:?}");
        }
    }
}

/// The same text may be written in several ways; what counts is the text.
#[tokio::test]
async fn a_body_may_be_spelled_in_every_way_that_json_allows() {
    let cluster = Cluster::start(0, 0).await;
    for (content_type, body, value) in [
        ("application/json", r#"{"value":"A"}"#, "A"),
        ("application/json; charset=utf-8", "\r\n\t {  \"value\" :\n\"B\" } \n", "B"),
        ("Application/JSON ;x=y", r#"{"\u0076alue":"\u0043\/\ud83e\udd80\n"}"#, "C/🦀\n"),
    ] {
        let headers = [("Content-Type", content_type)];
        let reply =
            ask(cluster.leader.address, &request("PUT", "/kv/k", &headers, Some(body.as_bytes()))).await;
        assert_eq!((reply.status, &reply.json()["value"]), (200, &json!(value)), "{body}");
    }
}

#[tokio::test]
async fn a_value_of_one_mebibyte_is_the_largest() {
    let cluster = Cluster::start(2, 2).await;
    let largest = "v".repeat(1 << 20);
    let written = cluster.put("plain", &largest).await;
    assert_eq!(written.status, 200);
    assert_eq!(written.json()["value"], json!(largest));

    // JSON may need six bytes for one: the limit on bodies leaves room for that.
    let controls = "\u{1}".repeat(1 << 20);
    assert_eq!(cluster.put("escaped", &controls).await.status, 200);
    let dump = cluster.until_equal().await;
    assert_eq!(dump["plain"]["value"], json!(largest));
    assert_eq!(dump["escaped"]["value"], json!(controls));

    // The value is read to its end before it is refused, so the connection can be used again.
    let mut connection = crate::common::raw::Raw::open(cluster.leader.address).await;
    connection.send(&put_request("k", &format!("{largest}v"))).await;
    let refused = connection.reply().await;
    assert_eq!((refused.status, &refused.json()["code"]), (413, &json!("too_large")));
    connection.send(&request("GET", "/health", &[], None)).await;
    assert_eq!(connection.reply().await.status, 200);
    assert_eq!(cluster.handle.versions().0, 2);
}
