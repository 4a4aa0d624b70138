//! The first half of a start: who is there, which way leads to every acknowledged write, and the
//! promises that this way needs.

use kv_core::Epoch;

use crate::leader::Leader;
use crate::leader::ids::AttemptId;
use crate::leader::links::error::LinkError;
use crate::leader::links::link::backoff;
use crate::leader::links::status::LinkState;
use crate::leader::output::{Event, Output};
use crate::leader::phase::Phase;
use crate::leader::problem::StartProblem;
use crate::leader::start::pull::Pulls;
use crate::protocol::group::Group;
use crate::protocol::group::Need;
use crate::protocol::message::{ClusterId, Refusal, Standing};
use crate::protocol::time::Time;
use crate::testing::planted::planted;

/// How a leader comes to hold every acknowledged write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::leader) enum Way {
    /// There is none: all followers have answered, and hold nothing. What its own disk has, if anything,
    /// is the beginning of a new history.
    #[default]
    Fresh,
    /// Its own log has them all, if W followers confirm that nobody else has led.
    OwnLog,
    /// F followers together have them all.
    Union,
    /// Whatever those who answer still have, and its own disk: an operator's decision.
    Loss,
}

/// Where a start is.
#[derive(Debug, Default)]
pub(in crate::leader) struct Start {
    pub(in crate::leader) way: Way,
    /// How many promises the way needs, of each group.
    needs: Vec<Need>,
    round: Option<Round>,
    /// Whose promises it rests on: bit i for the follower with index i.
    pub(in crate::leader) members: u64,
    /// Somebody else may have led since its own log was known to be complete.
    own_log_refuted: bool,
    /// How often another leader was faster.
    overtaken: u32,
    pub(in crate::leader) pulls: Pulls,
    /// The newest version that it found.
    pub(in crate::leader) through: kv_core::Version,
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
    pub(in crate::leader) fn grants(&self, follower: usize) -> bool {
        matches!(self.way, Way::Fresh | Way::Loss) && self.members & (1 << follower) != 0
    }

    /// Whether the promises of these are enough.
    fn is_enough(&self, set: u64) -> bool {
        self.needs.iter().all(|need| need.is_met(set))
    }

    /// For people: how many promises are needed of the group that needs most.
    fn needed(&self) -> usize {
        self.needs.iter().map(|need| need.count).max().unwrap_or(0)
    }
}

struct Plan {
    way: Way,
    needs: Vec<Need>,
    groups: Vec<Group>,
    cluster: ClusterId,
    renames: Option<ClusterId>,
}

impl Plan {
    /// The group begins with this leader.
    fn anew(way: Way, count: usize, cluster: ClusterId, renames: Option<ClusterId>) -> Self {
        Self { way, needs: vec![Need { of: u64::MAX, count }], groups: Vec::new(), cluster, renames }
    }
}

impl Leader {
    /// Something has happened that a start may have waited for.
    pub(in crate::leader) fn go_on(&mut self, now: Time) {
        match self.phase {
            Phase::Asking => self.try_claim(now),
            Phase::Claiming => self.try_count_promises(now),
            Phase::Pulling => self.try_build(now),
            Phase::Recovering | Phase::Changing if !self.start.is_enough(self.start.members) => {
                self.start_over(now, false); // those it rests on have forgotten their promises
                self.try_claim(now);
            }
            Phase::Recovering => self.try_serve(now),
            Phase::Changing => self.try_complete(now),
            Phase::Serving | Phase::Deposed { .. } => {}
        }
        self.tell_problem();
        self.unpark(now);
    }

    /// Begins again: another leader was faster, or one of those it relied on has gone.
    pub(in crate::leader) fn start_over(&mut self, now: Time, overtaken: bool) {
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

    /// The follower is not what it was: a start that has not come to its end does not rest on it any more.
    pub(in crate::leader) fn forget_member(&mut self, follower: usize) {
        self.start.members &= !(1 << follower);
    }

    /// Whether the follower is to be asked for its promise now.
    pub(in crate::leader) fn wants_promise(&self, follower: usize) -> bool {
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
            (phase, LinkState::Waiting) => phase.has_recovered(),
            _ => false,
        }
    }

