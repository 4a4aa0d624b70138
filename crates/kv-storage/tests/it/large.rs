//! Values as large as they may be, and many of them at once.

use std::path::Path;

use kv_core::{Command, Entry, Epoch, Key, NodeId, VALUE_BYTES_MAX, Version};
use kv_replication::{CheckpointHead, Image, Record, Storage};
use kv_storage::conformance::differs;
use kv_storage::{DiskConfig, DiskStorage, Opened};

const NODE: NodeId = NodeId(1);

fn open(directory: &Path) -> Opened {
    let config = DiskConfig {
        segment_bytes: 64 << 10,
        checkpoint_log_bytes: 64 << 10,
        disk_reserve_bytes: 0,
        salt: 7,
    };
    DiskStorage::open(directory, config, NODE).unwrap()
}

fn put(version: Version, value: &[u8]) -> Entry {
    let key = format!("key{version:04}");
    let command = Command::put(Key::parse(&key).unwrap(), value).unwrap();
    command.into_entry(Epoch { counter: 1, node: NODE }, version)
}

/// All these entries, by way of the log and then by way of a checkpoint.
fn survives(records: Vec<Record>) {
    let directory = tempfile::tempdir().unwrap();
    let Opened { mut storage, mut image, .. } = open(directory.path());
    records.iter().cloned().for_each(|record| image.apply(record));
    storage.append(records).unwrap();
    storage.sync().unwrap();
    drop(storage);
    let Opened { mut storage, image: found, torn } = open(directory.path());
    assert_eq!((differs(&found, &image), torn), (None, None));

    checkpoint(&mut storage, &image);
    drop(storage);
    assert_eq!(differs(&open(directory.path()).image, &image), None);
}

fn checkpoint(storage: &mut DiskStorage, image: &Image) {
    let pending = image.pending.values().cloned().collect();
    let (meta, mark, whole_from) = (image.meta.clone(), image.mark, image.whole_from);
    let mut checkpoint =
        storage.begin_checkpoint(CheckpointHead { meta, mark, whole_from, pending }).unwrap();
    let state: Vec<_> = image.store.scan("", None).map(|(_, item)| item.entry.clone()).collect();
    checkpoint.add(&state).unwrap();
    checkpoint.finish(mark).unwrap();
    storage.end_checkpoint().unwrap();
}

#[test]
fn a_record_that_is_larger_than_any_block_survives() {
    let value = vec![7; 1 << 20];
    let entries = (1..=82).map(|version| put(version, &value)).collect();
    survives(vec![Record::Entries(entries), Record::Mark(10)]);
}

#[test]
fn a_state_that_is_larger_than_any_block_survives() {
    let value = vec![7; 1 << 20];
    let entries = (1..=82).map(|version| put(version, &value)).collect();
    survives(vec![Record::Replace { base: 82, through: 82, entries }]);
}

#[test]
fn the_largest_value_survives() {
    survives(vec![Record::Entries(vec![put(1, b"x"), put(2, &vec![9; VALUE_BYTES_MAX]), put(3, b"y")])]);
}
