//! A follower with a disk, as the thread of the disk sees it.

use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::core::FollowerCore;
use crate::engine::disk::client::{DiskClient, Part};
use crate::engine::disk::queue::DiskQueue;
use crate::engine::lock::lock;

/// The answer to a request, which waits for the disk.
pub(super) type Waiter = oneshot::Sender<()>;

pub(super) struct DurableFollower {
    pub(super) core: Arc<Mutex<FollowerCore>>,
    pub(super) disk: Arc<DiskQueue<Waiter>>,
}

impl DiskClient for DurableFollower {
    type Waiter = Waiter;

    fn release(&self, waiters: Vec<Waiter>) {
        for waiter in waiters {
            let _ = waiter.send(()); // nobody may be waiting any more
        }
    }

    fn want_checkpoint(&self) {
        let core = lock(&self.core);
        self.disk.begin_checkpoint(core.follower().checkpoint_head());
    }

    fn part(&self, after: Option<&str>) -> Part {
        let core = lock(&self.core);
        Part::of(core.follower().store(), after, core.follower().whole_from())
    }

    fn set_full(&self, full: bool) {
        if full {
            tracing::error!("the disk is full: nothing more is taken until there is space");
        } else {
            tracing::info!("the disk has space again");
        }
        lock(&self.core).set_disk_full(full);
    }
}