    /// A follower has promised our epoch.
    pub(in crate::leader) fn on_promised(
        &mut self,
        follower: usize,
        attempt: AttemptId,
        standing: Box<Standing>,
    ) {
        let Some(link) = self.links.get_mut(follower) else { return };
        link.claimed = true;
        link.standing = Some(standing);
        link.state = LinkState::Claiming;
        if let Some(round) = self.start.round.as_mut().filter(|round| attempt >= round.since) {
            round.confirmed |= round.members & (1 << follower);
        }
    }

    /// For whom or what the start waits.
    pub(in crate::leader) fn start_problem(&self) -> StartProblem {
        match self.phase {
            Phase::Claiming => StartProblem::Promises {
                promised: self.promised_by().count_ones() as usize,
                needed: self.start.needed(),
            },
            Phase::Pulling if self.start.pulls.are_done() => StartProblem::DiskFull,
            Phase::Pulling => StartProblem::Pulling { followers: self.start.pulls.waiting() },
            Phase::Recovering => StartProblem::Behind {
                through: self.start.through,
                level: self.level().count_ones() as usize,
                needed: self.config.quorum.write().max(self.must_be_level().count_ones() as usize),
            },
            Phase::Changing => self.change_problem(),
            _ => match self.plan() {
                Err(problem) => problem,
                Ok(_) => StartProblem::Promises { promised: 0, needed: self.start.needed() },
            },
        }
    }

    /// Chooses a way and an epoch, as soon as enough followers have answered.
    fn try_claim(&mut self, now: Time) {
        let Ok(plan) = self.plan() else { return };
        let Plan { way, needs, groups, cluster, renames } = plan;
        self.start.way = way;
        self.start.needs = needs;
        self.renames = renames;
        self.phase = Phase::Claiming;
        let counter = self.promised.max(self.meta.promised).counter.saturating_add(1);
        self.epoch = Epoch { counter, node: self.node() };
        self.meta.promise(self.epoch);
        self.meta.cluster = Some(cluster);
        self.take_groups(groups);
        self.note_meta();
        for link in &mut self.links {
            link.claimed = false;
            link.acked = Default::default();
        }
        self.try_count_promises(now);
    }

    fn try_count_promises(&mut self, now: Time) {
        let candidates = self.answered().filter(|(follower, standing)| {
            let state = self.links.get(*follower).map(|link| link.state);
            matches!(state, Some(LinkState::Waiting | LinkState::Claiming)) && self.is_candidate(standing)
        });
        let candidates = candidates.fold(0, |set, (follower, _)| set | (1 << follower));
        if !self.start.is_enough(candidates) {
            return self.start_over(now, false);
        }
        if !self.disk.has_meta() {
            return;
        }
        let (promised, since) = (self.promised_by(), self.next_attempt());
        if planted!(self.config, PromisesNotConfirmed) && self.start.is_enough(promised) {
            return self.promises_are_there(now, promised);
        }
        match self.start.round.take() {
            Some(Round { members, confirmed, .. })
                if self.start.is_enough(confirmed & members & promised) =>
            {
                self.promises_are_there(now, confirmed & members & promised);
            }
            Some(Round { since, members, confirmed }) if self.start.is_enough(members & promised) => {
                self.start.round = Some(Round { since, members: members & promised, confirmed });
            }
            Some(_) => {}
            None if self.start.is_enough(0) => self.promises_are_there(now, 0),
            None if self.start.is_enough(promised) => {
                self.start.round = Some(Round { since, members: promised, confirmed: 0 });
            }
            None => {}
        }
    }

