//! A storage that promises the same, in memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kv_core::{Entry, NodeId, Store, Version};
use kv_replication::{Checkpoint, CheckpointHead, Image, Record, Storage, StorageError};

/// Log entries that make a checkpoint worth its price.
const CHECKPOINT_RECORDS: usize = 100_000;

/// What would be a disk: it outlives the storages that use it, one at a time. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryDisk {
    content: Arc<Mutex<Content>>,
}

/// A storage on a [`MemoryDisk`].
#[derive(Debug)]
pub struct MemoryStorage {
    disk: MemoryDisk,
}

#[derive(Debug)]
struct Content {
    /// The last checkpoint.
    image: Image,
    /// What was appended since.
    records: Vec<Record>,
    /// So many of them are synced.
    synced: usize,
    /// A checkpoint that is being written stands for the first so many.
    begun: Option<usize>,
    is_low: bool,
}

#[derive(Debug)]
struct NewCheckpoint {
    disk: MemoryDisk,
    head: CheckpointHead,
    store: Store,
}

impl MemoryDisk {
    /// An empty one, for the node `fresh`.
    #[must_use]
    pub fn new(fresh: NodeId) -> Self {
        let content =
            Content { image: Image::new(fresh), records: Vec::new(), synced: 0, begun: None, is_low: false };
        Self { content: Arc::new(Mutex::new(content)) }
    }

    /// What a node finds that starts now, and the storage that it goes on with.
    #[must_use]
    pub fn open(&self) -> (MemoryStorage, Image) {
        let mut content = self.lock();
        content.synced = content.records.len();
        content.begun = None;
        let mut image = content.image.clone();
        content.records.iter().cloned().for_each(|record| image.apply(record));
        (MemoryStorage { disk: self.clone() }, image)
    }

    /// Power is lost: of what was not synced, the first `survive` records are there.
    pub fn lose_power(&self, survive: usize) {
        let mut content = self.lock();
        let there = content.synced + survive;
        content.records.truncate(there);
    }

    /// From now on it says that there is little space, or again enough.
    pub fn set_low(&self, is_low: bool) {
        self.lock().is_low = is_low;
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        // Nothing here panics with half a change done.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for MemoryStorage {
    fn append(&mut self, records: Vec<Record>) -> Result<(), StorageError> {
        self.disk.lock().records.extend(records);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        let mut content = self.disk.lock();
        content.synced = content.records.len();
        Ok(())
    }

    fn wants_checkpoint(&self) -> bool {
        let content = self.disk.lock();
        content.begun.is_none() && content.records.len() >= CHECKPOINT_RECORDS
    }

    fn begin_checkpoint(&mut self, head: CheckpointHead) -> Result<Box<dyn Checkpoint>, StorageError> {
        self.sync()?;
        let mut content = self.disk.lock();
        content.begun = Some(content.records.len());
        Ok(Box::new(NewCheckpoint { disk: self.disk.clone(), head, store: Store::new() }))
    }

    fn end_checkpoint(&mut self) -> Result<(), StorageError> {
        Ok(())
    }

    fn is_low(&mut self) -> Result<bool, StorageError> {
        Ok(self.disk.lock().is_low)
    }
}

impl Checkpoint for NewCheckpoint {
    fn add(&mut self, state: &[Entry]) -> Result<(), StorageError> {
        state.iter().for_each(|entry| _ = self.store.apply(entry));
        Ok(())
    }

    fn finish(self: Box<Self>, through: Version) -> Result<(), StorageError> {
        let Self { disk, head, store } = *self;
        let mut image = Image::new(head.meta.identity.node);
        image.meta = head.meta;
        image.replace(head.mark, through.max(head.whole_from), store);
        image.apply(Record::Entries(head.pending));
        let mut content = disk.lock();
        if let Some(begun) = content.begun.take() {
            content.records.drain(..begun);
            content.synced -= begun;
            content.image = image;
        }
        Ok(())
    }
}
