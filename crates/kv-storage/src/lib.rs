//! What a durable node keeps on disk.
//!
//! The machines of `kv-replication` say what must be durable, as a sequence of
//! [`Record`](kv_replication::Record)s; the engine hands them to a [`Storage`]. There are two:
//!
//! * [`DiskStorage`]: a directory with a log in segments and a checkpoint of the state.
//! * [`MemoryStorage`]: the same promises without a disk, for tests and for what is embedded.
//!
//! Both pass the suite in `conformance` (a feature of that name). [`BackupFile`], [`write_backup`] and
//! [`restore`] carry the state of a node elsewhere.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use std::time::Duration;
//! use kv_core::{Command, Key, NodeId};
//! use kv_replication::engine::LeaderHandle;
//! use kv_replication::{ClusterId, LeaderConfig, MemoryTransport, Quorum};
//! use kv_storage::{DiskConfig, DiskStorage, Opened};
//!
//! let directory = tempfile::tempdir()?;
//! let start = || -> Result<LeaderHandle, Box<dyn std::error::Error>> {
//!     // Draw both numbers and the salt of the config anew for every start.
//!     let Opened { storage, image, .. } =
//!         DiskStorage::open(directory.path(), DiskConfig::default(), NodeId(1))?;
//!     let (config, nobody) = (LeaderConfig::new(Quorum::new(0, 0)?), MemoryTransport::new(Vec::new()));
//!     Ok(LeaderHandle::restart(image, ClusterId(2), config, nobody, Box::new(storage))?)
//! };
//! let leader = start()?;
//! leader.write(Command::put(Key::parse("colour")?, b"red")?, Duration::from_secs(5)).await?;
//! leader.close()?; // gives the directory free; what was acknowledged is on the disk in any case
//!
//! let leader = start()?;
//! assert!(leader.until_level(Duration::from_secs(5)).await);
//! assert_eq!(leader.get("colour").ok_or("not there")?.value(), b"red");
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! # The directory
//!
//! ```text
//! FORMAT          which form the rest has
//! LOCK            held by the process that uses it
//! checkpoint-N    all that was written before segment N, as a log that was tidied up
//! log-N, log-N+1  what was written since, in order
//! RESTORING       there while a backup is being restored: no node starts
//! spare           an empty segment whose blocks exist already, so that syncing it touches no metadata
//! ```
//!
//! A log is a sequence of blocks, each with a checksum, its number, and the number of the
//! newest block that was durable when it was written. So at a start, what a crash has torn can be told
//! from what has rotted: a block that cannot be read is a torn tail, and is cut, unless a later block
//! says that it was durable; then the directory is refused.
//!
//! A checkpoint does not stop the node: the state is read in parts while it changes. It may show some of
//! what was written after it began, and the log from there on repairs that, since the newest version of a
//! key wins. It counts from the moment it gets its name.
//!
//! # What it does not do
//!
//! It runs no thread for writing: the engine does. It cannot notice that the very last durable block of a
//! process that was killed has rotted, nor that somebody has taken the newest files away. It does not
//! compress, and does not encrypt.

mod backup;
mod block;
mod checkpoint;
#[cfg(feature = "conformance")]
pub mod conformance;
mod directory;
mod disk;
mod error;
mod files;
mod loader;
mod log;
mod memory;
#[cfg(test)]
mod power_loss;
mod segment;
mod spare;
mod step;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod trace;

pub use backup::{BackupEncoder, BackupError, BackupFile, BackupSummary, restore, verify, write_backup};
pub use disk::{DiskConfig, DiskStorage, Opened};
pub use error::OpenError;
pub use kv_replication::{Checkpoint, CheckpointHead, Storage, StorageError};
pub use memory::{MemoryDisk, MemoryStorage};
