//! A directory in which something is wrong is refused, in one clear line, or serves what it served before.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use kv_core::{Command, Epoch, Key, NodeId};
use kv_replication::{CheckpointHead, ClusterId, Image, Record, Storage};
use kv_storage::conformance::differs;
use kv_storage::{DiskConfig, DiskStorage, OpenError, Opened};
use tempfile::TempDir;

const NODE: NodeId = NodeId(1);
const EPOCH: Epoch = Epoch { counter: 1, node: NODE };
/// Bytes that are changed, one at a time.
const FLIPS: usize = 500;

type Files = BTreeMap<String, Vec<u8>>;

fn open(directory: &Path) -> Result<Opened, OpenError> {
    let config =
        DiskConfig { segment_bytes: 4_096, checkpoint_log_bytes: 64 << 10, disk_reserve_bytes: 0, salt: 7 };
    DiskStorage::open(directory, config, NODE)
}

/// A directory with a checkpoint and several segments, of a node that has ended in order.
fn directory() -> (TempDir, Image) {
    let directory = tempfile::tempdir().unwrap();
    let mut image = Image::new(NODE);
    for round in 0..3 {
        let mut storage = open(directory.path()).unwrap().storage;
        let mut write = |storage: &mut DiskStorage, first: u64| {
            for version in first..first + 40 {
                let key = format!("key{}", version % 30);
                let entry = Command::put(Key::parse(&key).unwrap(), &[version as u8; 90]).unwrap();
                let records =
                    vec![Record::Entries(vec![entry.into_entry(EPOCH, version)]), Record::Mark(version - 3)];
                records.iter().cloned().for_each(|record| image.apply(record));
                storage.append(records).unwrap();
                storage.sync().unwrap();
            }
            let pending = image.pending.values().cloned().collect();
            let head = CheckpointHead {
                meta: image.meta.clone(),
                mark: image.mark,
                whole_from: image.mark,
                pending,
            };
            let state: Vec<_> = image.store.scan("", None).map(|(_, item)| item.entry.clone()).collect();
            (head, state)
        };
        let (head, state) = write(&mut storage, 10 + round * 100);
        if round == 1 {
            let (mark, mut checkpoint) = (head.mark, storage.begin_checkpoint(head).unwrap());
            checkpoint.add(&state).unwrap();
            checkpoint.finish(mark).unwrap();
            storage.end_checkpoint().unwrap();
        }
        write(&mut storage, 60 + round * 100);
        storage.rest().unwrap();
    }
    (directory, image)
}

fn read(directory: &Path) -> Files {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (name(&path), fs::read(&path).unwrap())).collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn copy(files: &Files) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, bytes)| fs::write(directory.path().join(name), bytes).unwrap());
    directory
}

/// What a directory with these files is refused with.
fn refusal(files: &Files) -> (TempDir, OpenError) {
    let directory = copy(files);
    match open(directory.path()) {
        Ok(_) => panic!("it should have been refused: {:?}", files.keys()),
        Err(error) => {
            let line = error.to_string();
            assert!(line.contains(directory.path().to_str().unwrap()), "it names the file: {line}");
            assert!(!line.contains('\n'), "one line: {line}");
            let left: Vec<_> =
                read(directory.path()).into_iter().filter(|(name, _)| name != "LOCK").collect();
            let before = files.clone().into_iter().filter(|(name, _)| name != "LOCK");
            assert!(before.eq(left), "nothing has changed");
            (directory, error)
        }
    }
}

fn assert_damaged(files: &Files, file: &str, what: &str) {
    let (directory, error) = refusal(files);
    let line = error.to_string();
    let OpenError::Damaged { file: named, what: found } = error else { panic!("{line}") };
    assert_eq!(named, directory.path().join(file), "{line}");
    assert!(found.contains(what), "{found}");
    assert!(line.contains("Restore a backup"), "it says what to do: {line}");
}

/// Files of a kind, by name.
fn named(files: &Files, prefix: &str) -> Vec<String> {
    files.keys().filter(|name| name.starts_with(prefix)).cloned().collect()
}

#[test]
fn a_changed_byte_is_refused_or_makes_no_difference() {
    let (directory, image) = directory();
    let files = read(directory.path());
    let mut seed = 1_u64;
    let mut random = |limit: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % limit
    };
    let (mut refused, mut harmless) = (0, 0);
    for flip in 0..FLIPS {
        let kind = ["log-", "log-", "checkpoint-", "FORMAT"][flip % 4];
        let names = named(&files, kind);
        let name = &names[random(names.len())];
        let mut files = files.clone();
        let bytes = files.get_mut(name).unwrap();
        // What follows the last block of a segment is never looked at.
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        let at = random(used);
        bytes[at] ^= 1 << random(8);
        let directory = copy(&files);
        match open(directory.path()) {
            Ok(opened) => {
                assert_eq!(differs(&opened.image, &image), None, "byte {at} of {used} of {name}");
                harmless += 1;
            }
            Err(OpenError::Damaged { .. }) => refused += 1,
            Err(OpenError::Newer { .. }) if kind == "FORMAT" => refused += 1,
            Err(error) => panic!("byte {at} of {name}: {error}"),
        }
    }
    println!("{refused} refused, {harmless} without a difference");
    assert!(refused > FLIPS / 2, "{refused}");
}

