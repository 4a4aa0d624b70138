//! How a follower gets what it lacks: from the log, or by a snapshot. And how one that has lost its state, or has
//! no room for more, comes back.

use super::ids::AttemptId;
use super::links::error::LinkError;
use super::links::voting::Rebuild;
use super::machine::Leader;
use super::output::Event;
use crate::protocol::follower_set::FollowerIndex;
use crate::protocol::group::{Group, Need};
use crate::protocol::message::{Refusal, Standing};
use crate::protocol::range_set::RangeSet;
use crate::protocol::time::Time;

impl Leader {
    /// The follower has promised the leader's epoch, or lacks something that it did not lack before: it gets that.
    pub(super) fn begin(&mut self, now: Time, follower: FollowerIndex) {
        let base = self.replication.mark(); // a snapshot shows all that is committed now, and more later
        let answer = self.links[follower].answer().cloned();
        if let Some(answer) = &answer {
            if let Err(error) = self.check_answer(answer) {
                return self.link_failed(now, follower, error);
            }
            self.take_over(follower, answer);
        }
        if !self.links[follower].is_voter() {
            self.start_rebuild(follower);
        }
        self.links[follower].hurry(now);
        if answer.is_some_and(|answer| answer.held.disk_full) {
            return self.hold_back(now, follower);
        }
        let link = &mut self.links[follower];
        let log = self.replication.log();
        if link.progress().is_behind(log) || link.transfer().is_some() {
            link.become_installing(base);
        } else {
            link.become_streaming(log);
        }
    }

    /// Whether a follower that says this can follow.
    fn check_answer(&self, answer: &Standing) -> Result<(), LinkError> {
        let assigned = self.replication.log().last();
        let is_whole = answer.diverged.is_none();
        if answer.held.disk_full && !is_whole {
            // It takes not even commit marks before it has had a snapshot.
            return Err(Refusal::DiskFull.into());
        }
        if answer.held.mark > assigned && is_whole {
            return Err(LinkError::Ahead { mark: answer.held.mark, assigned });
        }
        Ok(())
    }

    /// What it holds under the leader's epoch is acknowledged. One that has diverged gets a snapshot.
    fn take_over(&mut self, follower: FollowerIndex, answer: &Standing) {
        if answer.diverged.is_some() && self.links[follower].transfer().is_none() {
            self.links[follower].restart_transfer(self.replication.mark());
        }
        let is_current = answer.held.promised == self.leadership.epoch();
        let held = if is_current { answer.held.ranges.clone() } else { RangeSet::new() };
        self.acknowledge(follower, answer.held.counts, held.iter());
    }

    /// The snapshot was outrun: the log has moved on beyond its base.
    pub(super) fn lose_transfer(&mut self, now: Time, follower: FollowerIndex) {
        self.links[follower].end_transfer();
        self.link_failed(now, follower, LinkError::SnapshotTooSlow);
    }

    /// A follower whose acknowledgements do not count is on its way to be a voter; see
    /// [`voting`](super::links::voting).
    fn start_rebuild(&mut self, follower: FollowerIndex) {
        // Whoever has not said that it has lost its state may have kept it.
        let kept = self.links.select(|link| !link.has_lost_state()).without(follower);
        let names = &self.config.followers;
        // Of each configuration that is in force: a rival may lead by any of them.
        let of_group = |group: &Group| {
            let Need { of, count } = group.write_need(names);
            let of = of.without(follower);
            Need { of, count: count.min(Need { of, count }.among(kept)) }
        };
        let is_given = self.leadership.granted().contains(follower);
        let needs = match is_given {
            true => Vec::new(),
            false => self.leadership.groups().iter().map(of_group).collect(),
        };
        let rebuild = Rebuild::new(self.replication.log().last(), needs, self.next_attempt());
        self.links[follower].start_rebuild(rebuild);
    }

    /// The follower has answered `attempt` under the leader's epoch. If it is a voter, others that have lost their
    /// state may rely on that. Whatever was lacking until now may be there.
    pub(super) fn hear_for_rebuilds(&mut self, now: Time, follower: FollowerIndex, attempt: AttemptId) {
        let is_voter = self.links[follower].is_voter();
        for (other, link) in self.links.iter_mut().filter(|(_, link)| link.is_rebuilding()) {
            if is_voter && other != follower {
                link.hear(follower, attempt);
            }
            link.try_grant_vote(now);
        }
    }

    /// The follower has said that its disk is full: it gets nothing but commit marks.
    pub(super) fn hold_back(&mut self, now: Time, follower: FollowerIndex) {
        if let Some(error) = self.links[follower].become_full(now) {
            self.tell(Event::LinkDown { follower: follower.get(), error });
        }
    }

    /// The follower has answered as it should: people are told, once, when it takes entries.
    pub(super) fn note_success(&mut self, follower: FollowerIndex) {
        if self.links[follower].note_success(self.leadership.leads()) {
            self.tell(Event::LinkUp { follower: follower.get() });
        }
    }
}
