//! What the followers say: the way of every answer, and of an acknowledgement above all.
//!
//! An acknowledgement is handed on in this order:
//!
//! 1. its **link**: it is well, has room or has none;
//! 2. `acknowledge`: its vote and its progress, then **replication**, which counts and may commit, then the **writes**
//!    that this answers;
//! 3. the **ballots** that hear it: the adoption of a configuration, reads, rebuilds of other followers. They come
//!    after the commits, so that a read which they confirm sees those;
//! 4. what its link does **next**;
//! 5. the **start**, if it has waited for this, and writes that have waited for followers (`go_on`).

use kv_core::Epoch;

use super::ids::AttemptId;
use super::links::attempt::{Asked, Attempt};
use super::links::error::LinkError;
use super::links::status::LinkState;
use super::machine::Leader;
use super::output::Event;
use crate::protocol::follower_set::FollowerIndex;
use crate::protocol::message::{Answer, Held, Identity, Refusal, Reply, Standing};
use crate::protocol::range_set::RangeSet;
use crate::protocol::time::Time;

/// A follower holds something, under the leader's epoch.
struct Acknowledgement<'a> {
    follower: FollowerIndex,
    attempt: AttemptId,
    held: &'a Held,
}

impl Leader {
    pub(super) fn on_reply(&mut self, now: Time, attempt: AttemptId, reply: Reply) {
        // Late answers of attempts that were given up say nothing that the next probe would not.
        let Some((follower, attempt)) = self.links.finish(attempt) else { return };
        match (&attempt.asked, reply) {
            (_, Err(refusal)) => self.on_refused(now, follower, &attempt, refusal),
            (Asked::Probe, Ok(Answer::Standing(answer))) => self.on_probed(now, follower, answer),
            (Asked::Prepare, Ok(Answer::Standing(answer))) => {
                if self.check_held(now, follower, &attempt, &answer.held) {
                    self.on_promised(follower, attempt.id, answer);
                }
            }
            (Asked::Append(versions), Ok(Answer::Held(held))) => {
                if self.check_held(now, follower, &attempt, &held) {
                    let ack = Acknowledgement { follower, attempt: attempt.id, held: &held };
                    self.on_appended(now, &ack, versions);
                }
            }
            (Asked::Install { after, last }, Ok(Answer::Held(held))) => {
                if self.check_held(now, follower, &attempt, &held) {
                    let ack = Acknowledgement { follower, attempt: attempt.id, held: &held };
                    self.on_installed(now, &ack, after.clone(), *last);
                }
            }
            (Asked::Pull { state }, Ok(Answer::Chunk(chunk))) => self.on_chunk(now, follower, *state, &chunk),
            (_, Ok(_)) => self.give_back(now, follower, &attempt, LinkError::OtherAnswer),
        }
        self.go_on(now);
    }

    pub(super) fn on_failed(&mut self, now: Time, attempt: AttemptId, error: LinkError) {
        let Some((follower, attempt)) = self.links.finish(attempt) else { return };
        self.give_back(now, follower, &attempt, error);
        self.go_on(now);
    }

    /// Entries, or a bare commit mark, have arrived.
    fn on_appended(&mut self, now: Time, ack: &Acknowledgement<'_>, versions: &RangeSet) {
        let &Acknowledgement { follower, attempt, held } = ack;
        if held.disk_full {
            self.hold_back(now, follower);
        }
        self.note_success(follower);
        self.links[follower].progress_mut().lift_limit();
        self.acknowledge(follower, held.counts, versions.iter().chain(held.ranges.iter()));
        self.leadership.note_appended(follower, attempt);
        self.hear(now, ack);
        if !held.disk_full && self.links[follower].state() == LinkState::Full {
            self.begin(now, follower); // it has space again
            self.note_success(follower);
        }
    }

    /// A chunk of a snapshot has arrived. With the last one, or if the follower says that it has all of it
    /// already, the tail follows; that comes before the ballots, since a vote is granted to one that follows.
    fn on_installed(&mut self, now: Time, ack: &Acknowledgement<'_>, after: Option<String>, last: bool) {
        let &Acknowledgement { follower, held, .. } = ack;
        let base = self.links[follower].transfer().map(|transfer| transfer.base);
        if base.is_some_and(|base| last || held.ranges.watermark() >= base) {
            self.links[follower].end_transfer();
            self.acknowledge(follower, held.counts, held.ranges.iter());
            self.begin(now, follower);
        } else {
            self.links[follower].advance_transfer(after);
            self.acknowledge(follower, held.counts, std::iter::empty());
        }
        if held.disk_full {
            self.hold_back(now, follower);
        }
        self.hear(now, ack);
    }

    /// Those who wait for a voter's answer hear it.
    fn hear(&mut self, now: Time, ack: &Acknowledgement<'_>) {
        let &Acknowledgement { follower, attempt, .. } = ack;
        if self.links[follower].is_voter() {
            self.hear_for_reads(now, follower, attempt);
        }
        self.hear_for_rebuilds(now, follower, attempt);
    }

    /// The request did not do what it should: what it carried is to be sent again.
    fn give_back(&mut self, now: Time, follower: FollowerIndex, attempt: &Attempt, error: LinkError) {
        self.links[follower].take_back(attempt);
        self.link_failed(now, follower, error);
    }

