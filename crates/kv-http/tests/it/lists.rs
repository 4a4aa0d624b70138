//! `GET /kv` and `GET /keys`: parts, pages, and a long list that comes as the client takes it.

use std::time::Duration;

use kv_core::{Command, Key};
use serde_json::{Map, Value, json};

use crate::common::raw::{Raw, get, request};
use crate::common::{Cluster, PATIENCE};

/// Keys that need care in a URL, in order.
const KEYS: [&str; 8] = ["a", "a b", "a%2F", "a+b", "a/b", "a/b&c=d", "b", "ö\"<>"];

async fn write(cluster: &Cluster, key: &str, value: &[u8]) {
    let command = Command::put(Key::parse(key).unwrap(), value).unwrap();
    cluster.handle.write(command, PATIENCE).await.unwrap();
}

/// More than one frame: `key-00000` and on.
async fn long(keys: usize, value_bytes: usize) -> Cluster {
    let cluster = Cluster::start(0, 0).await;
    for key in 0..keys {
        write(&cluster, &format!("key-{key:05}"), "v".repeat(value_bytes).as_bytes()).await;
    }
    cluster
}

#[tokio::test]
async fn pages_lead_from_one_to_the_next_and_leave_nothing_out() {
    let cluster = Cluster::start(1, 1).await;
    for key in KEYS {
        write(&cluster, key, key.as_bytes()).await;
    }
    let whole = cluster.until_equal().await;
    for server in [&cluster.leader, &cluster.followers[0]] {
        for limit in 1..=9 {
            let (mut found, mut pages) = (Map::new(), 0);
            let mut path = format!("/kv?limit={limit}");
            loop {
                let reply = get(server.address, &path).await;
                let page = reply.json();
                pages += 1;
                assert!(page.as_object().unwrap().len() <= limit);
                found.extend(page.as_object().unwrap().clone());
                let Some(link) = reply.header("link") else { break };
                assert_eq!(page.as_object().unwrap().len(), limit, "only the last page is short");
                path = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned();
            }
            assert_eq!((Value::Object(found), pages), (whole.clone(), KEYS.len().div_ceil(limit)), "{limit}");
        }
    }
    let reply =
        get(cluster.leader.address, "/kv?prefix=a%2F&limit=1&consistency=committed&min_version=1").await;
    let link = "</kv?after=a%2Fb&prefix=a%2F&limit=1&consistency=committed&min_version=1>; rel=\"next\"";
    assert_eq!(reply.header("link"), Some(link));
    assert_eq!(get(cluster.leader.address, "/kv").await.header("link"), None);
}

#[tokio::test]
async fn a_list_of_keys_says_where_it_goes_on() {
    let cluster = Cluster::start(1, 1).await;
    for key in KEYS {
        write(&cluster, key, b"v").await;
    }
    cluster.until_equal().await;
    for server in [&cluster.leader, &cluster.followers[0]] {
        let list = async |query: &str| {
            let page = get(server.address, &format!("/keys{query}")).await.json();
            let keys =
                page["keys"].as_array().unwrap().iter().map(|key| key["key"].as_str().unwrap().to_owned());
            (keys.collect::<Vec<_>>(), page["next"].clone())
        };
        assert_eq!(list("").await, (KEYS.map(str::to_owned).to_vec(), Value::Null));
        assert_eq!(list("?limit=8").await.1, Value::Null, "there is nothing behind the last key");
        let some = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        assert_eq!(list("?limit=2&after=a").await, (some(&["a b", "a%2F"]), json!("a%2F")));
        assert_eq!(list("?prefix=a/").await, (some(&["a/b", "a/b&c=d"]), Value::Null));
        assert_eq!(list("?prefix=a+").await, (some(&["a+b"]), Value::Null), "a plus is a plus");
        assert_eq!(list("?prefix=a&after=a/b%26").await, (some(&["a/b&c=d"]), Value::Null));
        assert_eq!(list("?prefix=b&after=a").await, (some(&["b"]), Value::Null));
        assert_eq!(list("?prefix=a&after=b").await, (some(&[]), Value::Null));
        assert_eq!(list("?prefix=%C3%B6").await, (some(&["ö\"<>"]), Value::Null));
        let first = get(server.address, "/keys?limit=1").await.json();
        assert_eq!(first, json!({ "keys": [{ "key": "a", "version": 1 }], "next": "a" }));
    }
}

#[tokio::test]
async fn a_long_list_comes_in_pieces_and_is_whole() {
    let cluster = long(3000, 100).await;
    let reply = get(cluster.leader.address, "/kv").await;
    assert_eq!((reply.status, reply.header("transfer-encoding")), (200, Some("chunked")));
    assert_eq!(reply.header("content-length"), None);
    let whole = reply.json();
    assert_eq!(whole.as_object().unwrap().len(), 3000);
    assert!(whole.as_object().unwrap().keys().is_sorted());
    assert_eq!(whole["key-02999"], json!({ "value": "v".repeat(100), "version": 3000 }));

    let keys = get(cluster.leader.address, "/keys?after=key-00009").await.json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2990);
    assert_eq!((&keys["keys"][0]["key"], &keys["next"]), (&json!("key-00010"), &Value::Null));
    // The connection is good for another request.
    let mut connection = Raw::open(cluster.leader.address).await;
    for path in ["/kv", "/kv?limit=1000", "/kv/key-00000"] {
        connection.send(&request("GET", path, &[], None)).await;
        assert_eq!(connection.reply().await.status, 200);
    }
}

#[tokio::test]
async fn a_value_that_is_not_text_is_refused_or_ends_the_connection() {
    let cluster = long(3000, 100).await;
    write(&cluster, "key-02000", b"\xff").await;
    let leader = cluster.leader.address;
    for path in ["/kv/key-02000", "/kv?after=key-01990", "/kv?prefix=key-02000&limit=1"] {
        let reply = get(leader, path).await;
        assert_eq!((reply.status, reply.json()["code"].as_str()), (500, Some("not_text")), "{path}");
    }
    let mut connection = Raw::open(leader).await;
    connection.send(&request("GET", "/kv", &[], None)).await;
    assert!(connection.reply_or_end().await.is_none(), "the end comes before the last chunk");
    let keys = get(leader, "/keys").await.json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 3000, "a key is text in any case");
}

/// Nobody waits for a client that does not read, and it is not waited for for ever.
#[tokio::test]
async fn a_client_that_does_not_read_holds_up_nobody_and_is_let_go() {
    let cluster = Cluster::with(0, 0, |setup| setup.server.stall_timeout = Duration::from_millis(300)).await;
    for key in 0..64 {
        write(&cluster, &format!("key-{key:02}"), "v".repeat(1 << 20).as_bytes()).await;
    }
    let mut idle = Raw::open(cluster.leader.address).await;
    idle.send(&request("GET", "/kv", &[], None)).await;
    assert!(idle.answers_within(PATIENCE).await);
    let mut written = 0;
    let start = tokio::time::Instant::now();
    while start.elapsed() < Duration::from_millis(600) {
        assert_eq!(cluster.put("other", "v").await.status, 200);
        written += 1;
    }
    assert!(written > 10, "{written} writes beside it");
    assert!(idle.reply_or_end().await.is_none(), "its connection was closed");
}
