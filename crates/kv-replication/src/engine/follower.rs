//! A follower that is shared.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kv_core::{Entry, NodeId, Version};

use super::freshness::Freshness;
use super::waits::{self, Waits};
use super::{Clock, Read, lock};
use crate::{Adopted, Follower, FollowerConfig, Held, Reply, Request, Stage, Standing, Time};

/// A [`Follower`] without a disk that several tasks can use. Clones share it.
#[derive(Clone, Debug)]
pub struct FollowerHandle {
    clock: Clock,
    core: Arc<Mutex<Core>>,
}

#[derive(Debug)]
pub(super) struct Core {
    pub(super) follower: Follower,
    /// When a leader that it has promised spoke to it last.
    heard: Option<Time>,
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

/// A follower, for those who watch.
#[derive(Clone, Debug)]
pub struct FollowerStatus {
    /// What it would tell a leader.
    pub standing: Standing,
    /// What it holds without a gap from version 1.
    pub watermark: Version,
    /// The commit mark of its leader, as it was told last.
    pub leader_mark: Version,
    /// Live keys among what it knows to be committed.
    pub keys: usize,
    /// Since its start.
    pub uptime: Duration,
    /// How long ago its leader spoke to it.
    pub last_heard: Option<Duration>,
    /// How old what it shows may be: see [`Position::lag`](super::Position::lag).
    pub lag: Option<Duration>,
}

impl FollowerHandle {
    /// A follower that has just started, without memory. Draw `node` anew for every start.
    #[must_use]
    pub fn new(node: NodeId, mut config: FollowerConfig) -> Self {
        config.durable = false; // nothing here writes records down
        let core = Core {
            follower: Follower::new(node, config),
            heard: None,
            freshness: Freshness::default(),
            waits: Waits::default(),
        };
        Self { clock: Clock::start(), core: Arc::new(Mutex::new(core)) }
    }

    /// Answers a leader's request.
    ///
    /// # Errors
    /// [`Refusal`](crate::Refusal), as [`Follower::handle`] gives it.
    pub fn request(&self, request: Request) -> Reply {
        let (is_from_leader, is_claim) = (request.head().is_some(), matches!(request, Request::Claim(_)));
        // Before it has recovered, a leader does not know yet how much was committed.
        let told = match &request {
            Request::Append(append) if append.stage == Stage::Serving => Some(append.mark),
            _ => None,
        };
        let mut core = lock(&self.core);
        let reply = core.follower.handle(request).in_memory();
        if is_from_leader && reply.is_ok() {
            if is_claim {
                core.freshness.new_leader();
            }
            core.hear(self.clock.now(), told);
        }
        reply
    }

    /// See [`Follower::adopt`].
    #[must_use]
    pub fn adopt(&self, entry: &Entry) -> Adopted {
        lock(&self.core).follower.adopt(entry).in_memory()
    }

    /// See [`Follower::reset`].
    pub fn reset(&self) {
        let mut core = lock(&self.core);
        core.follower.reset().in_memory();
        core.freshness = Freshness::default();
    }

    /// See [`Follower::set_disk_full`].
    pub fn set_disk_full(&self, full: bool) {
        lock(&self.core).follower.set_disk_full(full);
    }

    /// Everything that an operator wants to see, at one moment.
    #[must_use]
    pub fn status(&self) -> FollowerStatus {
        let now = self.clock.now();
        let core = lock(&self.core);
        FollowerStatus {
            standing: core.follower.standing(),
            watermark: core.follower.watermark(),
            leader_mark: core.follower.leader_mark(),
            keys: core.follower.store().len(),
            uptime: now.since_origin(),
            last_heard: core.heard.map(|heard| now.since(heard)),
            lag: core.position(now).lag,
        }
    }

    /// See [`Follower::local`].
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Read> {
        lock(&self.core).follower.local(key).map(|item| Read(item.entry.clone()))
    }

    /// Everything that [`FollowerHandle::get`] would show, in key order, at one moment: nobody else can
    /// use the node meanwhile. [`FollowerHandle::page`] takes less at a time.
    #[must_use]
    pub fn dump(&self) -> Vec<Read> {
        lock(&self.core).follower.local_scan().map(|(_, item)| Read(item.entry.clone())).collect()
    }

    pub(super) fn core(&self) -> &Mutex<Core> {
        &self.core
    }

    pub(super) fn now(&self) -> Time {
        self.clock.now()
    }

    /// What it would answer to a probe.
    #[must_use]
    pub fn standing(&self) -> Standing {
        lock(&self.core).follower.standing()
    }

    /// What it holds.
    #[must_use]
    pub fn holds(&self) -> Held {
        lock(&self.core).follower.holds()
    }
}

impl Core {
    /// Its leader has spoken, and perhaps told its commit mark.
    fn hear(&mut self, now: Time, told: Option<Version>) {
        self.heard = Some(now);
        match told {
            Some(told) => self.freshness.hear(now, told, self.follower.mark()),
            None => self.freshness.catch_up(self.follower.mark()),
        }
        waits::release(self);
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
