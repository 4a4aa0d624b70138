//! A directory does not grow without bound.

use std::fs;
use std::path::Path;

use kv_core::{Command, Epoch, Key, NodeId, Version};
use kv_replication::{CheckpointHead, Image, Record, Storage};
use kv_storage::conformance::differs;
use kv_storage::{DiskConfig, DiskStorage, Opened};

const NODE: NodeId = NodeId(1);
const EPOCH: Epoch = Epoch { counter: 1, node: NODE };
const SEGMENT_BYTES: u64 = 16 << 10;
const CHECKPOINT_LOG_BYTES: u64 = 64 << 10;

fn open(directory: &Path) -> Opened {
    let config = DiskConfig {
        segment_bytes: SEGMENT_BYTES,
        checkpoint_log_bytes: CHECKPOINT_LOG_BYTES,
        disk_reserve_bytes: 0,
        salt: 7,
    };
    DiskStorage::open(directory, config, NODE).unwrap()
}

fn bytes(directory: &Path) -> u64 {
    // A spare may just be given its name.
    fs::read_dir(directory).unwrap().filter_map(|entry| Some(entry.unwrap().metadata().ok()?.len())).sum()
}

/// Writes the same keys again and again, and checkpoints when the storage wants to, with `meanwhile` more
/// writes while each is under way; the most bytes that the directory ever had, and the state's.
fn overwrite(keys: u64, value: usize, rounds: u64, meanwhile: u64) -> (u64, u64) {
    let directory = tempfile::tempdir().unwrap();
    let Opened { mut storage, mut image, .. } = open(directory.path());
    let (mut version, mut most, mut state_bytes) = (0, 0, 0);
    let mut write = |storage: &mut DiskStorage, image: &mut Image, version: &mut Version| {
        *version += 1;
        let key = format!("key{:06}", *version % keys);
        let entry = Command::put(Key::parse(&key).unwrap(), &vec![1; value]).unwrap();
        let records = vec![Record::Entries(vec![entry.into_entry(EPOCH, *version)]), Record::Mark(*version)];
        records.iter().cloned().for_each(|record| image.apply(record));
        storage.append(records).unwrap();
        if version.is_multiple_of(8) {
            storage.sync().unwrap();
            most = most.max(bytes(directory.path()));
        }
    };
    for _ in 0..rounds {
        write(&mut storage, &mut image, &mut version);
        if storage.wants_checkpoint() {
            let (meta, mark, pending) = (image.meta.clone(), image.mark, Vec::new());
            let head = CheckpointHead { meta, mark, whole_from: mark, pending };
            let mut checkpoint = storage.begin_checkpoint(head).unwrap();
            let state: Vec<_> = image.store.scan("", None).map(|(_, item)| item.entry.clone()).collect();
            state_bytes = state.iter().map(|entry| entry.frame().len() as u64).sum();
            checkpoint.add(&state).unwrap();
            for _ in 0..meanwhile {
                write(&mut storage, &mut image, &mut version);
            }
            storage.sync().unwrap();
            checkpoint.finish(image.mark).unwrap();
            storage.end_checkpoint().unwrap();
        }
    }
    storage.sync().unwrap();
    drop(storage);
    assert_eq!(differs(&open(directory.path()).image, &image), None);
    (most, state_bytes)
}

/// As the doc of [`DiskConfig::checkpoint_log_bytes`] has it.
#[test]
fn under_steady_overwriting_the_directory_stays_within_its_bound() {
    for (keys, value, rounds) in [(20, 100, 3_000), (600, 200, 5_000)] {
        let meanwhile = 100;
        let (most, state) = overwrite(keys, value, rounds, meanwhile);
        // Frames, and what is around each batch: a header, the mark, and padding.
        let while_written = meanwhile * (value as u64 + 120);
        let bound = 2 * state + state.max(CHECKPOINT_LOG_BYTES) * 11 / 10 + while_written + 4 * SEGMENT_BYTES;
        println!("{keys} keys: {most} bytes at most, of {bound}; the state has {state}");
        assert!(most <= bound, "{most} bytes, and {bound} are the bound");
        assert!(state > 0, "there was a checkpoint");
    }
}

#[test]
fn a_node_that_starts_again_and_again_does_not_fill_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let mut versions = 0;
    for start in 1..=40 {
        let Opened { mut storage, image, .. } = open(directory.path());
        assert_eq!(image.mark, versions);
        versions += 1;
        storage.append(vec![Record::Mark(versions)]).unwrap();
        storage.sync().unwrap();
        storage.rest().unwrap();
        drop(storage);
        let bytes = bytes(directory.path());
        assert!(bytes < 3 * SEGMENT_BYTES + start * 300, "{bytes} bytes after {start} starts");
    }
}
