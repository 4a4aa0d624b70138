//! What the followers say.

use std::mem::discriminant;

use kv_core::Epoch;

use super::{Event, Leader, Output, Phase};
use crate::link::{Attempt, Link};
use crate::{AttemptId, Held, LinkError, LinkState, RangeSet, Refusal, Reply, Time};

impl Leader {
    pub(super) fn on_reply(&mut self, now: Time, attempt: AttemptId, reply: Reply) {
        // Late answers of attempts that were given up say nothing that the next probe would not.
        let Some((follower, attempt)) = self.finish(attempt) else { return };
        match reply {
            Ok(held) if attempt.probe => self.on_probed(now, follower, &held),
            Ok(held) => self.on_appended(now, follower, &attempt, &held),
            Err(refusal) => self.on_refused(now, follower, &attempt, refusal),
        }
        self.react(now);
    }

    pub(super) fn on_failed(&mut self, now: Time, attempt: AttemptId, error: LinkError) {
        let Some((follower, attempt)) = self.finish(attempt) else { return };
        self.give_back(now, follower, &attempt, error);
        self.react(now);
    }

    /// Takes the follower for down.
    pub(super) fn link_failed(&mut self, now: Time, follower: usize, error: LinkError) {
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

    /// Somebody has promised a higher epoch to another leader: this one stops at once.
    pub(super) fn depose(&mut self, by: Epoch) {
        self.phase = Phase::Deposed { by };
        self.outputs.push_back(Output::Event(Event::Deposed { by }));
        let abandoned = self.links.iter_mut().flat_map(Link::abandon).collect();
        self.cancel(abandoned);
        for id in self.writes.assigned() {
            self.answer_late(id);
        }
        // What is parked is refused with the reason, by `unpark`.
    }

    /// A follower has answered or failed: what waited for that may go on.
    fn react(&mut self, now: Time) {
        if matches!(self.phase, Phase::Starting | Phase::Claiming) {
            self.try_start(now);
        }
        self.unpark(now);
    }

    fn cancel(&mut self, attempts: Vec<AttemptId>) {
        self.outputs.extend(attempts.into_iter().map(|attempt| Output::Cancel { attempt }));
    }

    fn finish(&mut self, id: AttemptId) -> Option<(usize, Attempt)> {
        self.links.iter_mut().enumerate().find_map(|(follower, link)| {
            let at = link.attempts.iter().position(|attempt| attempt.id == id)?;
            Some((follower, link.attempts.remove(at)))
        })
    }

    /// The request did not do what it should: its entries are to be sent again.
    fn give_back(&mut self, now: Time, follower: usize, attempt: &Attempt, error: LinkError) {
        let Some(link) = self.links.get_mut(follower) else { return };
        for range in attempt.versions.iter() {
            link.ready.insert_range(range);
        }
        self.link_failed(now, follower, error);
    }

    fn on_appended(&mut self, now: Time, follower: usize, attempt: &Attempt, held: &Held) {
        let Some(link) = self.links.get_mut(follower) else { return };
        if link.identity != Some(held.identity) {
            self.withdraw_acks(follower);
            return self.give_back(now, follower, attempt, LinkError::NewIdentity);
        }
        if held.promised != self.epoch {
            return self.give_back(now, follower, attempt, LinkError::OtherEpoch);
        }
        link.failures = 0;
        link.claimed = true;
        if self.phase == Phase::Serving && !link.announced {
            link.announced = true;
            self.outputs.push_back(Output::Event(Event::LinkUp { follower }));
        }
        self.acknowledge(follower, attempt.versions.iter().chain(held.ranges.iter()));
    }

    fn on_refused(&mut self, now: Time, follower: usize, attempt: &Attempt, refusal: Refusal) {
        match refusal {
            Refusal::StaleEpoch { promised } => {
                self.promised = self.promised.max(promised);
                if promised > self.epoch && self.phase == Phase::Serving {
                    return self.depose(promised);
                }
            }
            Refusal::Conflict { version } => {
                if let Some(link) = self.links.get_mut(follower) {
                    link.diverged = link.identity.map(|identity| (identity, version));
                }
                self.withdraw_acks(follower);
            }
            Refusal::WrongCluster { .. } | Refusal::Malformed { .. } | Refusal::BeyondWindow { .. } => {}
        }
        self.give_back(now, follower, attempt, refusal.into());
    }

    fn on_probed(&mut self, now: Time, follower: usize, held: &Held) {
        if let Err(error) = self.check_identity(follower, held) {
            return self.link_failed(now, follower, error);
        }
        match self.phase {
            Phase::Starting | Phase::Claiming => self.on_first_contact(now, follower, held),
            Phase::Serving => self.on_return(now, follower, held),
            Phase::Deposed { .. } => {}
        }
    }

    /// A follower is there again (or, with an operator's leave, for the first time).
    fn on_return(&mut self, now: Time, follower: usize, held: &Held) {
        // Whoever holds another history has promised nothing that concerns this one.
        if held.has_data && held.cluster != Some(self.cluster) {
            let refusal = Refusal::WrongCluster { held: held.cluster };
            return self.link_failed(now, follower, refusal.into());
        }
        self.promised = self.promised.max(held.promised);
        if held.promised > self.epoch {
            return self.depose(held.promised);
        }
        let diverged = self.links.get(follower).and_then(|link| link.diverged);
        if let Some((_, version)) = diverged.filter(|(identity, _)| *identity == held.identity) {
            return self.link_failed(now, follower, Refusal::Conflict { version }.into());
        }
        // Only what it holds under our epoch counts; the rest is sent again.
        let ours = if held.promised == self.epoch { held.ranges.clone() } else { RangeSet::new() };
        self.acknowledge(follower, ours.iter());
        let Some(link) = self.links.get_mut(follower) else { return };
        link.next_mark = now;
        match link.start_streaming(&self.log) {
            Ok(()) => link.down_seen = None,
            Err(error) => self.link_failed(now, follower, error),
        }
    }

    /// One node, one link; a node that has lost its memory has acknowledged nothing.
    fn check_identity(&mut self, follower: usize, held: &Held) -> Result<(), LinkError> {
        let node = held.identity.node;
        if node == self.node {
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
        if known != Some(held.identity) {
            self.withdraw_acks(follower);
        }
        if let Some(link) = self.links.get_mut(follower) {
            link.identity = Some(held.identity);
        }
        Ok(())
    }
}
