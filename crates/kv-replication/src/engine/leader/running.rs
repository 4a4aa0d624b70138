//! A leader that runs: what its handles, its loop and the thread of its disk share.

use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::core::LeaderCore;
use crate::engine::clock::Clock;
use crate::engine::disk::client::{DiskClient, Part};
use crate::engine::disk::queue::DiskQueue;
use crate::engine::lock::lock;
use crate::leader::ids::PersistId;
use crate::leader::input::Input;
use crate::leader::machine::Leader;
use crate::protocol::time::Time;

pub(super) struct RunningLeader {
    pub(super) clock: Clock,
    pub(super) core: Mutex<LeaderCore>,
    /// None on a node that keeps nothing but memory.
    pub(super) disk: Option<Arc<DiskQueue<PersistId>>>,
    /// The loop has something to do.
    pub(super) wake: Arc<Notify>,
}

impl RunningLeader {
    pub(super) fn new(leader: Leader, disk: Option<Arc<DiskQueue<PersistId>>>) -> Self {
        Self {
            clock: Clock::start(),
            core: Mutex::new(LeaderCore::new(leader)),
            disk,
            wake: Arc::new(Notify::new()),
        }
    }

    /// Hands something to the machine, and wakes the loop, which sees to what that causes. The time is read
    /// under the lock, so that it never goes backwards for the machine.
    pub(super) fn change<R>(&self, act: impl FnOnce(&mut LeaderCore, Time) -> R) -> R {
        let result = act(&mut lock(&self.core), self.clock.now());
        self.wake.notify_one();
        result
    }

    pub(super) fn handle(&self, input: Input) {
        self.change(|core, now| core.handle(now, input));
    }
}

impl DiskClient for RunningLeader {
    type Waiter = PersistId;

    fn release(&self, waiters: Vec<PersistId>) {
        if let Some(id) = waiters.into_iter().max() {
            self.handle(Input::Persisted { id });
        }
    }

    fn want_checkpoint(&self) {
        if lock(&self.core).want_checkpoint() {
            self.wake.notify_one();
        }
    }

    fn part(&self, after: Option<&str>) -> Part {
        let core = lock(&self.core);
        Part::of(core.leader().store(), after, core.leader().newest_committed())
    }

    fn set_full(&self, full: bool) {
        self.handle(Input::Disk { full });
    }
}

impl fmt::Debug for RunningLeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningLeader").finish_non_exhaustive()
    }
}
