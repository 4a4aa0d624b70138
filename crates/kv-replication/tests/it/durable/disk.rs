//! A disk that does what a test wants.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use kv_core::{Entry, NodeId, Store, Version};
use kv_replication::{Checkpoint, CheckpointHead, Image, Record, Storage, StorageError};

/// Far beyond what anything here takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A disk that outlives its storage. Clones share it.
#[derive(Clone)]
pub(super) struct Disk(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
pub(super) struct State {
    pub(super) records: Vec<Record>,
    pub(super) synced: usize,
    pub(super) syncs: usize,
    /// A sync, or the end of a checkpoint, is under way.
    pub(super) is_syncing: bool,
    pub(super) is_finishing: bool,
    pub(super) is_open: bool,
    pub(super) looks: usize,
    // What the test wants.
    pub(super) holds_syncs: bool,
    /// From the next begin of a checkpoint on.
    pub(super) holds_syncs_then: bool,
    pub(super) holds_finish: bool,
    pub(super) fails_append: bool,
    pub(super) fails_sync: bool,
    pub(super) fails_finish: bool,
    pub(super) panics: bool,
    pub(super) is_low: bool,
    pub(super) wants_checkpoint: bool,
    /// What the last checkpoint says, and how many records it stands for.
    pub(super) checkpoint: Option<(Image, usize)>,
    pub(super) ended: usize,
}

struct OnDisk(Disk);

struct NewCheckpoint {
    disk: Disk,
    head: CheckpointHead,
    store: Store,
    covers: usize,
}

impl Disk {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    pub(super) fn storage(&self) -> Box<dyn Storage> {
        self.lock().is_open = true;
        Box::new(OnDisk(self.clone()))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.0.1.notify_all();
    }

    /// Waits until the disk has come so far.
    pub(super) fn wait(&self, until: impl Fn(&State) -> bool) {
        let waited = self.0.1.wait_timeout_while(self.lock(), PATIENCE, |state| !until(state)).unwrap();
        assert!(!waited.1.timed_out(), "the disk never came so far");
    }

    /// There is little space, or enough again; the node knows it when this returns.
    pub(super) fn set_low(&self, is_low: bool) {
        let looks = self.lock().looks;
        self.set(|state| state.is_low = is_low);
        self.wait(|state| state.looks > looks + 1);
    }

    /// What a node finds that starts now, after a loss of power.
    pub(super) fn image(&self, node: NodeId) -> Image {
        let state = self.lock();
        let (mut image, covers) = state.checkpoint.clone().unwrap_or((Image::new(node), 0));
        state.records[covers..state.synced.max(covers)].iter().for_each(|record| image.apply(record.clone()));
        image
    }
}

fn broken(what: &str) -> StorageError {
    StorageError { what: what.to_owned(), source: "broken".into() }
}

impl Storage for OnDisk {
    fn append(&mut self, records: Vec<Record>) -> Result<(), StorageError> {
        let mut state = self.0.lock();
        if state.fails_append {
            return Err(broken("append"));
        }
        assert!(!state.panics, "as the test wants");
        state.records.extend(records);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        let all = self.0.lock().records.len();
        self.0.set(|state| state.is_syncing = true);
        let mut state = self.0.0.1.wait_while(self.0.lock(), |state| state.holds_syncs).unwrap();
        state.is_syncing = false;
        if state.fails_sync {
            return Err(broken("sync"));
        }
        state.syncs += 1;
        state.synced = all;
        drop(state);
        self.0.0.1.notify_all();
        Ok(())
    }

    fn wants_checkpoint(&self) -> bool {
        self.0.lock().wants_checkpoint
    }

    fn begin_checkpoint(&mut self, head: CheckpointHead) -> Result<Box<dyn Checkpoint>, StorageError> {
        let mut state = self.0.lock();
        state.wants_checkpoint = false;
        state.holds_syncs |= state.holds_syncs_then;
        let covers = state.records.len();
        Ok(Box::new(NewCheckpoint { disk: self.0.clone(), head, store: Store::new(), covers }))
    }

    fn end_checkpoint(&mut self) -> Result<(), StorageError> {
        self.0.set(|state| state.ended += 1);
        Ok(())
    }

    fn is_low(&mut self) -> Result<bool, StorageError> {
        let is_low = self.0.lock().is_low;
        self.0.set(|state| state.looks += 1);
        Ok(is_low)
    }
}

impl Drop for OnDisk {
    fn drop(&mut self) {
        self.0.set(|state| state.is_open = false);
    }
}

impl Checkpoint for NewCheckpoint {
    fn add(&mut self, entries: &[Entry]) -> Result<(), StorageError> {
        entries.iter().for_each(|entry| _ = self.store.apply(entry));
        Ok(())
    }

    fn finish(self: Box<Self>, through: Version) -> Result<(), StorageError> {
        let Self { disk, head, store, covers } = *self;
        disk.set(|state| state.is_finishing = true);
        let mut state = disk.0.1.wait_while(disk.lock(), |state| state.holds_finish).unwrap();
        state.is_finishing = false;
        assert!(state.is_open, "a checkpoint never outlives its storage");
        if state.fails_finish {
            return Err(broken("finish"));
        }
        let mut image = Image::new(head.meta.identity.node);
        image.meta = head.meta;
        image.replace(head.mark, through.max(head.whole_from), store);
        image.apply(Record::Entries(head.pending));
        state.checkpoint = Some((image, covers));
        Ok(())
    }
}
