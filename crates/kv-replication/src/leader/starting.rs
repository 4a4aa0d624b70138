//! The leader's start, step by step; [`start`](super::start) has the parts.

use std::collections::BTreeMap;
use std::time::Duration;

use kv_core::Epoch;

use super::ids::AttemptId;
use super::links::error::LinkError;
use super::links::health::backoff;
use super::links::link::Link;
use super::machine::Leader;
use super::output::Event;
use super::problem::StartProblem;
use super::start::fetch::Fetch;
use super::start::leadership::Start;
use super::start::plan::{RecoveryPath, plan};
use super::start::view::{Own, Seen, View};
use crate::protocol::follower_set::{FollowerIndex, FollowerSet};
use crate::protocol::group::{Need, in_force};
use crate::protocol::message::{Chunk, Standing};
use crate::protocol::time::Time;
use crate::testing::planted::planted;

impl Leader {
    /// Something has happened that a start, or a write, may have waited for.
    pub(super) fn go_on(&mut self, now: Time) {
        match self.leadership.start() {
            Some(Start::Discovering) => self.try_prepare(now),
            Some(Start::Preparing { .. }) => self.try_count_promises(now),
            Some(Start::Fetching(_)) => self.try_build(now),
            Some(Start::Recommitting { .. } | Start::Reconfiguring { .. })
                if !self.leadership.is_enough(self.leadership.members()) =>
            {
                self.start_over(now, false); // those it rests on have forgotten their promises
                self.try_prepare(now);
            }
            Some(Start::Recommitting { .. }) => self.try_serve(now),
            Some(Start::Reconfiguring { .. }) => self.try_complete(now),
            None => {}
        }
        self.tell_problem();
        self.unpark(now);
    }

    /// Somebody has promised a higher epoch to another leader: this one stops at once; if it does not
    /// serve yet, it asks again.
    pub(super) fn overtaken(&mut self, now: Time, by: Epoch) {
        self.leadership.note_promised(by);
        if !self.leadership.leads() {
            return self.start_over(now, true);
        }
        self.leadership.become_deposed(by);
        self.tell(Event::Deposed { by });
        let abandoned = self.links.abandon();
        self.cancel(abandoned);
        for id in self.writes.assigned() {
            self.answer_late(id);
        }
        self.refuse_reads();
        // What is parked is refused with the reason, by `unpark`.
    }

    /// Begins again: another leader was faster, or one of those it relied on has gone.
    fn start_over(&mut self, now: Time, overtaken: bool) {
        let pause = backoff(self.leadership.times_overtaken(), &self.config.timing, &mut self.jitter);
        let retry_at = now + if overtaken { pause } else { Duration::ZERO };
        self.leadership.become_discovering(overtaken);
        let links = self.links.iter_mut();
        let abandoned = links.flat_map(|(_, link)| link.start_over(retry_at, overtaken)).collect();
        self.cancel(abandoned);
    }

    /// Takes a path and an epoch, as soon as enough followers have answered.
    fn try_prepare(&mut self, now: Time) {
        let Ok(plan) = plan(&self.view()) else { return };
        let highest = self.leadership.highest_promised().max(self.own.meta().promised);
        let epoch = Epoch { counter: highest.counter.saturating_add(1), node: self.node() };
        self.own.promise(epoch, plan.cluster);
        self.leadership.become_preparing(plan, epoch, self.config.group(epoch));
        let names = &self.config.followers;
        let older = self.leadership.older_groups().iter();
        let is_joint = !planted!(self.config, ChangeNotJoint);
        let joint = older.filter(|_| is_joint).map(|group| group.write_need(names)).collect();
        self.replication.set_joint(joint);
        self.links.iter_mut().for_each(|(_, link)| link.start_epoch());
        self.try_count_promises(now);
    }

    fn try_count_promises(&mut self, now: Time) {
        let cluster = self.own.meta().cluster;
        let candidates = self.answering(|answer| self.leadership.is_candidate(answer, cluster));
        if !self.leadership.is_enough(candidates) {
            return self.start_over(now, false);
        }
        if !self.own.has_meta() {
            return;
        }
        let (promised, next) = (self.promised_by(), self.next_attempt());
        if planted!(self.config, PromisesNotConfirmed) && self.leadership.is_enough(promised) {
            return self.promises_are_there(now, promised);
        }
        if let Some(members) = self.leadership.count_promises(promised, next) {
            self.promises_are_there(now, members);
        }
    }

    fn promises_are_there(&mut self, now: Time, members: FollowerSet) {
        self.leadership.rest_on(members);
        let path = self.leadership.path();
        let is_history = matches!(path, RecoveryPath::OwnLog | RecoveryPath::Union);
        if is_history && self.groups_have_changed() {
            self.start_over(now, false);
            return self.try_prepare(now);
        }
        match path {
            RecoveryPath::Bootstrap => self.build_from_own_state(now),
            RecoveryPath::OwnLog if self.somebody_else_may_have_led() => {
                self.leadership.refute_own_log();
                self.start_over(now, false);
                self.try_prepare(now);
            }
            RecoveryPath::OwnLog => self.build_from_own_log(now),
            RecoveryPath::Union | RecoveryPath::DataLoss => self.start_fetching(now),
        }
    }

    /// A follower has promised the leader's epoch.
    pub(super) fn on_promised(&mut self, follower: FollowerIndex, attempt: AttemptId, answer: Box<Standing>) {
        self.links[follower].become_promised(answer);
        self.leadership.note_promise(follower, attempt);
    }

