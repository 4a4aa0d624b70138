//! What the followers say.

use std::mem::discriminant;

use kv_core::{Epoch, Version};

use crate::leader::Leader;
use crate::leader::ids::AttemptId;
use crate::leader::links::error::LinkError;
use crate::leader::links::link::{Asked, Attempt, Link};
use crate::leader::links::status::LinkState;
use crate::leader::output::{Event, Output};
use crate::leader::phase::Phase;
use crate::protocol::message::{Answer, Held, Identity, Refusal, Reply, Standing};
use crate::protocol::range_set::RangeSet;
use crate::protocol::time::Time;

impl Leader {
    pub(in crate::leader) fn on_reply(&mut self, now: Time, attempt: AttemptId, reply: Reply) {
        // Late answers of attempts that were given up say nothing that the next probe would not.
        let Some((follower, attempt)) = self.finish(attempt) else { return };
        match (&attempt.asked, reply) {
            (_, Err(refusal)) => self.on_refused(now, follower, &attempt, refusal),
            (Asked::Probe, Ok(Answer::Standing(standing))) => self.on_probed(now, follower, standing),
            (Asked::Claim, Ok(Answer::Standing(standing))) => {
                if self.check_held(now, follower, &attempt, &standing.held) {
                    self.on_promised(follower, attempt.id, standing);
                }
            }
            (Asked::Append(versions), Ok(Answer::Held(held))) => {
                if self.check_held(now, follower, &attempt, &held) {
                    self.on_appended(now, follower, attempt.id, versions, &held);
                }
            }
            (Asked::Install { after, last }, Ok(Answer::Held(held))) => {
                if self.check_held(now, follower, &attempt, &held) {
                    self.on_pushed(now, follower, after.clone(), *last, &held);
                    if held.disk_full {
                        self.hold_back(now, follower);
                    }
                    self.confirm(follower, attempt.id, &held);
                }
            }
            (Asked::Pull { state }, Ok(Answer::Chunk(chunk))) => self.on_chunk(now, follower, *state, &chunk),
            (_, Ok(_)) => self.give_back(now, follower, &attempt, LinkError::OtherAnswer),
        }
        self.go_on(now);
    }

    pub(in crate::leader) fn on_failed(&mut self, now: Time, attempt: AttemptId, error: LinkError) {
        let Some((follower, attempt)) = self.finish(attempt) else { return };
        self.give_back(now, follower, &attempt, error);
        self.go_on(now);
    }

    /// Takes the follower for down.
    pub(in crate::leader) fn link_failed(&mut self, now: Time, follower: usize, error: LinkError) {
        let Some(link) = self.links.get_mut(follower) else { return };
        let same_kind = |last: &LinkError| discriminant(last) == discriminant(&error);
        let is_news = link.announced || !link.last_error.as_ref().is_some_and(same_kind);
        link.announced = false;
        let abandoned = link.fail(now, error.clone(), &self.config.timing, &mut self.jitter);
        self.cancel(abandoned);
        if is_news {
            self.outputs.push_back(Output::Event(Event::LinkDown { follower, error }));
        }
    }

    /// Somebody has promised a higher epoch to another leader: this one stops at once; if it does not
    /// serve yet, it asks again.
    pub(in crate::leader) fn overtaken(&mut self, now: Time, by: Epoch) {
        self.promised = self.promised.max(by);
        if self.phase != Phase::Serving {
            return self.start_over(now, true);
        }
        self.phase = Phase::Deposed { by };
        self.outputs.push_back(Output::Event(Event::Deposed { by }));
        let abandoned = self.links.iter_mut().flat_map(Link::abandon).collect();
        self.cancel(abandoned);
        for id in self.writes.assigned() {
            self.answer_late(id);
        }
        self.refuse_reads();
        // What is parked is refused with the reason, by `unpark`.
    }

    pub(in crate::leader) fn cancel(&mut self, attempts: Vec<AttemptId>) {
        self.outputs.extend(attempts.into_iter().map(|attempt| Output::Cancel { attempt }));
    }

    fn finish(&mut self, id: AttemptId) -> Option<(usize, Attempt)> {
        self.links.iter_mut().enumerate().find_map(|(follower, link)| {
            let at = link.attempts.iter().position(|attempt| attempt.id == id)?;
            Some((follower, link.attempts.remove(at)))
        })
    }

    /// The request did not do what it should: what it carried is to be sent again.
    pub(in crate::leader) fn give_back(
        &mut self,
        now: Time,
        follower: usize,
        attempt: &Attempt,
        error: LinkError,
    ) {
        if let Some(link) = self.links.get_mut(follower) {
            link.take_back(attempt);
        }
        self.link_failed(now, follower, error);
    }

