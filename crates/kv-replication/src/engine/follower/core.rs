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

#[cfg(test)]
mod tests {
    use kv_core::{Epoch, NodeId};

    use super::*;
    use crate::config::FollowerConfig;
    use crate::engine::lock::lock;
    use crate::protocol::group::Group;
    use crate::protocol::message::{Append, Claim, ClusterId, Head, Identity};

    const NODE: NodeId = NodeId(1);

    fn head(core: &FollowerCore, counter: u64) -> Head {
        let Identity { node, resets } = core.follower().holds().identity;
        let epoch = Epoch { counter, node: NodeId(9) };
        Head { to: Identity { node, resets }, cluster: ClusterId(7), epoch }
    }

    fn claim(core: &FollowerCore, counter: u64) -> Request {
        let head = head(core, counter);
        let group = Group { since: head.epoch, write: 1, followers: vec!["one".to_owned()] };
        Request::Claim(Claim { head, renames: None, groups: Arc::new(vec![group]) })
    }

    fn append(core: &FollowerCore, counter: u64, stage: Stage) -> Request {
        let head = head(core, counter);
        Request::Append(Append { head, stage, counted: true, mark: 0, entries: Vec::new() })
    }

    fn ask(core: &mut FollowerCore, clock: Clock, request: Request) -> bool {
        core.request(clock, request).then.is_ok()
    }

    #[test]
    fn only_the_leader_that_it_has_promised_is_heard_and_only_one_that_serves_makes_it_level() {
        let core = FollowerCore::shared(Follower::new(NODE, FollowerConfig::default()));
        let (mut core, clock) = (lock(&core), Clock::start());
        assert!(ask(&mut core, clock, Request::Probe));
        assert_eq!(core.heard(), None, "a probe may come from anybody");
        let request = claim(&core, 2);
        assert!(ask(&mut core, clock, request));
        let heard = core.heard();
        assert!(heard.is_some());
        let request = append(&core, 1, Stage::Serving);
        assert!(!ask(&mut core, clock, request));
        assert_eq!(core.heard(), heard, "one that is refused was not heard");
        let request = append(&core, 2, Stage::Recovering);
        assert!(ask(&mut core, clock, request));
        assert_eq!(core.position(clock.now()).lag, None, "it does not know yet what was committed");
        let request = append(&core, 2, Stage::Serving);
        assert!(ask(&mut core, clock, request));
        assert!(core.position(clock.now()).lag.is_some());
        let _ = core.reset();
        assert_eq!(core.position(clock.now()).lag, None, "after a reset it has been level with nobody");
    }
}
