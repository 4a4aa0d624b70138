//! Where a durable node writes down what it must not forget.

use std::error::Error;

use kv_core::{Entry, Version};
use thiserror::Error;

use crate::durable::record::{CheckpointHead, Record};

/// The disk of one node, as its engine uses it: one thread calls, one call after the other.
///
/// An implementation passes the suite in `kv-storage`. After an error nothing more is written, and
/// nothing that was not [synced](Storage::sync) before is relied on: what a failed write or sync has
/// left behind, nobody knows.
pub trait Storage: Send + 'static {
    /// Takes records down, after all earlier ones. A crash may leave any first part of what was not
    /// synced, cut between two records or between two entries of one [`Record::Entries`], and never
    /// anything else.
    ///
    /// # Errors
    /// [`StorageError`]: the storage is of no more use.
    fn append(&mut self, records: Vec<Record>) -> Result<(), StorageError>;

    /// All that was appended outlives a loss of power from now on.
    ///
    /// # Errors
    /// [`StorageError`]: the storage is of no more use.
    fn sync(&mut self) -> Result<(), StorageError>;

    /// Nothing more comes for now: what makes damage easier to tell from a crash may be written.
    ///
    /// # Errors
    /// [`StorageError`]: the storage is of no more use.
    fn rest(&mut self) -> Result<(), StorageError> {
        Ok(())
    }

    /// So much has been appended that a checkpoint would be worth its price.
    fn wants_checkpoint(&self) -> bool;

    /// Begins a checkpoint: `head` and the state that is added to it stand for everything appended so
    /// far. The state may show some of what is appended later. What is appended meanwhile does not wait.
    ///
    /// # Errors
    /// [`StorageError`]: the storage is of no more use.
    fn begin_checkpoint(&mut self, head: CheckpointHead) -> Result<Box<dyn Checkpoint>, StorageError>;

    /// The checkpoint is [finished](Checkpoint::finish): what it stands for may go.
    ///
    /// # Errors
    /// [`StorageError`]: the storage is of no more use.
    fn end_checkpoint(&mut self) -> Result<(), StorageError>;

    /// There is so little space that the node should stop taking more. Asked again and again.
    ///
    /// # Errors
    /// [`StorageError`] if the system does not tell.
    fn is_low(&mut self) -> Result<bool, StorageError>;
}

/// A checkpoint that is being written, beside the log.
pub trait Checkpoint: Send {
    /// The next entries of the state, in key order.
    ///
    /// # Errors
    /// [`StorageError`]: the storage is of no more use.
    fn add(&mut self, state: &[Entry]) -> Result<(), StorageError>;

    /// The state is complete, and shows nothing above `through`. To be called only when everything is
    /// synced that was appended before its last part was read. It takes effect at once or, if the node
    /// dies meanwhile, not at all.
    ///
    /// # Errors
    /// [`StorageError`]: the storage is of no more use.
    fn finish(self: Box<Self>, through: Version) -> Result<(), StorageError>;
}

/// Why a storage can write no more.
#[derive(Debug, Error)]
#[error("{what}: {source}")]
pub struct StorageError {
    /// What it was about.
    pub what: String,
    /// The reason.
    pub source: Box<dyn Error + Send + Sync>,
}
