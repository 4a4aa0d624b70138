//! The first half of a start: who is there, which way leads to every acknowledged write, and the
//! promises that this way needs.

use kv_core::{Epoch, Store};

use super::pull::Pulls;
use super::{Event, Leader, Output, Phase, StartProblem};
use crate::link::backoff;
use crate::planted::Bug;
use crate::{AttemptId, ClusterId, LinkError, LinkState, Refusal, Standing, Time};

/// How a leader comes to hold every acknowledged write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Way {
    /// There is none: all followers have answered, and hold nothing.
    #[default]
    Fresh,
    /// Its own log has them all, if W followers confirm that nobody else has led.
    OwnLog,
    /// F followers together have them all.
    Union,
    /// Whatever those who answer still have: an operator's decision.
    Loss,
}

/// Where a start is.
#[derive(Debug, Default)]
pub(super) struct Start {
    pub(super) way: Way,
    /// How many promises the way needs.
    pub(super) needed: usize,
    round: Option<Round>,
    /// Whose promises it rests on: bit i for the follower with index i.
    pub(super) members: u64,
    /// Somebody else may have led since its own log was known to be complete.
    own_log_refuted: bool,
    /// How often another leader was faster.
    overtaken: u32,
    pub(super) pulls: Pulls,
    /// The newest version that it found.
    pub(super) through: kv_core::Version,
    /// What people were told last.
    told: Option<StartProblem>,
}

/// Promises are collected one after the other, and a follower may lose its memory after it has given
/// its own. So, once there are enough, all who gave one are asked again: those who confirm it have all
/// been bound at one moment, that between the two rounds.
#[derive(Debug)]
struct Round {
    since: AttemptId,
    members: u64,
    confirmed: u64,
}

impl Start {
    /// Whether this start makes the follower count, whatever it has lost.
    pub(super) fn grants(&self, follower: usize) -> bool {
        matches!(self.way, Way::Fresh | Way::Loss) && self.members & (1 << follower) != 0
    }
}

struct Plan {
    way: Way,
    needed: usize,
    cluster: ClusterId,
    renames: Option<ClusterId>,
}

impl Leader {
    /// Something has happened that a start may have waited for.
    pub(super) fn go_on(&mut self, now: Time) {
        match self.phase {
            Phase::Asking => self.try_claim(now),
            Phase::Claiming => self.try_count_promises(now),
            Phase::Pulling => self.try_build(now),
            Phase::Recovering => self.try_serve(now),
            Phase::Serving | Phase::Deposed { .. } => {}
        }
        self.tell_problem();
        self.unpark(now);
    }

    /// Begins again: another leader was faster, or one of those it relied on has gone.
    pub(super) fn start_over(&mut self, now: Time, overtaken: bool) {
        self.phase = Phase::Asking;
        self.start.round = None;
        self.start.members = 0;
        self.start.pulls = Pulls::default();
        let pause = backoff(self.start.overtaken, &self.config.timing, &mut self.jitter);
        self.start.overtaken += u32::from(overtaken);
        let mut cancelled = Vec::new();
        for link in &mut self.links {
            let asks = !matches!(link.state, LinkState::Down { .. } | LinkState::Probing);
            // What a link that went on has said before may be old news: it is asked again.
            if asks && (overtaken || link.standing.is_none()) {
                cancelled.extend(link.rest(now + if overtaken { pause } else { std::time::Duration::ZERO }));
            } else if asks {
                cancelled.extend(link.abandon());
                link.state = LinkState::Waiting;
                link.claimed = false;
            }
            link.acked = Default::default();
            link.pushing = None;
        }
        self.cancel(cancelled);
    }

    /// Whether the follower is to be asked for its promise now.
    pub(super) fn wants_promise(&self, follower: usize) -> bool {
        let Some(link) = self.links.get(follower) else { return false };
        if !self.disk.has_meta() || !link.attempts.is_empty() {
            return false; // the leader has not promised its own epoch yet
        }
        match (self.phase, link.state) {
            (Phase::Claiming, LinkState::Waiting) => link.answered().is_some_and(|it| self.is_candidate(it)),
            (Phase::Claiming, LinkState::Claiming) => {
                let bit = 1 << follower;
                self.start.round.as_ref().is_some_and(|round| round.members & !round.confirmed & bit != 0)
            }
            (Phase::Recovering | Phase::Serving, LinkState::Waiting) => true,
            _ => false,
        }
    }

    /// A follower has promised our epoch.
    pub(super) fn on_promised(&mut self, follower: usize, attempt: AttemptId, standing: Box<Standing>) {
        let Some(link) = self.links.get_mut(follower) else { return };
        link.claimed = true;
        link.standing = Some(standing);
        link.state = LinkState::Claiming;
        if let Some(round) = self.start.round.as_mut().filter(|round| attempt >= round.since) {
            round.confirmed |= round.members & (1 << follower);
        }
    }

