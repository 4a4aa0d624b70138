//! The second half of a start: what was found is written again under the new epoch, and the leader serves when
//! its followers hold it.

use super::machine::Leader;
use super::output::Event;
use super::replication::log::Log;
use super::start::build::{log_above, own_log_again};
use super::start::fetch::{Fetched, State};
use super::start::leadership::Start;
use super::start::plan::RecoveryPath;
use crate::protocol::follower_set::FollowerSet;
use crate::protocol::group::Group;
use crate::protocol::time::Time;

impl Leader {
    /// When losses are accepted, what the own disk has is no less than what a follower has.
    pub(super) fn add_own(&mut self, fetched: &mut Fetched) {
        self.replication.log().entries().for_each(|entry| fetched.add(entry));
        if self.replication.mark() > fetched.mark() {
            fetched.set_state(self.take_own_state());
        }
    }

    /// A new history begins: with what the own disk has, which is nothing, or what was restored there.
    pub(super) fn build_from_own_state(&mut self, now: Time) {
        let tail: Vec<_> = self.replication.tail().cloned().collect();
        let fetched = Fetched::of(self.take_own_state(), tail.into_iter());
        self.build(now, fetched);
    }

    fn take_own_state(&mut self) -> State {
        let (mark, through) = (self.replication.mark(), self.replication.newest_committed());
        State { mark, through, store: self.replication.take_store() }
    }

    /// The state and the log of the new epoch. What was there before is replaced, never merged.
    ///
    /// Everything up to the commit index is in the state; it may show newer entries, which are committed too, up
    /// to `through`.
    pub(super) fn build(&mut self, now: Time, fetched: Fetched) {
        let (State { mark, through, store }, union) = fetched.into_parts();
        let through = through.max(mark);
        self.own.replace_state(mark, through, || {
            store.scan("", None).map(|(_, item)| item.entry.clone()).collect()
        });
        self.own.start_log(mark);
        let log = log_above(mark, through, &union, self.leadership.epoch());
        log.entries().for_each(|entry| self.own.note_entry(entry));
        self.replication.replace_state(store, mark, through);
        self.recommit(now, log);
    }

    /// The own log has everything: its tail is written again under the new epoch.
    pub(super) fn build_from_own_log(&mut self, now: Time) {
        let epoch = self.leadership.epoch();
        self.own.note_authoritative(epoch);
        let log = own_log_again(self.replication.log(), self.replication.mark(), epoch);
        self.recommit(now, log);
    }

    fn recommit(&mut self, now: Time, log: Log) {
        self.leadership.become_recommitting(log.last());
        self.replication.replace_log(log);
        self.links.iter_mut().for_each(|(_, link)| link.start_log());
        self.replication.note_own_copy(self.own.held_through());
        self.replication.commit_tail();
        self.settle();
        self.try_serve(now);
    }

    /// Who holds everything that was found, and is a voter.
    pub(super) fn caught_up(&self) -> FollowerSet {
        let through = self.leadership.recovered_through();
        self.links.select(|link| link.is_voter() && link.is_following() && link.watermark() >= through)
    }

    /// Those who must be caught up before anything is written, so that this start need not be repeated with
    /// an operator's help if the leader stops soon: all whom it has made voters. And all, if the configuration
    /// changes: each of them may be needed from then on.
    pub(super) fn must_catch_up(&self) -> FollowerSet {
        if self.leadership.is_reconfiguration() { self.links.all() } else { self.leadership.granted() }
    }

    /// Goes on as soon as W followers hold everything.
    pub(super) fn try_serve(&mut self, now: Time) {
        let (caught_up, must) = (self.caught_up(), self.must_catch_up());
        let through = self.leadership.recovered_through();
        let own = self.replication.holds(through) && self.replication.mark() >= through;
        let enough = self.replication.is_met(caught_up) && must.is_subset(caught_up);
        if !enough || !own || !self.own.has_meta() {
            return;
        }
        if self.leadership.is_reconfiguration() { self.reconfigure(now) } else { self.serve(now) }
    }

    /// All followers are caught up: they are to adopt the leader's configuration.
    fn reconfigure(&mut self, now: Time) {
        let names = &self.config.followers;
        let older = self.leadership.older_groups().iter();
        let needs = older.map(|group: &Group| group.change_need(names)).collect();
        self.leadership.become_reconfiguring(needs, self.next_attempt());
        self.own.adopt(self.leadership.groups().clone());
        self.links.iter_mut().for_each(|(_, link)| link.hurry(now));
        self.try_complete(now);
    }

    /// Serves as soon as enough followers of each older configuration have adopted the leader's.
    pub(super) fn try_complete(&mut self, now: Time) {
        let Some(Start::Reconfiguring { needs, adopted, .. }) = self.leadership.start() else { return };
        let adopted = adopted.heard() & self.links.voters();
        if self.own.has_meta() && needs.iter().all(|need| need.is_met(adopted)) {
            self.serve(now);
        }
    }

    fn serve(&mut self, now: Time) {
        let recovered = self.leadership.recovered_through();
        self.leadership.become_leading();
        self.replication.set_joint(Vec::new());
        let epoch = self.leadership.epoch();
        self.own.lead(epoch, self.leadership.groups().clone());
        if self.leadership.path() != RecoveryPath::OwnLog {
            // What its disk may still have of older epochs is no part of this. An own log still has its tail
            // there under the epochs that it had.
            self.own.void_others(epoch);
        }
        self.tell(Event::Serving { epoch, cluster: self.cluster(), recovered });
        for follower in self.links.indices() {
            // The news that older epochs are void.
            if self.links[follower].note_leading(now) {
                self.tell(Event::LinkUp { follower: follower.get() });
            }
        }
    }
}
