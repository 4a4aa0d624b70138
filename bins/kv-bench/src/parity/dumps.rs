//! The comparison from outside, through the report's own `GET /kv`.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::{Method, StatusCode};
use kv_http::{Address, Client};
use serde::Deserialize;

use super::verdict::Verdict;
use crate::clock::now;

/// How often the replicas are looked at while they are not equal yet.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Item {
    value: String,
    version: u64,
}

type Dump = BTreeMap<String, Item>;

/// Compares key, value and version on all nodes until they are equal, at most for `patience`.
///
/// It is unknown if some node could not be read to the end.
pub async fn wait(nodes: &[Address], patience: Duration) -> Verdict {
    let clients: Vec<Client> = nodes.iter().cloned().map(Client::new).collect();
    let start = now();
    loop {
        let found = tokio::time::timeout(patience, compare(&clients)).await.ok().flatten();
        let verdict = match found {
            Some(true) => Verdict::Equal,
            Some(false) => Verdict::Different,
            None => Verdict::Unknown,
        };
        if verdict == Verdict::Equal || start.elapsed() >= patience {
            return verdict;
        }
        pause().await;
    }
}

async fn compare(clients: &[Client]) -> Option<bool> {
    let mut dumps = Vec::new();
    for client in clients {
        dumps.push(dump(client).await?);
    }
    Some(dumps.windows(2).all(|pair| matches!(pair, [a, b] if a == b)))
}

async fn dump(client: &Client) -> Option<Dump> {
    let response = client.send(Method::GET, "/kv", None).await.ok()?;
    if response.status != StatusCode::OK {
        return None;
    }
    serde_json::from_slice(&response.body).ok()
}

#[expect(clippy::disallowed_methods, reason = "the pause of a poll with a deadline")]
async fn pause() {
    tokio::time::sleep(POLL_INTERVAL).await;
}
