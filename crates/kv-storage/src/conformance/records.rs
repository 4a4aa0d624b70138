//! What the runs write down.

use std::sync::Arc;

use kv_core::{Command, Entry, Epoch, Key, NodeId, Version};
use kv_replication::{ClusterId, Group, Meta, Record};

pub(super) const NODE: NodeId = NodeId(41);
pub(super) const EPOCH: Epoch = Epoch { counter: 3, node: NODE };
pub(super) const HIGHER: Epoch = Epoch { counter: 4, node: NodeId(7) };
/// More than any storage keeps back before it writes.
pub(super) const LARGE_BYTES: usize = 5 << 18;

/// Every kind of record, in an order in which a node could write them.
pub(super) fn every_kind() -> Vec<Record> {
    vec![
        Record::Meta(Arc::new(meta(3))),
        entries(EPOCH, 1..=9),
        entries_of(EPOCH, &[14, 12, 17]),
        Record::Mark(4),
        entries(HIGHER, 6..=8),
        entries(EPOCH, 6..=7),
        Record::Void(HIGHER),
        entries(HIGHER, 9..=11),
        Record::Mark(9),
        Record::Meta(Arc::new(meta(4))),
        Record::Wipe,
        entries(HIGHER, 1..=3),
        entries_of(HIGHER, &[21, 25]),
        replacement(),
        entries(HIGHER, 22..=24),
        Record::Mark(22),
    ]
}

pub(super) fn replacement() -> Record {
    let entries = (1..=20).map(|n| put(HIGHER, n, &format!("k{n}"), 50)).collect();
    Record::Replace { base: 20, through: 23, entries }
}

/// Ten more entries from `first` on, of which half are committed; some keys are deleted.
pub(super) fn growth(first: Version) -> Vec<Record> {
    let delete = Key::parse("k3").map(Command::delete).expect("a key").into_entry(HIGHER, first + 4);
    vec![
        entries(HIGHER, first..=first + 3),
        Record::Entries(vec![delete]),
        entries(HIGHER, first + 5..=first + 9),
        Record::Mark(first + 5),
    ]
}

pub(super) fn meta(counter: u64) -> Meta {
    let groups = vec![Group { since: EPOCH, write: 2, followers: vec!["http://ключ:1".to_owned()] }];
    Meta {
        counts: counter > 3,
        cluster: Some(ClusterId(77)),
        promised: Epoch { counter, node: NODE },
        promised_in: Some(ClusterId(78)),
        promised_other: Epoch { counter: 1, node: NodeId(9) },
        groups: Arc::new(groups.clone()),
        claimed: Arc::new([groups, Vec::new()].concat()),
        authoritative: Some(EPOCH),
        diverged: (counter > 3).then_some(12),
        ..Meta::new(NODE)
    }
}

pub(super) fn entries(epoch: Epoch, versions: std::ops::RangeInclusive<Version>) -> Record {
    Record::Entries(versions.map(|version| put(epoch, version, &format!("k{}", version % 10), 40)).collect())
}

pub(super) fn entries_of(epoch: Epoch, versions: &[Version]) -> Record {
    Record::Entries(versions.iter().map(|version| put(epoch, *version, &format!("k{version}"), 0)).collect())
}

/// One entry that fills more than a block.
pub(super) fn large(version: Version) -> Record {
    Record::Entries(vec![put(EPOCH, version, "k7", LARGE_BYTES)])
}

pub(super) fn put(epoch: Epoch, version: Version, key: &str, bytes: usize) -> Entry {
    let value = vec![version as u8; bytes];
    let key = Key::parse(key).expect("a key");
    Command::put(key, &value).expect("a value").into_entry(epoch, version)
}