#[test]
fn a_file_that_is_missing_or_cut_short_is_named() {
    let (directory, _) = directory();
    let files = read(directory.path());
    let without = |name: &str| {
        let mut files = files.clone();
        files.remove(name).unwrap();
        files
    };
    let logs = named(&files, "log-");
    assert!(logs.len() > 4, "{logs:?}");
    for log in &logs[..logs.len() - 1] {
        assert_damaged(&without(log), log, "this part of the log is missing");
    }
    let checkpoint = &named(&files, "checkpoint-")[0];
    assert_damaged(&without(checkpoint), checkpoint, "it is missing");

    let cut = |name: &str, len: usize| {
        let mut files = files.clone();
        files.get_mut(name).unwrap().truncate(len);
        files
    };
    for len in [0, 20, 100, files[checkpoint].len() / 2, files[checkpoint].len() - 8] {
        assert_damaged(&cut(checkpoint, len), checkpoint, "cannot be read");
    }
    for log in &logs[..logs.len() - 1] {
        for len in [0, 30, 40, 300] {
            assert_damaged(&cut(log, len), log, "cannot be read");
        }
    }
}

#[test]
fn no_segment_at_all_is_damage() {
    let (directory, _) = directory();
    let mut files = read(directory.path());
    files.retain(|name, _| !name.starts_with("log-"));
    let (_directory, error) = refusal(&files);
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn a_format_that_is_unknown_is_told_from_one_that_is_damaged() {
    let (directory, _) = directory();
    let mut files = read(directory.path());
    files.insert("FORMAT".to_owned(), b"kv-storage 2\n".to_vec());
    let (_directory, error) = refusal(&files);
    assert!(matches!(error, OpenError::Newer { found: 2, known: 1, .. }), "{error}");
    assert!(error.to_string().contains("has format 2, and this build knows formats up to 1"), "{error}");
    for text in [&b""[..], b"kv-storage", b"something 1", b"kv-storage 0", b"\xff\xfe", b"kv-storage -1"] {
        files.insert("FORMAT".to_owned(), text.to_vec());
        assert_damaged(&files, "FORMAT", "it does not name a format");
    }
    files.remove("FORMAT");
    let (_directory, error) = refusal(&files);
    assert!(matches!(error, OpenError::Foreign(_)), "{error}");
}

#[test]
fn a_young_directory_whose_format_is_missing_is_not_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    let mut storage = open(directory.path()).unwrap().storage;
    storage.append(vec![Record::Mark(4)]).unwrap();
    storage.sync().unwrap();
    drop(storage);
    let mut files = read(directory.path());
    files.remove("FORMAT").unwrap();
    assert_damaged(&files, "FORMAT", "it is missing");
}

#[test]
fn what_is_not_a_data_directory_is_left_alone() {
    let files = Files::from([("thesis.txt".to_owned(), b"chapter 1".to_vec())]);
    let (directory, error) = refusal(&files);
    assert!(matches!(error, OpenError::Foreign(_)), "{error}");
    assert_eq!(read(directory.path()), files, "not even a lock is left");

    let file = directory.path().join("thesis.txt");
    let error = open(&file).unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
    assert!(error.to_string().contains("thesis.txt"), "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");
}

#[test]
fn files_of_others_in_a_data_directory_do_no_harm() {
    let (directory, image) = directory();
    let mut files = read(directory.path());
    for name in ["notes", "log-", "log-x", "log-7", "log-+00000000001", "checkpoint-99", "checkpoint-9.bak"] {
        files.insert(name.to_owned(), b"mine".to_vec());
    }
    let directory = copy(&files);
    assert_eq!(differs(&open(directory.path()).unwrap().image, &image), None);
    assert!(directory.path().join("log-7").exists());
}

#[test]
fn a_directory_has_one_user() {
    let (directory, _) = directory();
    let opened = open(directory.path()).unwrap();
    let error = open(directory.path()).unwrap_err();
    assert!(matches!(error, OpenError::Locked(_)), "{error}");
    assert!(error.to_string().contains("is in use by another process"), "{error}");
    assert!(matches!(DiskStorage::look(directory.path()), Err(OpenError::Locked(_))));
    drop(opened);
    open(directory.path()).unwrap();
}

#[test]
fn a_directory_of_another_cluster_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let Opened { storage, mut image, .. } = open(directory.path()).unwrap();
    assert!(storage.require_cluster(&image, ClusterId(7)).is_ok(), "it is part of none yet");
    image.meta.cluster = Some(ClusterId(6));
    assert!(storage.require_cluster(&image, ClusterId(6)).is_ok());
    let error = storage.require_cluster(&image, ClusterId(7)).unwrap_err();
    assert!(matches!(error, OpenError::OtherCluster { .. }), "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");
}

#[test]
fn an_unwritable_directory_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (directory, _) = directory();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(directory.path().join("LOCK"), fs::Permissions::from_mode(0o444)).unwrap();
    let may_write_everywhere = fs::write(directory.path().join("probe"), b"").is_ok();
    if !may_write_everywhere {
        let error = open(directory.path()).unwrap_err();
        assert!(matches!(error, OpenError::Io { what: "write", .. }), "{error}");
    }
    // The proc file system takes nothing, not even from root.
    let error = open(Path::new("/proc/kv")).unwrap_err();
    assert!(matches!(error, OpenError::Io { what: "create the directory", .. }), "{error}");
}

#[test]
fn looking_changes_nothing() {
    let (directory, image) = directory();
    let before = read(directory.path());
    assert_eq!(differs(&DiskStorage::look(directory.path()).unwrap(), &image), None);
    assert_eq!(read(directory.path()), before);
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(DiskStorage::look(empty.path()), Err(OpenError::NoNode(_))));
    assert!(read(empty.path()).is_empty(), "not even a lock is left");
    let nowhere = empty.path().join("nowhere");
    assert!(matches!(DiskStorage::look(&nowhere), Err(OpenError::Io { .. })));
    assert!(!nowhere.exists());
}
