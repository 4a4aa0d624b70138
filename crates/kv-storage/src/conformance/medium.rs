//! The storage under test, and what it writes to.

use kv_core::NodeId;
use kv_replication::{Image, Storage};

/// What a storage writes to. It outlives the storages that use it, one at a time.
pub trait Medium {
    /// The storage under test.
    type Storage: Storage;

    /// An empty one, for the node `fresh`.
    fn new(fresh: NodeId) -> Self;

    /// What a node finds that starts now, and the storage that it goes on with. The storage before is gone.
    fn open(&mut self) -> (Self::Storage, Image);

    /// Power is lost while nothing has the medium open. The more `luck`, the more survives of what was not
    /// synced; without any, nothing does.
    fn lose_power(&mut self, luck: usize);
}
