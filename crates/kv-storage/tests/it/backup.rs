//! Backups: what a node holds, in one file, and a new node made of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kv_core::{Command, Digest, Entry, Epoch, Key, NodeId, Version};
use kv_replication::{ClusterId, Image, Meta, Record, Storage};
use kv_storage::{
    BackupEncoder, BackupError, BackupFile, DiskConfig, DiskStorage, OpenError, Opened, restore, verify,
    write_backup,
};
use tempfile::TempDir;

const LEADER: NodeId = NodeId(1);
const FOLLOWER: NodeId = NodeId(2);
const FRESH: NodeId = NodeId(77);
const OLD: Epoch = Epoch { counter: 3, node: LEADER };
const NEW: Epoch = Epoch { counter: 4, node: LEADER };
const RIVAL: Epoch = Epoch { counter: 5, node: FOLLOWER };

fn open(directory: &Path, node: NodeId) -> Opened {
    let config = DiskConfig { segment_bytes: 64 << 10, ..DiskConfig::default() };
    DiskStorage::open(directory, config, node).unwrap()
}

fn put(epoch: Epoch, version: Version) -> Entry {
    let command =
        Command::put(Key::parse(&format!("key{version:05}")).unwrap(), &[version as u8; 40]).unwrap();
    command.into_entry(epoch, version)
}

fn entries(epoch: Epoch, versions: std::ops::RangeInclusive<Version>) -> Record {
    Record::Entries(versions.map(|version| put(epoch, version)).collect())
}

/// A directory of a stopped node that has written this down, and a place for a backup.
struct Node {
    place: TempDir,
    image: Image,
}

impl Node {
    fn new(node: NodeId, change: impl FnOnce(&mut Meta), records: Vec<Record>) -> Self {
        let place = tempfile::tempdir().unwrap();
        let Opened { mut storage, mut image, .. } = open(&place.path().join("data"), node);
        let mut meta = image.meta.clone();
        change(&mut meta);
        let records = [vec![Record::Meta(Arc::new(meta))], records].concat();
        records.iter().cloned().for_each(|record| image.apply(record));
        storage.append(records).unwrap();
        storage.sync().unwrap();
        Self { place, image }
    }

    fn data(&self) -> PathBuf {
        self.place.path().join("data")
    }

    fn file(&self) -> PathBuf {
        self.place.path().join("backup")
    }

    /// The version at which it is backed up, after the round trip.
    fn backed_up_at(&self) -> Version {
        let summary = write_backup(&self.data(), &self.file()).unwrap();
        assert_eq!(summary, verify(&self.file()).unwrap());
        assert_eq!(summary.bytes, fs::metadata(self.file()).unwrap().len());
        let restored = self.place.path().join("restored");
        assert_eq!(restore(&self.file(), &restored, DiskConfig::default(), FRESH).unwrap(), summary);
        assert_is_new(&restored, summary.digest);
        summary.digest.mark
    }
}

/// A node that has promised nothing to anybody, with these keys.
fn assert_is_new(directory: &Path, digest: Digest) {
    let Opened { image, torn, .. } = open(directory, NodeId(5));
    assert_eq!(image.meta, Meta::new(FRESH));
    assert_eq!(image.meta.promised, Epoch::ZERO);
    assert_eq!((image.meta.cluster, torn), (None, None));
    assert_eq!((image.mark, image.store.digest(image.mark)), (digest.mark, digest));
    assert!(image.mark >= image.whole_from && image.pending.is_empty());
}

fn leads(meta: &mut Meta) {
    meta.cluster = Some(ClusterId(3));
    meta.promised = NEW;
    meta.authoritative = Some(OLD);
}

fn follows(meta: &mut Meta) {
    meta.cluster = Some(ClusterId(3));
    meta.promised = NEW;
}

#[test]
fn a_backup_comes_back_as_a_new_node() {
    let node = Node::new(FOLLOWER, follows, vec![entries(NEW, 1..=3_000), Record::Mark(3_000)]);
    assert_eq!(node.backed_up_at(), 3_000);
    assert_eq!(verify(&node.file()).unwrap().digest, node.image.store.digest(3_000));
    assert_eq!(verify(&node.file()).unwrap().digest.keys, 3_000);
}

#[test]
fn an_empty_node_has_a_backup_too() {
    assert_eq!(Node::new(FOLLOWER, |_| {}, Vec::new()).backed_up_at(), 0);
}

#[test]
fn a_leader_s_own_tail_is_in_its_backup() {
    let tail = vec![entries(OLD, 1..=9), Record::Mark(4), entries(NEW, 10..=12), entries(NEW, 14..=15)];
    assert_eq!(Node::new(LEADER, leads, tail).backed_up_at(), 12, "up to the first gap");
}

#[test]
fn of_a_follower_only_that_is_in_the_backup_which_it_holds_under_its_promise() {
    let records = vec![entries(OLD, 1..=9), Record::Mark(4), entries(NEW, 5..=7)];
    assert_eq!(Node::new(FOLLOWER, follows, records).backed_up_at(), 7, "8 and 9 may be replaced");
}

#[test]
fn a_leader_that_has_promised_another_since_is_a_follower() {
    let records = vec![entries(OLD, 1..=9), Record::Mark(4), entries(RIVAL, 5..=6)];
    let deposed = |meta: &mut Meta| {
        leads(meta);
        (meta.promised, meta.promised_other) = (RIVAL, NEW);
    };
    assert_eq!(Node::new(LEADER, deposed, records).backed_up_at(), 6, "its own tail may be replaced");
}