    fn promises_are_there(&mut self, now: Time, members: u64) {
        self.start.round = None;
        self.start.members = members;
        if matches!(self.start.way, Way::OwnLog | Way::Union) && self.groups_have_changed() {
            self.start_over(now, false);
            return self.try_claim(now);
        }
        match self.start.way {
            Way::Fresh => self.build_from_own_state(now),
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
        let foreign =
            members.map(|(_, link)| link.answered().map_or(Epoch::ZERO, |standing| standing.promised_other));
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
        if self.is_restored && self.one_history()?.is_some() {
            let with_data = self.answered().filter(|(_, it)| it.has_data).map(|(follower, _)| follower);
            return Err(StartProblem::Restored { followers: with_data.collect() });
        }
        let own = self.meta.authoritative.and(self.own_cluster);
        let cluster = match own {
            Some(cluster) => Some(cluster),
            None => self.one_history()?,
        };
        let Some(cluster) = cluster else {
            return self.plan_fresh();
        };
        let groups = self.groups_in_force(cluster);
        let kept = self.answered().filter(|(_, it)| it.cluster == Some(cluster) && is_kept(it));
        let kept = kept.fold(0, |set, (follower, _)| set | (1 << follower));
        let changeable = self.check_groups(&groups);
        let own_log = Some(Way::OwnLog).filter(|_| own.is_some() && !self.start.own_log_refuted);
        let mut short = None;
        for way in own_log.into_iter().chain([Way::Union]) {
            let needs = self.promises_needed(&groups, way);
            match needs.iter().find(|need| !need.is_met(kept)) {
                None if changeable.is_ok() => return Ok(Plan { way, needs, groups, cluster, renames: None }),
                None => {}
                Some(need) if short.is_none_or(|short: Need| need.count < short.count) => short = Some(*need),
                Some(_) => {}
            }
        }
        if self.may_lose() {
            let left = self.answered().filter(|(_, it)| it.has_data && it.cluster == Some(cluster)).count();
            return Ok(Plan::anew(Way::Loss, left, self.drawn, Some(cluster)));
        }
        changeable?;
        let lost = self.answered().map(|(follower, _)| follower).filter(|it| kept & (1 << it) == 0).collect();
        let (kept, needed) = short.map_or((0, 0), |need| (need.among(kept), need.count));
        let changed = self.is_changed(&groups);
        Err(StartProblem::TooFew { kept, needed, missing: self.missing(), lost, changed })
    }

    fn plan_fresh(&self) -> Result<Plan, StartProblem> {
        let (answered, all) = (self.answered().count(), self.links.len());
        let careless = planted!(self.config, FreshWithoutOne) && answered + 1 >= all;
        let decided = self.config.new_history && self.all_asked() && self.config.quorum.is_met(answered);
        if answered == all || careless || decided {
            return Ok(Plan::anew(Way::Fresh, answered, self.drawn, None));
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

    pub(in crate::leader) fn answered(&self) -> impl Iterator<Item = (usize, &Standing)> {
        self.links.iter().enumerate().filter_map(|(follower, link)| Some((follower, link.answered()?)))
    }

    pub(in crate::leader) fn missing(&self) -> Vec<usize> {
        self.links.iter().enumerate().filter(|(_, link)| link.standing.is_none()).map(|(i, _)| i).collect()
    }

    /// Whether everyone has at least been tried.
    fn all_asked(&self) -> bool {
        self.links.iter().all(|link| link.standing.is_some() || link.failures > 0)
    }

    /// Its own log had every committed entry when it last knew.
    pub(in crate::leader) fn own_is_whole(&self) -> bool {
        self.meta.authoritative.is_some() && self.own_cluster.is_some()
    }

    /// Whether the operator lets it go on with what is left: when everyone has been tried, and somebody
    /// still has something.
    fn may_lose(&self) -> bool {
        let anything = self.own_is_whole() || self.answered().any(|(_, it)| it.has_data);
        self.config.accept_data_loss && self.all_asked() && anything
    }

    fn tell_problem(&mut self) {
        let problem = match self.phase {
            Phase::Asking => self.plan().err(),
            _ => None,
        };
        // While the first answers are on their way there is nothing to tell.
        let told =
            |_: &StartProblem| self.missing().is_empty() || self.links.iter().any(|it| it.failures > 0);
        let Some(problem) = problem.filter(told) else { return };
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