    /// Whether the answer is that of the node that was asked, under our epoch.
    fn check_held(&mut self, now: Time, follower: usize, attempt: &Attempt, held: &Held) -> bool {
        let Some(link) = self.links.get(follower) else { return false };
        if link.identity != Some(held.identity) {
            self.give_back(now, follower, attempt, LinkError::NewIdentity);
            self.withdraw_acks(follower);
            return false;
        }
        if held.promised != self.epoch {
            self.give_back(now, follower, attempt, LinkError::OtherEpoch);
            return false;
        }
        true
    }

    fn on_appended(
        &mut self,
        now: Time,
        follower: usize,
        attempt: AttemptId,
        versions: &RangeSet,
        held: &Held,
    ) {
        if held.disk_full {
            self.hold_back(now, follower);
        }
        self.announce(follower);
        self.note_adopted(follower, attempt);
        if let Some(link) = self.links.get_mut(follower) {
            link.room_last = None;
        }
        self.acknowledge(follower, versions.iter().chain(held.ranges.iter()));
        self.confirm(follower, attempt, held);
        if !held.disk_full {
            self.let_go_on(now, follower);
        }
    }

    fn on_refused(&mut self, now: Time, follower: usize, attempt: &Attempt, refusal: Refusal) {
        match refusal {
            Refusal::StaleEpoch { promised } => {
                self.give_back(now, follower, attempt, refusal.into());
                return self.overtaken(now, promised);
            }
            Refusal::WrongChunk { .. } => return self.push_again(follower),
            Refusal::OtherNode { .. } => {
                self.give_back(now, follower, attempt, LinkError::NewIdentity);
                return self.withdraw_acks(follower);
            }
            Refusal::DiskFull => return self.on_disk_full(now, follower, attempt),
            Refusal::BeyondWindow { last, .. } => return self.wait_for_room(follower, attempt, last),
            Refusal::Conflict { .. } => self.withdraw_acks(follower),
            Refusal::WrongCluster { .. } | Refusal::NotPromised { .. } | Refusal::Malformed { .. } => {}
        }
        self.give_back(now, follower, attempt, refusal.into());
    }

    /// The follower is full, and well: until it answers again it gets only what it has room for.
    fn wait_for_room(&mut self, follower: usize, attempt: &Attempt, last: Version) {
        if let Some(link) = self.links.get_mut(follower) {
            link.take_back(attempt);
            link.room_last = Some(last);
        }
    }

    fn on_probed(&mut self, now: Time, follower: usize, standing: Box<Standing>) {
        if let Err(error) = self.check_identity(follower, standing.held.identity) {
            return self.link_failed(now, follower, error);
        }
        let started = self.phase.has_recovered();
        // Whoever holds another history has promised nothing that concerns this one.
        if started && standing.has_data && standing.cluster != self.meta.cluster {
            let refusal = Refusal::WrongCluster { held: standing.cluster };
            return self.link_failed(now, follower, refusal.into());
        }
        // Nor does what an emptied follower has promised in another history.
        let released = standing.cluster.is_none() && standing.promised_in != self.meta.cluster;
        let promised = if started && released { Epoch::ZERO } else { standing.held.promised };
        self.promised = self.promised.max(promised);
        if started && promised > self.epoch {
            if let Some(link) = self.links.get_mut(follower) {
                link.rest(now); // this probe is over: a new start asks again
            }
            return self.overtaken(now, promised);
        }
        let Some(link) = self.links.get_mut(follower) else { return };
        if link.state == LinkState::Claiming {
            return; // it has promised since it was asked
        }
        link.is_lost = !standing.held.counts;
        link.next_mark = now + self.config.timing.retry_max;
        link.state = LinkState::Waiting;
        link.standing = Some(standing);
        link.claimed = false;
        if !started {
            link.down_seen = None;
        }
    }

    /// One node, one link; a node that has lost its memory has acknowledged nothing.
    fn check_identity(&mut self, follower: usize, identity: Identity) -> Result<(), LinkError> {
        let node = identity.node;
        if node == self.node() {
            return Err(LinkError::OwnId);
        }
        let same = |link: &Link| link.identity.is_some_and(|identity| identity.node == node);
        let other = (0..).zip(&self.links).find_map(|(i, link)| (i != follower && same(link)).then_some(i));
        if let Some(other) = other {
            // A node may have moved to another address; but it is one node, at one address.
            if self.links.get(other).is_some_and(|link| !matches!(link.state, LinkState::Down { .. })) {
                return Err(LinkError::DuplicateId { other });
            }
            self.withdraw_acks(other);
        }
        let known = self.links.get(follower).and_then(|link| link.identity);
        if known != Some(identity) {
            self.withdraw_acks(follower);
        }
        if let Some(link) = self.links.get_mut(follower) {
            link.identity = Some(identity);
        }
        Ok(())
    }
}