    /// Takes the follower for down.
    pub(super) fn link_failed(&mut self, now: Time, follower: FollowerIndex, error: LinkError) {
        let (timing, jitter) = (&self.config.timing, &mut self.jitter);
        let (abandoned, is_news) = self.links[follower].fail(now, error.clone(), timing, jitter);
        self.cancel(abandoned);
        if is_news {
            self.tell(Event::LinkDown { follower: follower.get(), error });
        }
    }

    /// Whether the answer is that of the node that was asked, under the leader's epoch.
    fn check_held(&mut self, now: Time, follower: FollowerIndex, attempt: &Attempt, held: &Held) -> bool {
        if self.links[follower].identity() != Some(held.identity) {
            self.give_back(now, follower, attempt, LinkError::NewIdentity);
            self.forget(follower);
            return false;
        }
        if held.promised != self.leadership.epoch() {
            self.give_back(now, follower, attempt, LinkError::OtherEpoch);
            return false;
        }
        true
    }

    fn on_refused(&mut self, now: Time, follower: FollowerIndex, attempt: &Attempt, refusal: Refusal) {
        match refusal {
            Refusal::StaleEpoch { promised } => {
                self.give_back(now, follower, attempt, refusal.into());
                return self.overtaken(now, promised);
            }
            // It does not know the snapshot that this chunk belongs to: that begins anew.
            Refusal::WrongChunk { .. } => {
                return self.links[follower].restart_transfer(self.replication.mark());
            }
            Refusal::OtherNode { .. } => {
                self.give_back(now, follower, attempt, LinkError::NewIdentity);
                return self.forget(follower);
            }
            Refusal::DiskFull => return self.on_disk_full(now, follower, attempt),
            // It is well, but until it answers again it gets only what it has room for.
            Refusal::BeyondWindow { last, .. } => {
                self.links[follower].take_back(attempt);
                return self.links[follower].progress_mut().limit(last);
            }
            Refusal::Conflict { .. } => self.forget(follower),
            Refusal::WrongCluster { .. } | Refusal::NotPromised { .. } | Refusal::Malformed { .. } => {}
        }
        self.give_back(now, follower, attempt, refusal.into());
    }

    /// The follower has refused what it has no room for.
    fn on_disk_full(&mut self, now: Time, follower: FollowerIndex, attempt: &Attempt) {
        let link = &mut self.links[follower];
        let follows = link.is_following() || link.state() == LinkState::Installing;
        match attempt.asked {
            Asked::Append(_) | Asked::Install { .. } if follows => {
                link.take_back(attempt);
                self.hold_back(now, follower);
            }
            _ => self.give_back(now, follower, attempt, Refusal::DiskFull.into()),
        }
    }

    fn on_probed(&mut self, now: Time, follower: FollowerIndex, answer: Box<Standing>) {
        if let Err(error) = self.check_identity(follower, answer.held.identity) {
            return self.link_failed(now, follower, error);
        }
        let cluster = self.own.meta().cluster;
        let started = self.leadership.has_recovered();
        // Whoever holds another history has promised nothing that concerns this one.
        if started && answer.has_data && answer.cluster != cluster {
            let refusal = Refusal::WrongCluster { held: answer.cluster };
            return self.link_failed(now, follower, refusal.into());
        }
        // Nor does what an emptied follower has promised in another history.
        let released = answer.cluster.is_none() && answer.promised_in != cluster;
        let promised = if started && released { Epoch::ZERO } else { answer.held.promised };
        self.leadership.note_promised(promised);
        if started && promised > self.leadership.epoch() {
            let abandoned = self.links[follower].become_down(now); // a new start asks again
            self.cancel(abandoned);
            return self.overtaken(now, promised);
        }
        let link = &mut self.links[follower];
        if link.state() == LinkState::Claiming {
            return; // it has promised since it was asked
        }
        link.become_waiting(answer, now + self.config.timing.retry_max);
        if !started {
            link.note_reached();
        }
    }

    /// One node, one link; a node that has lost its state has acknowledged nothing.
    fn check_identity(&mut self, follower: FollowerIndex, identity: Identity) -> Result<(), LinkError> {
        let node = identity.node;
        if node == self.node() {
            return Err(LinkError::OwnId);
        }
        let same = self.links.select(|link| link.identity().is_some_and(|it| it.node == node));
        let other = same.without(follower).iter().next();
        if let Some(other) = other {
            // A node may have moved to another address; but it is one node, at one address.
            if !matches!(self.links[other].state(), LinkState::Down { .. }) {
                return Err(LinkError::DuplicateId { other: other.get() });
            }
            self.forget(other);
        }
        if self.links[follower].identity() != Some(identity) {
            self.forget(follower);
        }
        self.links[follower].set_identity(identity);
        Ok(())
    }

    /// The follower is not the node that it was: its promise and its acknowledgements are gone.
    fn forget(&mut self, follower: FollowerIndex) {
        self.links[follower].forget_node();
        self.leadership.forget(follower);
        self.replication.withdraw_acks(follower);
    }
}
