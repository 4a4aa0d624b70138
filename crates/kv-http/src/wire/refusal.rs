//! A refusal, within the JSON error that a follower answers.

use kv_core::{Epoch, NodeId};
use kv_replication::{ClusterId, Identity, Refusal};
use serde::{Deserialize, Serialize};

/// A refusal as JSON. Ids are 64 bits, which a JSON number cannot hold safely: they are hex texts.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum WireRefusal {
    WrongCluster { held: Option<String> },
    StaleEpoch { counter: String, node: String },
    NotPromised { counter: String, node: String },
    OtherNode { node: String, resets: String },
    WrongChunk { expected: u64 },
    Conflict { version: u64 },
    Malformed { version: u64 },
    BeyondWindow { version: u64, last: u64 },
    DiskFull,
}

impl From<Refusal> for WireRefusal {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::WrongCluster { held } => {
                Self::WrongCluster { held: held.map(|cluster| cluster.to_string()) }
            }
            Refusal::StaleEpoch { promised } => Self::StaleEpoch {
                counter: format!("{:x}", promised.counter),
                node: promised.node.to_string(),
            },
            Refusal::NotPromised { promised } => Self::NotPromised {
                counter: format!("{:x}", promised.counter),
                node: promised.node.to_string(),
            },
            Refusal::OtherNode { identity } => {
                Self::OtherNode { node: identity.node.to_string(), resets: format!("{:x}", identity.resets) }
            }
            Refusal::WrongChunk { expected } => Self::WrongChunk { expected },
            Refusal::Conflict { version } => Self::Conflict { version },
            Refusal::Malformed { version } => Self::Malformed { version },
            Refusal::BeyondWindow { version, last } => Self::BeyondWindow { version, last },
            Refusal::DiskFull => Self::DiskFull,
        }
    }
}

/// Reads the refusal out of an error's body; none if it is some other answer.
pub(crate) fn refusal_from_json(body: &[u8]) -> Option<Refusal> {
    #[derive(Deserialize)]
    struct Body {
        refusal: WireRefusal,
    }
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let epoch = |counter: &str, node: &str| Some(Epoch { counter: hex(counter)?, node: NodeId(hex(node)?) });
    Some(match serde_json::from_slice::<Body>(body).ok()?.refusal {
        WireRefusal::WrongCluster { held: None } => Refusal::WrongCluster { held: None },
        WireRefusal::WrongCluster { held: Some(held) } => {
            Refusal::WrongCluster { held: Some(ClusterId(hex(&held)?)) }
        }
        WireRefusal::StaleEpoch { counter, node } => {
            Refusal::StaleEpoch { promised: epoch(&counter, &node)? }
        }
        WireRefusal::NotPromised { counter, node } => {
            Refusal::NotPromised { promised: epoch(&counter, &node)? }
        }
        WireRefusal::OtherNode { node, resets } => {
            Refusal::OtherNode { identity: Identity { node: NodeId(hex(&node)?), resets: hex(&resets)? } }
        }
        WireRefusal::WrongChunk { expected } => Refusal::WrongChunk { expected },
        WireRefusal::Conflict { version } => Refusal::Conflict { version },
        WireRefusal::Malformed { version } => Refusal::Malformed { version },
        WireRefusal::BeyondWindow { version, last } => Refusal::BeyondWindow { version, last },
        WireRefusal::DiskFull => Refusal::DiskFull,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_comes_back_as_it_was() {
        let promised = Epoch { counter: u64::MAX, node: NodeId(u64::MAX - 1) };
        for refusal in [
            Refusal::WrongCluster { held: None },
            Refusal::WrongCluster { held: Some(ClusterId(u64::MAX)) },
            Refusal::StaleEpoch { promised },
            Refusal::NotPromised { promised },
            Refusal::OtherNode { identity: Identity { node: NodeId(1), resets: u64::MAX } },
            Refusal::WrongChunk { expected: 3 },
            Refusal::Conflict { version: 4 },
            Refusal::Malformed { version: 5 },
            Refusal::BeyondWindow { version: 6, last: 5 },
            Refusal::DiskFull,
        ] {
            let body = json!({ "detail": "x", "refusal": WireRefusal::from(refusal) }).to_string();
            assert_eq!(refusal_from_json(body.as_bytes()), Some(refusal));
        }
        assert_eq!(refusal_from_json(br#"{"detail":"x","code":"not_found"}"#), None);
        assert_eq!(refusal_from_json(br#"{"refusal":{"kind":"wrong_cluster","held":"no hex"}}"#), None);
    }
}
