//! What the handles of a follower and its disk share.

use std::sync::{Arc, Mutex};

use kv_core::Version;
use tokio::sync::oneshot;

use crate::engine::disk::client::{Node, Part};
use crate::engine::disk::handle::Disk;
use crate::engine::freshness::Freshness;
use crate::engine::lock::lock;
use crate::engine::read::Position;
use crate::engine::waits::{self, Waits};
use crate::follower::Follower;
use crate::protocol::time::Time;

pub(super) type Waiter = oneshot::Sender<()>;

#[derive(Debug)]
pub(super) struct Core {
    pub(super) follower: Follower,
    /// When a leader that it has promised spoke to it last.
    pub(super) heard: Option<Time>,
    pub(super) freshness: Freshness,
    waits: Waits<Goal>,
}

/// What can be waited for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    /// Everything up to this version is known to be committed.
    Mark(Version),
    /// As before, and the committed state is that of one moment.
    WholeMark(Version),
    /// It was level with its leader after this moment.
    LevelSince(Time),
}

/// What the thread of the disk knows of the node.
pub(super) struct Behind {
    pub(super) core: Arc<Mutex<Core>>,
    pub(super) disk: Disk<Waiter>,
}

impl Core {
    pub(super) fn shared(follower: Follower) -> Arc<Mutex<Self>> {
        let (freshness, waits) = (Freshness::default(), Waits::default());
        Arc::new(Mutex::new(Self { follower, heard: None, freshness, waits }))
    }

    /// Its leader has spoken, and perhaps told its commit mark.
    pub(super) fn hear(&mut self, now: Time, told: Option<Version>) {
        self.heard = Some(now);
        match told {
            Some(told) => self.freshness.hear(now, told, self.follower.mark()),
            None => self.freshness.catch_up(self.follower.mark()),
        }
        waits::release(self);
    }
}

impl Core {
    pub(super) fn level_since(&self, since: Time) -> bool {
        self.freshness.level_at().is_some_and(|at| at > since)
    }

    pub(super) fn position(&self, now: Time) -> Position {
        Position {
            version: self.follower.watermark(),
            mark: self.follower.mark(),
            is_leader: false,
            epoch: self.follower.promised(),
            lag: self.freshness.level_at().map(|at| now.since(at)),
        }
    }
}

impl waits::Core for Core {
    type Goal = Goal;

    fn waits(&mut self) -> &mut Waits<Goal> {
        &mut self.waits
    }

    fn has_reached(&self, goal: &Goal) -> bool {
        match goal {
            Goal::Mark(version) => self.follower.mark() >= *version,
            Goal::WholeMark(version) => self.follower.whole_mark().is_some_and(|mark| mark >= *version),
            Goal::LevelSince(since) => self.level_since(*since),
        }
    }
}

impl Node for Behind {
    type Waiter = Waiter;

    fn release(&self, waiters: Vec<Waiter>) {
        for waiter in waiters {
            let _ = waiter.send(()); // nobody may be waiting any more
        }
    }

    fn want_checkpoint(&self) {
        let core = lock(&self.core);
        self.disk.begin_checkpoint(core.follower.checkpoint_head());
    }

    fn part(&self, after: Option<&str>) -> Part {
        let core = lock(&self.core);
        Part::of(core.follower.store(), after, core.follower.whole_from())
    }

    fn set_full(&self, full: bool) {
        if full {
            tracing::error!("the disk is full: nothing more is taken until there is space");
        } else {
            tracing::info!("the disk has space again");
        }
        lock(&self.core).follower.set_disk_full(full);
    }
}
