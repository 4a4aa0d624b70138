//! What a leader could send to the follower with the id 1.

use std::sync::Arc;

use kv_core::{Command, Entry, Epoch, Key, NodeId};
use kv_replication::{Append, Claim, ClusterId, Group, Head, Identity, Stage};

pub const EPOCH: Epoch = Epoch { counter: 3, node: NodeId(9) };

pub fn put(version: u64, value: &[u8]) -> Entry {
    Command::put(Key::parse("k").unwrap(), value).unwrap().into_entry(EPOCH, version)
}

pub const HEAD: Head =
    Head { to: Identity { node: NodeId(1), resets: 0 }, cluster: ClusterId(1), epoch: EPOCH };

pub fn append(entries: Vec<Entry>) -> Append {
    Append { head: HEAD, stage: Stage::Serving, counted: true, mark: 0, entries }
}

pub fn claim() -> Claim {
    Claim {
        head: HEAD,
        renames: None,
        groups: Arc::new(vec![Group { since: EPOCH, write: 1, followers: vec!["one".to_owned()] }]),
    }
}
