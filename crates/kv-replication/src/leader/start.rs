//! How a leader without memory begins a new history: on followers that have no data.

use kv_core::Epoch;

use super::{Event, Leader, Output, Phase, StartProblem};
use crate::link::Link;
use crate::{Held, LinkError, LinkState, Time};

impl Leader {
    /// A follower has answered the first probe (or has failed since, and answered again).
    pub(super) fn on_first_contact(&mut self, now: Time, follower: usize, held: &Held) {
        if held.has_data {
            return self.link_failed(now, follower, LinkError::HasData { cluster: held.cluster });
        }
        self.promised = self.promised.max(held.promised);
        if let Some(link) = self.links.get_mut(follower) {
            link.down_seen = None;
            link.claimed = false;
            link.state = LinkState::Fresh;
        }
    }

    /// Chooses an epoch and claims the followers, once enough of them are known to be empty.
    pub(super) fn try_start(&mut self, now: Time) {
        if self.phase == Phase::Starting {
            if !self.may_start() {
                return;
            }
            self.phase = Phase::Claiming;
        }
        // Also later: whoever joins while the others are being claimed is claimed under an epoch
        // that is above everything promised so far.
        let rises = self.epoch.counter == 0 || self.promised > self.epoch;
        if rises {
            self.epoch = Epoch { counter: self.promised.counter.saturating_add(1), node: self.node };
        }
        for link in &mut self.links {
            let to_claim = link.state == LinkState::Fresh || (rises && link.is_streaming());
            if to_claim && link.start_streaming(&self.log).is_ok() {
                link.claimed = false;
                link.next_mark = now;
            }
        }
        self.try_serve();
    }

    /// Serves as soon as all that were claimed have promised.
    fn try_serve(&mut self) {
        let claimed = self.links.iter().filter(|link| link.claimed && link.is_streaming()).count();
        let wanted = if self.config.new_history { self.config.quorum.write() } else { self.links.len() };
        if claimed < wanted || self.links.iter().any(|link| link.is_streaming() && !link.claimed) {
            return;
        }
        self.phase = Phase::Serving;
        let serving = Event::Serving { epoch: self.epoch, cluster: self.cluster };
        self.outputs.push_back(Output::Event(serving));
        for (follower, link) in self.links.iter_mut().enumerate() {
            link.announced = link.is_streaming();
            if link.announced {
                self.outputs.push_back(Output::Event(Event::LinkUp { follower }));
            }
        }
    }

    /// What keeps the leader from serving.
    pub(super) fn start_problem(&self) -> StartProblem {
        self.unfit().unwrap_or_else(|| {
            let starting = self.phase == Phase::Starting;
            let missing = |(_, link): &(usize, &Link)| {
                if starting { link.state != LinkState::Fresh } else { !link.claimed }
            };
            let followers = self.links.iter().enumerate().filter(missing).map(|(i, _)| i).collect();
            StartProblem::Waiting { followers }
        })
    }

    /// A follower that answers in a way that waiting alone will not change.
    pub(super) fn unfit(&self) -> Option<StartProblem> {
        self.links.iter().enumerate().find_map(|(follower, link)| match (&link.last_error, link.down_seen) {
            (
                Some(
                    error @ (LinkError::HasData { .. }
                    | LinkError::OwnId
                    | LinkError::DuplicateId { .. }
                    | LinkError::Refused(crate::Refusal::WrongCluster { .. })),
                ),
                Some(_),
            ) => Some(StartProblem::Unfit { follower, error: error.clone() }),
            _ => None,
        })
    }

    fn may_start(&self) -> bool {
        let fresh = self.links.iter().filter(|link| link.state == LinkState::Fresh).count();
        if fresh == self.links.len() {
            return true;
        }
        // The operator's word stands for those that could not be asked, never for those that have data.
        let asked = self.links.iter().all(|link| link.state == LinkState::Fresh || link.failures > 0);
        self.config.new_history && asked && self.config.quorum.is_met(fresh) && self.unfit().is_none()
    }
}