    /// For whom or what the start waits.
    pub(super) fn start_problem(&self) -> StartProblem {
        let needed = self.start.needed;
        match self.phase {
            Phase::Claiming => {
                StartProblem::Promises { promised: self.promised_by().count_ones() as usize, needed }
            }
            Phase::Pulling => StartProblem::Pulling { followers: self.start.pulls.waiting() },
            Phase::Recovering => StartProblem::Behind {
                through: self.start.through,
                level: self.level().count_ones() as usize,
                needed: self.config.quorum.write().max(self.must_be_level().count_ones() as usize),
            },
            _ => match self.plan() {
                Err(problem) => problem,
                Ok(plan) => StartProblem::Promises { promised: 0, needed: plan.needed },
            },
        }
    }

    /// Chooses a way and an epoch, as soon as enough followers have answered.
    fn try_claim(&mut self, now: Time) {
        let Ok(plan) = self.plan() else { return };
        let Plan { way, needed, cluster, renames } = plan;
        self.start.way = way;
        self.start.needed = needed;
        self.renames = renames;
        self.phase = Phase::Claiming;
        let counter = self.promised.max(self.meta.promised).counter.saturating_add(1);
        self.epoch = Epoch { counter, node: self.node() };
        self.meta.promise(self.epoch);
        self.meta.cluster = Some(cluster);
        self.note_meta();
        for link in &mut self.links {
            link.claimed = false;
            link.acked = Default::default();
        }
        self.try_count_promises(now);
    }

    fn try_count_promises(&mut self, now: Time) {
        let candidates = |link: &&crate::link::Link| {
            matches!(link.state, LinkState::Waiting | LinkState::Claiming)
                && link.answered().is_some_and(|standing| self.is_candidate(standing))
        };
        if self.links.iter().filter(candidates).count() < self.start.needed {
            return self.start_over(now, false);
        }
        if !self.disk.has_meta() {
            return;
        }
        let (promised, needed) = (self.promised_by(), self.start.needed);
        let enough = |set: u64| set.count_ones() as usize >= needed;
        if self.config.planted.is(Bug::PromisesNotConfirmed) && enough(promised) {
            return self.promises_are_there(now, promised);
        }
        let since = self.next_attempt();
        match &mut self.start.round {
            Some(round) => {
                round.members &= promised;
                if enough(round.confirmed & promised) {
                    let members = round.confirmed & promised;
                    self.promises_are_there(now, members);
                } else if !enough(round.members) {
                    self.start.round = None;
                }
            }
            None if needed == 0 => self.promises_are_there(now, 0),
            None if enough(promised) => {
                self.start.round = Some(Round { since, members: promised, confirmed: 0 });
            }
            None => {}
        }
    }

    fn promises_are_there(&mut self, now: Time, members: u64) {
        self.start.round = None;
        self.start.members = members;
        match self.start.way {
            Way::Fresh => self.build(now, Store::new(), 0, &Default::default()),
            Way::OwnLog if self.somebody_else_may_have_led() => {
                self.start.own_log_refuted = true;
                self.start_over(now, false);
                self.try_claim(now);
            }
            Way::OwnLog => self.build_from_own_log(now),
            Way::Union | Way::Loss => self.start_pulling(now),
        }
    }

    /// Whether one of those who promised, or this node itself, has ever promised another node an epoch
    /// above the last one at which the own log was known to be complete.
    fn somebody_else_may_have_led(&self) -> bool {
        let node = self.node();
        let Some(known) = self.meta.authoritative else { return true };
        let members = self.links.iter().enumerate().filter(|(i, _)| self.start.members & (1 << i) != 0);
        let foreign = members.map(|(_, link)| {
            if self.config.planted.is(Bug::OnlyLastPromiseLookedAt) {
                return if link.promise_found.node == node { Epoch::ZERO } else { link.promise_found };
            }
            link.answered().map_or(Epoch::ZERO, |standing| standing.promised_other)
        });
        foreign.chain([self.meta.promised_to_others_than(node)]).any(|epoch| epoch > known)
    }

    /// Who has promised the current epoch.
    fn promised_by(&self) -> u64 {
        let claimed = self.links.iter().enumerate().filter(|(_, link)| {
            link.claimed && link.answered().is_some_and(|standing| self.is_candidate(standing))
        });
        claimed.fold(0, |set, (follower, _)| set | (1 << follower))
    }

    fn is_candidate(&self, standing: &Standing) -> bool {
        let own = standing.cluster == self.meta.cluster;
        let renamed = self.renames.is_some() && standing.cluster == self.renames;
        match self.start.way {
            Way::Fresh => !standing.has_data,
            Way::OwnLog | Way::Union => own && is_kept(standing),
            Way::Loss => standing.has_data && (own || renamed),
        }
    }

