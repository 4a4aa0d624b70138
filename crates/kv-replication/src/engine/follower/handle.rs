//! The handle of a follower: starting and ending it, and the requests that change it.

use std::io;
use std::sync::{Arc, Mutex};

use kv_core::{Entry, NodeId};
use thiserror::Error;
use tokio::sync::oneshot;

use super::core::FollowerCore;
use super::durable::{DurableFollower, Waiter};
use crate::config::FollowerConfig;
use crate::durable::image::Image;
use crate::durable::record::Durable;
use crate::durable::storage::{Storage, StorageError};
use crate::engine::clock::Clock;
use crate::engine::disk;
use crate::engine::disk::queue::{DiskQueue, Written};
use crate::engine::lock::lock;
use crate::follower::{Adopted, Follower};
use crate::protocol::message::{Reply, Request};

/// A [`Follower`] that several tasks can use. Clones share it.
#[derive(Clone, Debug)]
pub struct FollowerHandle {
    clock: Clock,
    core: Arc<Mutex<FollowerCore>>,
    /// None on a node that keeps nothing but memory.
    disk: Option<Arc<DiskOwner>>,
}

/// The node has ended, or its disk has failed: nobody knows what became of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the node has stopped")]
pub struct Stopped;

/// Ends the thread of the disk with the last handle.
#[derive(Debug)]
struct DiskOwner(Arc<DiskQueue<Waiter>>);

impl FollowerHandle {
    /// A follower that has just started, without memory and without a disk. Draw `node` anew for every
    /// start.
    #[must_use]
    pub fn new(node: NodeId, mut config: FollowerConfig) -> Self {
        config.durable = false; // nothing here writes records down
        Self { clock: Clock::start(), core: FollowerCore::shared(Follower::new(node, config)), disk: None }
    }

    /// A follower with a disk, as the node that the disk knows. It answers nothing before the disk has
    /// what the answer promises; [`FollowerHandle::disk_failed`] tells when that can no longer be.
    ///
    /// # Errors
    /// If the system gives no thread for the disk.
    pub fn restart(image: Image, mut config: FollowerConfig, storage: Box<dyn Storage>) -> io::Result<Self> {
        config.durable = true;
        let core = FollowerCore::shared(Follower::restart(image, config));
        let disk = Arc::new(DiskQueue::new());
        let client = DurableFollower { core: Arc::clone(&core), disk: Arc::clone(&disk) };
        disk::worker::start(&disk, storage, Arc::new(client))?;
        Ok(Self { clock: Clock::start(), core, disk: Some(Arc::new(DiskOwner(disk))) })
    }

    /// Answers a leader's request, as soon as what the answer promises is durable. What has been begun is
    /// done, also if nobody waits for the answer any more.
    ///
    /// # Errors
    /// [`Stopped`]; the reply may be a [`Refusal`](crate::Refusal), as [`Follower::handle`] gives it.
    pub async fn request(&self, request: Request) -> Result<Reply, Stopped> {
        self.durably(|core| core.request(self.clock, request)).await
    }

    /// See [`Follower::adopt`].
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn adopt(&self, entry: &Entry) -> Result<Adopted, Stopped> {
        self.durably(|core| core.adopt(entry)).await
    }

    /// See [`Follower::reset`].
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn reset(&self) -> Result<(), Stopped> {
        self.durably(FollowerCore::reset).await
    }

    /// See [`Follower::set_disk_full`]. The thread of its disk does so, too.
    pub fn set_disk_full(&self, full: bool) {
        lock(&self.core).set_disk_full(full);
    }

    /// Waits until its disk has failed: from then on nothing is acknowledged any more, and the process
    /// should end. A node without a disk waits for ever.
    pub async fn disk_failed(&self) -> Arc<StorageError> {
        match &self.disk {
            Some(owner) => owner.0.failed().await,
            None => std::future::pending().await,
        }
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Writes down what is queued, and gives the disk free. To be called when nothing is asked any more;
    /// it blocks.
    ///
    /// # Errors
    /// [`StorageError`] if the disk has failed, now or before.
    pub fn close(&self) -> Result<(), Arc<StorageError>> {
        self.disk.as_ref().map_or(Ok(()), |owner| owner.0.finish())
    }

    /// Does something, and gives the result when the records are durable.
    async fn durably<R>(&self, act: impl FnOnce(&mut FollowerCore) -> Durable<R>) -> Result<R, Stopped> {
        let (then, released) = {
            let mut core = lock(&self.core);
            let Durable { records, then } = act(&mut core);
            let Some(owner) = &self.disk else { return Ok(then) };
            let (waiter, released) = oneshot::channel();
            match owner.0.write(records, waiter) {
                Written::Done(_) => return Ok(then),
                Written::Queued => (then, released),
                Written::Never => return Err(Stopped),
            }
        };
        released.await.map_err(|_| Stopped)?;
        Ok(then)
    }

    pub(super) fn core(&self) -> &Mutex<FollowerCore> {
        &self.core
    }

    pub(super) fn is_durable(&self) -> bool {
        self.disk.is_some()
    }
}

impl Drop for DiskOwner {
    fn drop(&mut self) {
        self.0.close();
    }
}
