//! The handle of a leader: starting and ending it.

use std::io;
use std::sync::{Arc, Mutex};

use kv_core::NodeId;
use tokio::sync::Notify;

use super::run;
use super::shared::{Core, Shared};
use crate::config::LeaderConfig;
use crate::durable::record::Image;
use crate::durable::storage::{Storage, StorageError};
use crate::engine::alarm::Alarm;
use crate::engine::clock::Clock;
use crate::engine::disk::handle::Disk;
use crate::engine::lock::lock;
use crate::leader::Leader;
use crate::leader::input::Input;
use crate::protocol::message::ClusterId;
use crate::transport::Transport;

/// A [`Leader`] that runs. Clones share it; it ends with the last one.
#[derive(Clone, Debug)]
pub struct LeaderHandle {
    owner: Arc<Owner>,
}

/// Ends the loop when nobody can ask the leader anything any more.
#[derive(Debug)]
struct Owner {
    shared: Arc<Shared>,
}

impl LeaderHandle {
    /// Starts a leader without a disk on the current tokio runtime. Draw `node` and `cluster` anew for
    /// every start.
    ///
    /// # Errors
    /// If the system gives no thread for the timer.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn<T: Transport>(
        node: NodeId,
        cluster: ClusterId,
        config: LeaderConfig,
        transport: T,
    ) -> io::Result<Self> {
        let config = LeaderConfig { durable: false, ..config };
        Self::run(Leader::new(node, cluster, config), transport, None)
    }

    /// Starts a leader with a disk, as the node that the disk knows. Draw `cluster` anew for every start.
    /// Nothing is acknowledged before the disk has it; [`LeaderHandle::disk_failed`] tells when that can no
    /// longer be.
    ///
    /// # Errors
    /// If the system gives no thread for the timer, or for the disk.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn restart<T: Transport>(
        image: Image,
        cluster: ClusterId,
        config: LeaderConfig,
        transport: T,
        storage: Box<dyn Storage>,
    ) -> io::Result<Self> {
        let config = LeaderConfig { durable: true, ..config };
        Self::run(Leader::restart(image, cluster, config), transport, Some(storage))
    }

    fn run<T: Transport>(
        leader: Leader,
        transport: T,
        storage: Option<Box<dyn Storage>>,
    ) -> io::Result<Self> {
        let disk = storage.as_ref().map(|_| Disk::new());
        let core = Core::new(leader, disk.clone());
        let wake = Arc::new(Notify::new());
        let shared = Arc::new(Shared { clock: Clock::start(), core: Mutex::new(core), wake, disk });
        if let (Some(disk), Some(storage)) = (&shared.disk, storage) {
            disk.start(storage, Arc::clone(&shared))?;
        }
        let alarm = Alarm::spawn(shared.clock, Arc::clone(&shared.wake))?;
        tokio::spawn(run::run(Arc::clone(&shared), alarm, Arc::new(transport)));
        Ok(Self { owner: Arc::new(Owner { shared }) })
    }

    /// Waits until its disk has failed: from then on nothing is acknowledged any more, and the process
    /// should end. A node without a disk waits for ever.
    pub async fn disk_failed(&self) -> Arc<StorageError> {
        match &self.owner.shared.disk {
            Some(disk) => disk.failed().await,
            None => std::future::pending().await,
        }
    }

    /// Writes down what is queued, and gives the disk free. To be called when nothing is asked any more;
    /// it blocks.
    ///
    /// # Errors
    /// [`StorageError`] if the disk has failed, now or before.
    pub fn close(&self) -> Result<(), Arc<StorageError>> {
        self.owner.shared.disk.as_ref().map_or(Ok(()), Disk::finish)
    }

    /// From now on writes are refused; those that have a version go on.
    pub fn drain(&self) {
        self.owner.shared.handle(Input::Drain);
    }

    /// Its own disk has run full, or has space again: see [`Input::Disk`].
    pub fn set_disk_full(&self, full: bool) {
        self.owner.shared.handle(Input::Disk { full });
    }

    /// The clock of its deadlines.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.owner.shared.clock
    }

    /// Something was handed to the machine.
    pub(super) fn wake(&self) {
        self.owner.shared.wake.notify_one();
    }

    pub(super) fn core(&self) -> &Mutex<Core> {
        &self.owner.shared.core
    }

    pub(super) fn look<R>(&self, question: impl FnOnce(&Leader) -> R) -> R {
        question(&lock(self.core()).leader)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        lock(&self.shared.core).ended = true;
        self.shared.wake.notify_one();
        self.shared.disk.iter().for_each(Disk::close);
    }
}
