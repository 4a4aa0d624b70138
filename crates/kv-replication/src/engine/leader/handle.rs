//! The handle of a leader: starting and ending it.

use std::io;
use std::sync::{Arc, Mutex};

use kv_core::NodeId;

use super::core::LeaderCore;
use super::run;
use super::running::RunningLeader;
use crate::config::LeaderConfig;
use crate::durable::image::Image;
use crate::durable::storage::{Storage, StorageError};
use crate::engine::alarm::Alarm;
use crate::engine::clock::Clock;
use crate::engine::disk;
use crate::engine::disk::queue::DiskQueue;
use crate::engine::lock::lock;
use crate::leader::input::Input;
use crate::leader::machine::Leader;
use crate::protocol::message::ClusterId;
use crate::protocol::time::Time;
use crate::transport::Transport;

/// A [`Leader`] that runs. Clones share it; it ends with the last one.
#[derive(Clone, Debug)]
pub struct LeaderHandle {
    owner: Arc<Owner>,
}

/// Ends the loop when nobody can ask the leader anything any more.
#[derive(Debug)]
struct Owner(Arc<RunningLeader>);

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
        let disk = storage.is_some().then(|| Arc::new(DiskQueue::new()));
        let running = Arc::new(RunningLeader::new(leader, disk));
        if let (Some(disk), Some(storage)) = (&running.disk, storage) {
            disk::worker::start(disk, storage, Arc::clone(&running))?;
        }
        let alarm = Alarm::spawn(running.clock, Arc::clone(&running.wake))?;
        tokio::spawn(run::run(Arc::clone(&running), alarm, Arc::new(transport)));
        Ok(Self { owner: Arc::new(Owner(running)) })
    }

    /// Waits until its disk has failed: from then on nothing is acknowledged any more, and the process
    /// should end. A node without a disk waits for ever.
    pub async fn disk_failed(&self) -> Arc<StorageError> {
        match &self.running().disk {
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
        self.running().disk.as_ref().map_or(Ok(()), |disk| disk.finish())
    }

    /// From now on writes are refused; those that have a version go on.
    pub fn drain(&self) {
        self.running().handle(Input::Drain);
    }

    /// Its own disk has run full, or has space again: see [`Input::Disk`].
    pub fn set_disk_full(&self, full: bool) {
        self.running().handle(Input::Disk { full });
    }

    /// The clock of its deadlines.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.running().clock
    }

    pub(super) fn core(&self) -> &Mutex<LeaderCore> {
        &self.running().core
    }

    /// Hands something to the machine.
    pub(super) fn change<R>(&self, act: impl FnOnce(&mut LeaderCore, Time) -> R) -> R {
        self.running().change(act)
    }

    /// Asks the machine something, which changes nothing.
    pub(super) fn look<R>(&self, question: impl FnOnce(&Leader) -> R) -> R {
        question(lock(self.core()).leader())
    }

    fn running(&self) -> &RunningLeader {
        &self.owner.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.change(|core, _| core.end());
        self.0.disk.iter().for_each(|disk| disk.close());
    }
}
