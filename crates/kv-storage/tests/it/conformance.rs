//! Both storages keep the rules of the trait, and the suite notices one that does not.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use kv_core::{Entry, NodeId, Version};
use kv_replication::{Checkpoint, CheckpointHead, Image, Record, Storage, StorageError};
use kv_storage::conformance::{Medium, check_all};
use kv_storage::{DiskConfig, DiskStorage, MemoryDisk, MemoryStorage};
use tempfile::TempDir;

struct InMemory(MemoryDisk);

impl Medium for InMemory {
    type Storage = MemoryStorage;

    fn new(fresh: NodeId) -> Self {
        Self(MemoryDisk::new(fresh))
    }

    fn open(&mut self) -> (MemoryStorage, Image) {
        self.0.open()
    }

    fn lose_power(&mut self, luck: usize) {
        self.0.lose_power(luck);
    }
}

#[test]
fn the_memory_storage_conforms() {
    check_all::<InMemory>();
}

/// A directory, and its files as they were when something was synced last.
struct OnDisk {
    directory: TempDir,
    fresh: NodeId,
    synced: Arc<Mutex<Files>>,
}

type Files = BTreeMap<String, Vec<u8>>;

impl Medium for OnDisk {
    type Storage = Watched;

    fn new(fresh: NodeId) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), fresh, synced: Arc::default() }
    }

    fn open(&mut self) -> (Watched, Image) {
        let config = DiskConfig {
            segment_bytes: 4_096,
            checkpoint_log_bytes: 64 << 10,
            disk_reserve_bytes: 0,
            salt: 7,
        };
        let opened = DiskStorage::open(self.directory.path(), config, self.fresh).unwrap();
        let storage = Watched {
            storage: opened.storage,
            directory: self.directory.path().to_owned(),
            synced: Arc::clone(&self.synced),
        };
        storage.note();
        (storage, opened.image)
    }

    /// Only what was written to the newest segment since it was synced is at stake.
    fn lose_power(&mut self, luck: usize) {
        let now = files(self.directory.path());
        let Some((name, written)) = now.iter().rev().find(|(name, _)| name.starts_with("log-")) else {
            return;
        };
        let header = written[..40].to_vec(); // synced when the segment was begun
        let mut left = self.synced.lock().unwrap().get(name).cloned().unwrap_or(header);
        left.resize(written.len(), 0);
        let differs = |at: &usize| left[*at] != written[*at];
        let (Some(from), Some(to)) = ((0..left.len()).find(differs), (0..left.len()).rfind(differs)) else {
            return;
        };
        let survives = (to + 1 - from) * luck.min(11) / 11;
        left[from..from + survives].copy_from_slice(&written[from..from + survives]);
        fs::write(self.directory.path().join(name), left).unwrap();
    }
}

fn files(directory: &Path) -> Files {
    let names =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    // The thread that makes spare segments may just be giving one its name.
    names.filter_map(|name| Some((name.clone(), fs::read(directory.join(name)).ok()?))).collect()
}

/// A storage that has noted down what was there when it was synced.
struct Watched {
    storage: DiskStorage,
    directory: std::path::PathBuf,
    synced: Arc<Mutex<Files>>,
}

impl Watched {
    fn note(&self) {
        *self.synced.lock().unwrap() = files(&self.directory);
    }
}

impl Storage for Watched {
    fn append(&mut self, records: Vec<Record>) -> Result<(), StorageError> {
        self.storage.append(records)
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        self.storage.sync()?;
        self.note();
        Ok(())
    }

    fn rest(&mut self) -> Result<(), StorageError> {
        self.storage.rest()
    }

    fn wants_checkpoint(&self) -> bool {
        self.storage.wants_checkpoint()
    }

    fn begin_checkpoint(&mut self, head: CheckpointHead) -> Result<Box<dyn Checkpoint>, StorageError> {
        let begun = self.storage.begin_checkpoint(head)?;
        self.note();
        Ok(begun)
    }

    fn end_checkpoint(&mut self) -> Result<(), StorageError> {
        self.storage.end_checkpoint()
    }