    /// The way that what is known now allows.
    fn plan(&self) -> Result<Plan, StartProblem> {
        if let Some(problem) = self.unfit() {
            return Err(problem);
        }
        let own = self.meta.authoritative.and(self.own_cluster);
        let cluster = match own {
            Some(cluster) => Some(cluster),
            None => self.one_history()?,
        };
        let Some(cluster) = cluster else {
            return self.plan_fresh();
        };
        let plan = |way, needed| Plan { way, needed, cluster, renames: None };
        let kept: Vec<usize> = self
            .answered()
            .filter(|(_, standing)| standing.cluster == Some(cluster) && is_kept(standing))
            .map(|(follower, _)| follower)
            .collect();
        let quorum = self.config.quorum;
        let mut recovery = quorum.recovery();
        if self.config.planted.is(Bug::RecoveryWithTooFew) {
            recovery = recovery.saturating_sub(1);
        }
        let own_log = own.is_some() && !self.start.own_log_refuted;
        let (way, needed) = if own_log { (Way::OwnLog, quorum.write()) } else { (Way::Union, recovery) };
        match self.check_groups(cluster) {
            Ok(()) if kept.len() >= needed => return Ok(plan(way, needed)),
            Ok(()) if own_log && kept.len() >= recovery => return Ok(plan(Way::Union, recovery)),
            Err(problem) if !self.may_lose() => return Err(problem),
            _ => {}
        }
        if self.may_lose() {
            let left = self.answered().filter(|(_, it)| it.has_data && it.cluster == Some(cluster)).count();
            return Ok(Plan { way: Way::Loss, needed: left, cluster: self.drawn, renames: Some(cluster) });
        }
        let lost = self.answered().map(|(follower, _)| follower).filter(|i| !kept.contains(i)).collect();
        Err(StartProblem::TooFew {
            kept: kept.len(),
            needed: needed.min(recovery),
            missing: self.missing(),
            lost,
        })
    }

    fn plan_fresh(&self) -> Result<Plan, StartProblem> {
        let (answered, all) = (self.answered().count(), self.links.len());
        let careless = self.config.planted.is(Bug::FreshWithoutOne) && answered + 1 >= all;
        let decided = self.config.new_history && self.all_asked() && self.config.quorum.is_met(answered);
        if answered == all || careless || decided {
            return Ok(Plan { way: Way::Fresh, needed: answered, cluster: self.drawn, renames: None });
        }
        Err(StartProblem::Waiting { followers: self.missing() })
    }

    /// The one cluster whose data the followers hold, if they hold any.
    fn one_history(&self) -> Result<Option<ClusterId>, StartProblem> {
        let mut clusters = self.answered().filter(|(_, it)| it.has_data).filter_map(|(_, it)| it.cluster);
        let Some(one) = clusters.next() else { return Ok(None) };
        match clusters.find(|other| *other != one) {
            Some(other) => Err(StartProblem::TwoHistories { one, other }),
            None => Ok(Some(one)),
        }
    }

    /// A history that was written with another W, or for other followers, is not taken over: how many
    /// promises are enough would depend on how far the change had got when its leader died.
    fn check_groups(&self, cluster: ClusterId) -> Result<(), StartProblem> {
        let standing =
            |(_, it): (usize, &'_ Standing)| it.group.clone().filter(|_| it.cluster == Some(cluster));
        let mut others = self.answered().filter_map(standing).chain(self.meta.group.clone());
        if others.any(|group| group != self.group) {
            return Err(StartProblem::GroupChanged { missing: self.missing() });
        }
        Ok(())
    }

    /// A follower that answers in a way that waiting alone will not change.
    fn unfit(&self) -> Option<StartProblem> {
        self.links.iter().enumerate().find_map(|(follower, link)| {
            let foreign = link.answered().is_some_and(|it| it.has_data && it.cluster.is_none());
            let foreign = foreign.then_some(LinkError::Refused(Refusal::WrongCluster { held: None }));
            let known = link.last_error.clone().filter(|error| {
                link.down_seen.is_some() && matches!(error, LinkError::OwnId | LinkError::DuplicateId { .. })
            });
            Some(StartProblem::Unfit { follower, error: foreign.or(known)? })
        })
    }

    fn answered(&self) -> impl Iterator<Item = (usize, &Standing)> {
        self.links.iter().enumerate().filter_map(|(follower, link)| Some((follower, link.answered()?)))
    }

    fn missing(&self) -> Vec<usize> {
        self.links.iter().enumerate().filter(|(_, link)| link.standing.is_none()).map(|(i, _)| i).collect()
    }

    /// Whether everyone has at least been tried.
    fn all_asked(&self) -> bool {
        self.links.iter().all(|link| link.standing.is_some() || link.failures > 0)
    }

    /// Whether the operator lets it go on with what is left: when everyone has been tried, and somebody
    /// still has something.
    fn may_lose(&self) -> bool {
        self.config.accept_data_loss && self.all_asked() && self.answered().any(|(_, it)| it.has_data)
    }

    fn tell_problem(&mut self) {
        let problem = match self.phase {
            Phase::Asking => self.plan().err(),
            _ => None,
        };
        // Before anyone has answered there is nothing to tell.
        let Some(problem) = problem.filter(|_| self.links.iter().any(|link| link.failures > 0)) else {
            return;
        };
        if self.start.told.as_ref() != Some(&problem) {
            self.start.told = Some(problem.clone());
            self.outputs.push_back(Output::Event(Event::Waiting { problem }));
        }
    }
}

/// It has kept its memory, and what it holds can be trusted.
fn is_kept(standing: &Standing) -> bool {
    standing.held.counts && standing.diverged.is_none()
}
