//! What the followers say.

use kv_core::Epoch;

use super::{Event, Leader, Output, Phase};
use crate::link::Attempt;
use crate::{AttemptId, Held, LinkError, LinkState, RangeSet, Refusal, Reply, Time};

impl Leader {
    pub(super) fn on_reply(&mut self, now: Time, attempt: AttemptId, reply: Reply) {
        let Some((follower, attempt)) = self.finish(attempt) else {
            return;
        };
        match reply {
            Ok(held) if attempt.probe => self.on_probed(now, follower, &held),
            Ok(held) => self.on_appended(now, follower, attempt, &held),
            Err(refusal) => self.on_refused(now, follower, attempt, refusal),
        }
        self.unpark(now);
    }

    pub(super) fn on_failed(&mut self, now: Time, attempt: AttemptId, error: LinkError) {
        let Some((follower, attempt)) = self.finish(attempt) else {
            return;
        };
        self.give_back(now, follower, attempt, error);
        self.unpark(now);
    }

    /// Takes the follower for down.
    pub(super) fn link_failed(&mut self, now: Time, follower: usize, error: LinkError) {
        let Some(link) = self.links.get_mut(follower) else {
            return;
        };
        let is_news = link.down_seen.is_none() || link.last_error.as_ref() != Some(&error);
        link.fail(now, error.clone(), &self.config.timing, &mut self.jitter);
        if is_news {
            self.outputs.push_back(Output::Event(Event::LinkDown { follower, error }));
        }
    }

    /// Somebody has promised a higher epoch to another leader: this one stops at once.
    pub(super) fn depose(&mut self, by: Epoch) {
        self.phase = Phase::Deposed { by };
        self.outputs.push_back(Output::Event(Event::Deposed { by }));
        for id in self.writes.assigned() {
            self.answer_late(id);
        }
        // What is parked is refused with the reason, by `unpark`.
    }

    fn finish(&mut self, id: AttemptId) -> Option<(usize, Attempt)> {
        self.links.iter_mut().enumerate().find_map(|(follower, link)| {
            let at = link.attempts.iter().position(|attempt| attempt.id == id)?;
            Some((follower, link.attempts.remove(at)))
        })
    }

    /// The request did not do what it should: its entries are to be sent again.
    fn give_back(&mut self, now: Time, follower: usize, attempt: Attempt, error: LinkError) {
        let Some(link) = self.links.get_mut(follower) else {
            return;
        };
        for range in attempt.versions.iter() {
            link.ready.insert_range(range);
        }
        // Several requests that fail together are one failure.
        let already_down =
            matches!(link.state, LinkState::Down { .. } | LinkState::Probing) && !attempt.probe;
        if !already_down {
            self.link_failed(now, follower, error);
        }
    }

    fn on_appended(&mut self, now: Time, follower: usize, attempt: Attempt, held: &Held) {
        let Some(link) = self.links.get_mut(follower) else {
            return;
        };
        if link.identity != Some(held.identity) || held.promised != self.epoch {
            self.withdraw_acks(follower);
            return self.give_back(now, follower, attempt, LinkError::NewIdentity);
        }
        link.succeeded();
        link.claimed = true;
        self.acknowledge(follower, attempt.versions.iter().chain(held.ranges.iter()));
        if self.phase == Phase::Claiming {
            self.try_serve();
        }
    }

    fn on_refused(&mut self, now: Time, follower: usize, attempt: Attempt, refusal: Refusal) {
        if let Refusal::StaleEpoch { promised } = refusal {
            return self.on_higher_promise(now, follower, attempt, promised);
        }
        self.give_back(now, follower, attempt, refusal.into());
    }

    fn on_higher_promise(&mut self, now: Time, follower: usize, attempt: Attempt, promised: Epoch) {
        self.promised = self.promised.max(promised);
        if promised > self.epoch && self.phase == Phase::Serving {
            return self.depose(promised);
        }
        self.give_back(now, follower, attempt, Refusal::StaleEpoch { promised }.into());
    }

    fn on_probed(&mut self, now: Time, follower: usize, held: &Held) {
        if let Err(error) = self.check_identity(follower, held) {
            return self.link_failed(now, follower, error);
        }
        self.promised = self.promised.max(held.promised);
        match self.phase {
            Phase::Starting | Phase::Claiming => self.on_first_contact(now, follower, held),
            Phase::Serving if held.promised > self.epoch => self.depose(held.promised),
            Phase::Serving => self.on_return(now, follower, held),
            Phase::Deposed { .. } => {}
        }
    }

    /// A follower is there again (or, with an operator's leave, for the first time).
    fn on_return(&mut self, now: Time, follower: usize, held: &Held) {
        if held.has_data && held.cluster != Some(self.cluster) {
            let refusal = Refusal::WrongCluster { held: held.cluster };
            return self.link_failed(now, follower, refusal.into());
        }
        // Only what it holds under our epoch counts; the rest is sent again.
        let ours = if held.promised == self.epoch { held.ranges.clone() } else { RangeSet::new() };
        self.acknowledge(follower, ours.iter());
        let Some(link) = self.links.get_mut(follower) else {
            return;
        };
        link.next_mark = now;
        match link.start_streaming(&self.log) {
            Ok(()) => {
                link.succeeded();
                self.outputs.push_back(Output::Event(Event::LinkUp { follower }));
            }
            Err(error) => self.link_failed(now, follower, error),
        }
    }

    /// One node, one link; a node that has lost its memory has acknowledged nothing.
    fn check_identity(&mut self, follower: usize, held: &Held) -> Result<(), LinkError> {
        let node = held.identity.node;
        if node == self.node {
            return Err(LinkError::OwnId);
        }
        let same = |link: &crate::link::Link| link.identity.is_some_and(|identity| identity.node == node);
        if let Some(other) =
            (0..).zip(&self.links).find_map(|(i, link)| (i != follower && same(link)).then_some(i))
        {
            return Err(LinkError::DuplicateId { other });
        }
        let Some(link) = self.links.get_mut(follower) else {
            return Ok(());
        };
        let known = link.identity.replace(held.identity);
        if known.is_some_and(|known| known != held.identity) {
            self.withdraw_acks(follower);
        }
        Ok(())
    }
}