#[test]
fn a_node_that_holds_only_a_part_has_no_backup() {
    let part = Record::Replace { base: 5, through: 9, entries: vec![put(OLD, 3), put(OLD, 9)] };
    let node = Node::new(FOLLOWER, follows, vec![part]);
    assert!(matches!(write_backup(&node.data(), &node.file()), Err(BackupError::Partial(9))));
    let diverged = |meta: &mut Meta| meta.diverged = Some(2);
    let node = Node::new(FOLLOWER, diverged, vec![entries(NEW, 1..=3), Record::Mark(3)]);
    assert!(matches!(write_backup(&node.data(), &node.file()), Err(BackupError::Partial(_))));
    assert!(!node.file().exists());
}

#[test]
fn nothing_that_is_there_is_written_over() {
    let node = Node::new(FOLLOWER, follows, vec![entries(NEW, 1..=3), Record::Mark(3)]);
    fs::write(node.file(), "mine").unwrap();
    assert!(matches!(write_backup(&node.data(), &node.file()), Err(BackupError::Exists(_))));
    assert_eq!(fs::read(node.file()).unwrap(), b"mine");
    fs::remove_file(node.file()).unwrap();
    write_backup(&node.data(), &node.file()).unwrap();

    assert!(matches!(
        restore(&node.file(), &node.data(), DiskConfig::default(), FRESH),
        Err(BackupError::NotEmpty(_))
    ));
    assert_eq!(DiskStorage::look(&node.data()).unwrap().meta, node.image.meta);
    let foreign = node.place.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis.txt"), "chapter 1").unwrap();
    let refused = restore(&node.file(), &foreign, DiskConfig::default(), FRESH);
    assert!(matches!(refused, Err(BackupError::Open(OpenError::Foreign(_)))), "{refused:?}");
}

#[test]
fn a_directory_in_use_is_not_backed_up() {
    let node = Node::new(FOLLOWER, follows, Vec::new());
    let _user = open(&node.data(), FOLLOWER);
    let refused = write_backup(&node.data(), &node.file());
    assert!(matches!(refused, Err(BackupError::Open(OpenError::Locked(_)))), "{refused:?}");
    assert!(!node.file().exists());
}

#[test]
fn a_damaged_backup_is_refused_and_leaves_no_directory() {
    let node = Node::new(FOLLOWER, follows, vec![entries(NEW, 1..=200), Record::Mark(200)]);
    write_backup(&node.data(), &node.file()).unwrap();
    let whole = fs::read(node.file()).unwrap();
    let refuse = |bytes: &[u8], what: &str| {
        fs::write(node.file(), bytes).unwrap();
        let directory = node.place.path().join("restored");
        let error = restore(&node.file(), &directory, DiskConfig::default(), FRESH).expect_err(what);
        assert!(error.to_string().contains("is damaged"), "{what}: {error}");
        assert!(!directory.exists(), "{what}");
    };
    for len in [0, 10, 40, whole.len() / 2, whole.len() - 9] {
        refuse(&whole[..len], &format!("cut at {len}"));
    }
    for at in (0..whole.len() - 8).step_by(97) {
        let mut changed = whole.clone();
        changed[at] ^= 4;
        refuse(&changed, &format!("byte {at}"));
    }
}

#[test]
fn a_backup_whose_keys_are_not_what_it_says_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("backup");
    let (mut one, begin) = BackupEncoder::begin(9);
    let (mut other, _) = BackupEncoder::begin(9);
    let _ = one.part(&[put(OLD, 3), put(OLD, 4)]);
    let part = other.part(&[put(OLD, 3)]);
    let (end, _) = one.end();
    let mut writing = BackupFile::create(&file).unwrap();
    [begin, part, end].iter().for_each(|bytes| writing.write(bytes).unwrap());
    let refused = writing.finish();
    assert!(matches!(refused, Err(BackupError::Differs { .. })), "{refused:?}");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "nothing is left that could be taken for one");
}

#[test]
fn many_large_values_come_back() {
    let value = vec![7; 1 << 20];
    let large = |version: Version| {
        let key = format!("key{version}");
        Command::put(Key::parse(&key).unwrap(), &value).unwrap().into_entry(NEW, version)
    };
    let records = vec![Record::Entries((1..=12).map(large).collect()), Record::Mark(12)];
    assert_eq!(Node::new(FOLLOWER, follows, records).backed_up_at(), 12);
}

#[test]
fn a_restore_that_was_cut_short_is_seen() {
    let node = Node::new(LEADER, |_| {}, vec![entries(NEW, 1..=9), Record::Mark(9)]);
    let (file, directory) = (node.place.path().join("backup"), node.place.path().join("restored"));
    write_backup(&node.place.path().join("data"), &file).unwrap();
    restore(&file, &directory, DiskConfig::default(), FRESH).unwrap();
    assert!(!directory.join("RESTORING").exists());
    // As a restore leaves it that dies before its end.
    fs::write(directory.join("RESTORING"), "").unwrap();
    let refused = DiskStorage::open(&directory, DiskConfig::default(), FRESH).unwrap_err();
    assert!(matches!(refused, OpenError::Restoring(_)), "{refused}");
    assert!(refused.to_string().contains("empty it, and restore the backup again"), "{refused}");
    let again = restore(&file, &directory, DiskConfig::default(), FRESH).unwrap_err();
    assert!(matches!(again, BackupError::Open(OpenError::Restoring(_))), "{again}");
}

/// Whoever restored that would hide what is written under the versions in between.
#[test]
fn a_key_above_the_version_of_the_backup_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let (mut encoder, begin) = BackupEncoder::begin(4);
    let mut file = BackupFile::create(&place.path().join("backup")).unwrap();
    for bytes in [begin, encoder.part(&[put(NEW, 5)]), encoder.end().0] {
        file.write(&bytes).unwrap();
    }
    let refused = file.finish().unwrap_err();
    assert!(matches!(refused, BackupError::Damaged { .. }), "{refused}");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "nothing is left behind");
}