    /// Whether those who promised know of a configuration that was not known when they were asked.
    fn groups_have_changed(&self) -> bool {
        let Some(Start::Preparing { known, .. }) = self.leadership.start() else { return false };
        let theirs = self.members().map(|(_, answer)| answer.groups.as_slice());
        in_force(&theirs.chain([known.as_slice()]).collect::<Vec<_>>()) != *known
    }

    /// Whether one of those who promised, or this node itself, has ever promised another node an epoch
    /// above the last one at which the own log was known to be complete.
    fn somebody_else_may_have_led(&self) -> bool {
        let meta = self.own.meta();
        let Some(known) = meta.authoritative else { return true };
        let foreign = self.members().map(|(_, answer)| answer.promised_other);
        foreign.chain([meta.promised_to_others_than(self.node())]).any(|epoch| epoch > known)
    }

    /// Those who promised are read; the first with the highest commit index gives the state.
    fn start_fetching(&mut self, now: Time) {
        let members: BTreeMap<_, _> = self.members().map(|(it, answer)| (it, answer.held.mark)).collect();
        self.leadership.become_fetching(Fetch::new(&members));
        self.try_build(now);
    }

    /// A part of what a follower has.
    pub(super) fn on_chunk(&mut self, now: Time, follower: FollowerIndex, state: bool, chunk: &Chunk) {
        let Some(fetch) = self.leadership.fetch_mut() else { return };
        if !state {
            fetch.take_pending(follower, chunk);
        } else if fetch.take_state(chunk).is_err() {
            self.link_failed(now, follower, LinkError::OtherEpoch);
        }
    }

    /// Goes on when everything has been read, and begins again when one of those it reads has gone.
    fn try_build(&mut self, now: Time) {
        let promised = self.links.select(Link::has_promised);
        if !self.leadership.members().is_subset(promised) {
            return self.start_over(now, false);
        }
        let is_full = self.own.is_full();
        let Some(fetch) = self.leadership.fetch_mut().filter(|it| it.is_done() && !is_full) else { return };
        let mut fetched = fetch.take();
        if self.leadership.path() == RecoveryPath::DataLoss && self.view().own_history().is_some() {
            self.add_own(&mut fetched);
        }
        self.build(now, fetched);
    }

    /// Those whose promises the epoch rests on, and their last answers.
    fn members(&self) -> impl Iterator<Item = (FollowerIndex, &Standing)> {
        self.links.answers().filter(|(follower, _)| self.leadership.members().contains(*follower))
    }

    /// Who waits or has promised, and has said something that is so.
    fn answering(&self, is_so: impl Fn(&Standing) -> bool) -> FollowerSet {
        self.links.select(|link| link.answer().is_some_and(&is_so))
    }

    /// Who has promised the current epoch.
    fn promised_by(&self) -> FollowerSet {
        let cluster = self.own.meta().cluster;
        let candidates = self.answering(|answer| self.leadership.is_candidate(answer, cluster));
        candidates & self.links.select(Link::has_promised)
    }

    /// For whom or what the start waits.
    pub(super) fn start_problem(&self) -> StartProblem {
        let needed = self.leadership.promises_needed();
        match self.leadership.start() {
            Some(Start::Preparing { .. }) => {
                StartProblem::Promises { promised: self.promised_by().len(), needed }
            }
            Some(Start::Fetching(fetch)) if fetch.is_done() => StartProblem::DiskFull,
            Some(Start::Fetching(fetch)) => StartProblem::Pulling { followers: fetch.waiting() },
            Some(Start::Recommitting { through }) => StartProblem::Behind {
                through: *through,
                level: self.caught_up().len(),
                needed: self.config.quorum.write().max(self.must_catch_up().len()),
            },
            Some(Start::Reconfiguring { needs, adopted, .. }) => {
                adoption_problem(needs, adopted.heard() & self.links.voters())
            }
            Some(Start::Discovering) | None => match plan(&self.view()) {
                Err(problem) => problem,
                Ok(_) => StartProblem::Promises { promised: 0, needed },
            },
        }
    }

    fn tell_problem(&mut self) {
        if !matches!(self.leadership.start(), Some(Start::Discovering)) {
            return;
        }
        // While the first answers are on their way there is nothing to tell.
        let is_told = self.links.missing().is_empty() || !self.links.select(Link::has_failed).is_empty();
        let Some(problem) = plan(&self.view()).err().filter(|_| is_told) else { return };
        if self.leadership.is_news(&problem) {
            self.tell(Event::Waiting { problem });
        }
    }

    /// What the plan of a start depends on.
    fn view(&self) -> View<'_> {
        let meta = self.own.meta();
        let own = Own {
            cluster: self.origin.cluster,
            groups: &meta.groups,
            is_authoritative: meta.authoritative.is_some(),
            is_refuted: self.leadership.is_own_log_refuted(),
            is_restored: self.origin.is_restored,
        };
        let followers = self.links.iter().map(|(_, link)| Seen {
            answer: link.answer(),
            is_tried: link.is_tried(),
            error: link.current_error(),
        });
        let followers = followers.collect();
        View { config: &self.config, drawn: self.origin.drawn, own, followers }
    }
}

/// Whose adoption of the leader's configuration it waits for.
fn adoption_problem(needs: &[Need], adopted: FollowerSet) -> StartProblem {
    let open = needs.iter().find(|need| !need.is_met(adopted)).or(needs.first());
    let (adopted, needed) = open.map_or((0, 0), |need| (need.among(adopted), need.count));
    StartProblem::Adopting { adopted, needed }
}
