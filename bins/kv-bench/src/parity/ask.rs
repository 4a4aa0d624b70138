//! What a leader says of its followers.

use std::time::Duration;

use hyper::{Method, StatusCode};
use kv_http::{Address, Client};
use serde::Deserialize;

use super::verdict::Verdict;

/// On top of what the leader may take, for the way there and back.
const GRACE: Duration = Duration::from_secs(5);

/// What the leader has found.
#[derive(Debug)]
pub struct Found {
    pub verdict: Verdict,
    /// For people.
    pub table: String,
    /// Why nothing is known.
    pub why: Option<String>,
}

#[derive(Deserialize)]
struct Body {
    parity_ok: Option<bool>,
    detail: Option<String>,
    version: Option<u64>,
    #[serde(default)]
    nodes: Vec<Node>,
    #[serde(default)]
    differences: Vec<Difference>,
    differences_complete: Option<bool>,
}

#[derive(Deserialize)]
struct Node {
    node: String,
    keys: Option<u64>,
    digest: Option<String>,
    problem: Option<String>,
}

#[derive(Deserialize)]
struct Difference {
    key: String,
    held: Vec<Held>,
}

#[derive(Deserialize)]
struct Held {
    node: String,
    version: Option<u64>,
    value_digest: Option<String>,
}

/// Asks the leader at `url` to compare all nodes, in at most `timeout`.
pub async fn ask(url: &Address, timeout: Duration) -> Found {
    let client = Client::new(url.clone());
    let path = format!("/parity?timeout_ms={}", timeout.as_millis().clamp(1, 600_000));
    let asking = client.send(Method::GET, &path, None);
    let unknown = |why: String| Found { verdict: Verdict::Unknown, table: String::new(), why: Some(why) };
    let response = match tokio::time::timeout(timeout + GRACE, asking).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return unknown(error.to_string()),
        Err(_) => return unknown(format!("{url} gave no answer in time")),
    };
    read(response.status, &response.body)
        .unwrap_or_else(|| unknown(format!("{url} answered {}, and no comparison", response.status)))
}

/// None if it is no answer to this question.
fn read(status: StatusCode, body: &[u8]) -> Option<Found> {
    let body: Body = serde_json::from_slice(body).ok()?;
    let verdict = match (status, body.parity_ok) {
        (StatusCode::OK, Some(true)) => Verdict::Equal,
        (StatusCode::CONFLICT, Some(false)) => Verdict::Different,
        _ => Verdict::Unknown,
    };
    let why = body.detail.clone().filter(|_| verdict == Verdict::Unknown);
    if verdict == Verdict::Unknown && why.is_none() {
        return None;
    }
    Some(Found { verdict, table: table(&body, verdict), why })
}

fn table(body: &Body, verdict: Verdict) -> String {
    let width = body.nodes.iter().map(|node| node.node.len()).max().unwrap_or(0).max(4);
    let mut text = String::new();
    if !body.nodes.is_empty() {
        text += &format!("{:width$}  {:>10}  {}\n", "Node", "Keys", "Digest");
    }
    for Node { node, keys, digest, problem } in &body.nodes {
        text += &match (keys, digest, problem) {
            (Some(keys), Some(digest), None) => format!("{node:width$}  {keys:>10}  {digest}\n"),
            (.., problem) => {
                let problem = problem.as_deref().unwrap_or("not compared");
                format!("{node:width$}  {:>10}  {problem}\n", "-")
            }
        };
    }
    for Difference { key, held } in &body.differences {
        text += &format!("key {key:?}\n");
        for one in held {
            text += &format!("    {:width$}  {}\n", one.node, describe(one));
        }
    }
    let version = body.version.unwrap_or(0);
    text += &match (verdict, body.differences_complete) {
        (Verdict::Equal, _) => format!("equal at version {version}\n"),
        (Verdict::Different, Some(true)) => format!("different at version {version}: these keys\n"),
        (Verdict::Different, _) => format!("different at version {version}: these keys, and perhaps more\n"),
        (Verdict::Unknown, _) => "could not compare\n".to_owned(),
    };
    text
}

fn describe(held: &Held) -> String {
    match (held.version, &held.value_digest) {
        (Some(version), Some(digest)) => format!("version {version}, value {digest}"),
        (Some(version), None) => format!("version {version}"),
        (None, _) => "absent".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_and_shown() {
        let equal = br#"{"parity_ok":true,"version":4,"nodes":[
            {"node":"leader","node_id":"1","version":4,"keys":2,"digest":"ab"},
            {"node":"http://a:1","node_id":"2","version":4,"keys":2,"digest":"ab"}]}"#;
        let found = read(StatusCode::OK, equal).unwrap();
        assert_eq!(found.verdict, Verdict::Equal);
        let expected = "Node              Keys  Digest\n\
                        leader               2  ab\n\
                        http://a:1           2  ab\n\
                        equal at version 4\n";
        assert_eq!(found.table, expected);

        let different = br#"{"parity_ok":false,"version":4,"nodes":[{"node":"leader","keys":2,"digest":"ab"},
            {"node":"http://a:1","problem":"no answer in time"}],"differences_complete":false,"differences":[
            {"key":"k","held":[{"node":"leader","version":3,"value_digest":"cd"},{"node":"f","version":null}]}]}"#;
        let found = read(StatusCode::CONFLICT, different).unwrap();
        assert_eq!(found.verdict, Verdict::Different);
        let expected = "Node              Keys  Digest\n\
                        leader               2  ab\n\
                        http://a:1           -  no answer in time\n\
                        key \"k\"\n    leader      version 3, value cd\n    f           absent\n\
                        different at version 4: these keys, and perhaps more\n";
        assert_eq!(found.table, expected);
    }

    #[test]
    fn anything_else_is_never_taken_for_equal() {
        let refused = br#"{"detail":"could not compare: x","code":"could_not_compare","nodes":[]}"#;
        let found = read(StatusCode::SERVICE_UNAVAILABLE, refused).unwrap();
        assert_eq!((found.verdict, found.why.as_deref()), (Verdict::Unknown, Some("could not compare: x")));
        for (status, body) in [
            (StatusCode::OK, &b"{}"[..]),
            (StatusCode::OK, b"ok"),
            (StatusCode::OK, b"{\"parity_ok\":false,\"version\":1}"),
            (StatusCode::CONFLICT, b"{\"parity_ok\":true,\"version\":1}"),
        ] {
            assert!(read(status, body).is_none_or(|found| found.verdict == Verdict::Unknown));
        }
    }
}
