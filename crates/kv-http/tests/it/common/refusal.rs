//! What a refusal must look like, and the proof that it changed nothing.

use std::net::SocketAddr;

use serde_json::Value;

use super::Cluster;
use super::raw::{Reply, ask, get, request};

pub const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];
pub const GOOD: &[u8] = br#"{"value":"v"}"#;
/// A part of every value that is sent here; no error may repeat it.
pub const SECRET: &str = "s3cret";

/// What an error must look like, besides its status and code.
#[derive(Clone, Copy, Default)]
pub struct Expected {
    pub detail: Option<&'static str>,
    pub allow: Option<&'static str>,
    pub is_write: bool,
}

pub const WRITE: Expected = Expected { detail: None, allow: None, is_write: true };
pub const OTHER: Expected = Expected { detail: None, allow: None, is_write: false };

pub fn check(what: &str, reply: &Reply, status: u16, code: &str, expected: Expected) {
    let context = format!("{what}: {reply:?} {}", reply.text());
    assert_eq!(reply.status, status, "{context}");
    assert_eq!(reply.header("content-type"), Some("application/json"), "{context}");
    assert_eq!(reply.header("allow"), expected.allow, "{context}");
    assert_eq!(reply.header("retry-after"), None, "{context}");
    assert!(!reply.text().contains(SECRET), "{context}");
    let body = reply.json();
    assert_eq!(body["code"], code, "{context}");
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{context}");
    if let Some(detail) = expected.detail {
        assert_eq!(body["detail"], detail, "{context}");
    }
    let mut fields: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    if expected.is_write {
        assert_eq!(body["outcome"], "not_applied", "{context}");
        assert_eq!(fields, ["code", "detail", "outcome"], "{context}");
    } else {
        assert_eq!(fields, ["code", "detail"], "{context}");
    }
}

/// A cluster that holds one key, and the proof that it still holds just that.
pub struct Untouched {
    pub cluster: Cluster,
    pub dump: Value,
}

impl Untouched {
    pub async fn start() -> Self {
        let cluster = Cluster::start(2, 2).await;
        assert_eq!(cluster.put("k", "before").await.status, 200);
        Self { dump: cluster.until_equal().await, cluster }
    }

    pub fn leader(&self) -> SocketAddr {
        self.cluster.leader.address
    }

    pub async fn check(&self, what: &str) {
        assert_eq!(self.cluster.handle.versions().0, 1, "{what} was given a version");
        for server in [&self.cluster.leader].into_iter().chain(&self.cluster.followers) {
            assert_eq!(get(server.address, "/kv").await.json(), self.dump, "{what}");
        }
    }

    /// Sends a PUT that must be refused.
    pub async fn refused_put(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        status: u16,
        code: &str,
    ) {
        let what = format!("PUT {path} {headers:?} {}", String::from_utf8_lossy(&body[..body.len().min(80)]));
        let reply = ask(self.leader(), &request("PUT", path, headers, Some(body))).await;
        check(&what, &reply, status, code, WRITE);
        self.check(&what).await;
    }
}