    fn is_low(&mut self) -> Result<bool, StorageError> {
        self.storage.is_low()
    }
}

#[test]
fn the_disk_storage_conforms() {
    check_all::<OnDisk>();
}

/// What is wrong with a storage.
trait Fault: 'static {
    /// It says that it has synced, and has not.
    const FORGETS_TO_SYNC: bool = false;
    /// What it appends at once, it writes in another order.
    const REORDERS: bool = false;
    /// A checkpoint counts without the entries that are pending.
    const DROPS_PENDING: bool = false;
    /// A checkpoint counts with its first part.
    const COUNTS_TOO_EARLY: bool = false;
}

struct Wrong<F>(MemoryDisk, std::marker::PhantomData<F>);
struct WrongStorage<F>(MemoryStorage, std::marker::PhantomData<fn() -> F>);
struct Early(Option<Box<dyn Checkpoint>>);

impl<F: Fault> Medium for Wrong<F> {
    type Storage = WrongStorage<F>;

    fn new(fresh: NodeId) -> Self {
        Self(MemoryDisk::new(fresh), std::marker::PhantomData)
    }

    fn open(&mut self) -> (Self::Storage, Image) {
        let (storage, image) = self.0.open();
        (WrongStorage(storage, std::marker::PhantomData), image)
    }

    fn lose_power(&mut self, luck: usize) {
        self.0.lose_power(luck);
    }
}

impl<F: Fault> Storage for WrongStorage<F> {
    fn append(&mut self, mut records: Vec<Record>) -> Result<(), StorageError> {
        if F::REORDERS {
            records.reverse();
        }
        self.0.append(records)
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        if F::FORGETS_TO_SYNC { Ok(()) } else { self.0.sync() }
    }

    fn wants_checkpoint(&self) -> bool {
        self.0.wants_checkpoint()
    }

    fn begin_checkpoint(&mut self, mut head: CheckpointHead) -> Result<Box<dyn Checkpoint>, StorageError> {
        if F::DROPS_PENDING {
            head.pending.clear();
        }
        let begun = self.0.begin_checkpoint(head)?;
        Ok(if F::COUNTS_TOO_EARLY { Box::new(Early(Some(begun))) } else { begun })
    }

    fn end_checkpoint(&mut self) -> Result<(), StorageError> {
        self.0.end_checkpoint()
    }

    fn is_low(&mut self) -> Result<bool, StorageError> {
        self.0.is_low()
    }
}

impl Checkpoint for Early {
    fn add(&mut self, state: &[Entry]) -> Result<(), StorageError> {
        let Some(mut checkpoint) = self.0.take() else { return Ok(()) };
        checkpoint.add(state)?;
        checkpoint.finish(0)
    }

    fn finish(self: Box<Self>, _: Version) -> Result<(), StorageError> {
        Ok(())
    }
}

struct ForgetsToSync;
impl Fault for ForgetsToSync {
    const FORGETS_TO_SYNC: bool = true;
}

#[test]
#[should_panic(expected = "what was synced outlives a loss of power")]
fn a_storage_that_does_not_sync_is_found_out() {
    check_all::<Wrong<ForgetsToSync>>();
}

struct Reorders;
impl Fault for Reorders {
    const REORDERS: bool = true;
}

#[test]
#[should_panic(expected = "what was synced outlives a loss of power")]
fn a_storage_that_reorders_is_found_out() {
    check_all::<Wrong<Reorders>>();
}

struct DropsPending;
impl Fault for DropsPending {
    const DROPS_PENDING: bool = true;
}

#[test]
#[should_panic(expected = "a finished checkpoint, and what was written since, stand for all")]
fn a_checkpoint_without_what_is_pending_is_found_out() {
    check_all::<Wrong<DropsPending>>();
}

struct CountsTooEarly;
impl Fault for CountsTooEarly {
    const COUNTS_TOO_EARLY: bool = true;
}

#[test]
#[should_panic(expected = "a finished checkpoint, and what was written since, stand for all")]
fn a_checkpoint_that_counts_too_early_is_found_out() {
    check_all::<Wrong<CountsTooEarly>>();
}
