//! The machine of a follower, and those who wait for it to get somewhere.

use std::sync::{Arc, Mutex};

use kv_core::{Entry, Version};

use crate::durable::record::Durable;
use crate::engine::clock::Clock;
use crate::engine::freshness::Freshness;
use crate::engine::read::Position;
use crate::engine::waits::{self, Progress, Waits};
use crate::follower::{Adopted, Follower};
use crate::protocol::message::{Reply, Request, Stage};
use crate::protocol::time::Time;

/// What the lock of a follower guards.
#[derive(Debug)]
pub(super) struct FollowerCore {
    follower: Follower,
    /// When a leader that it has promised spoke to it last.
    heard: Option<Time>,
    freshness: Freshness,
    waits: Waits<FollowerGoal>,
}

/// What can be waited for.
#[derive(Clone, Copy, Debug)]
pub(super) enum FollowerGoal {
    /// Everything up to this version is known to be committed.
    Mark(Version),
    /// As before, and the committed state is that of one moment.
    WholeMark(Version),
    /// It was level with its leader after this moment.
    LevelSince(Time),
}

impl FollowerCore {
    pub(super) fn shared(follower: Follower) -> Arc<Mutex<Self>> {
        let (freshness, waits) = (Freshness::default(), Waits::default());
        Arc::new(Mutex::new(Self { follower, heard: None, freshness, waits }))
    }

    pub(super) fn follower(&self) -> &Follower {
        &self.follower
    }

    /// Does what a leader asks, and notes that it was heard.
    pub(super) fn request(&mut self, clock: Clock, request: Request) -> Durable<Reply> {
        let (is_from_leader, is_claim) = (request.head().is_some(), matches!(request, Request::Claim(_)));
        // Before it has recovered, a leader does not know yet how much was committed.
        let told = match &request {
            Request::Append(append) if append.stage == Stage::Serving => Some(append.mark),
            _ => None,
        };
        let done = self.follower.handle(request);
        if is_from_leader && done.then.is_ok() {
            if is_claim {
                self.freshness.new_leader();
            }
            self.hear(clock.now(), told);
        }
        done
    }

    pub(super) fn adopt(&mut self, entry: &Entry) -> Durable<Adopted> {
        self.follower.adopt(entry)
    }

    pub(super) fn reset(&mut self) -> Durable<()> {
        self.freshness = Freshness::default();
        self.follower.reset()
    }

    pub(super) fn set_disk_full(&mut self, full: bool) {
        self.follower.set_disk_full(full);
    }

    /// When a leader that it has promised spoke to it last.
    pub(super) fn heard(&self) -> Option<Time> {
        self.heard
    }

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

impl Progress for FollowerCore {
    type Goal = FollowerGoal;

    fn waits(&mut self) -> &mut Waits<FollowerGoal> {
        &mut self.waits
    }

    fn has_reached(&self, goal: &FollowerGoal) -> bool {
        match goal {
            FollowerGoal::Mark(version) => self.follower.mark() >= *version,
            FollowerGoal::WholeMark(version) => {
                self.follower.whole_mark().is_some_and(|mark| mark >= *version)
            }
            FollowerGoal::LevelSince(since) => self.level_since(*since),
        }
    }
}
