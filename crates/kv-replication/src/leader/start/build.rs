//! The second half of a start: everything is written again under the new epoch, and the leader serves
//! when W followers hold it.

use std::collections::BTreeMap;

use kv_core::{Command, Entry, Store, Version};

use crate::durable::record::Record;
use crate::leader::Leader;
use crate::leader::links::link::Link;
use crate::leader::output::{Event, Output};
use crate::leader::phase::Phase;
use crate::leader::replication::log::Log;
use crate::leader::start::ask::Way;
use crate::protocol::time::Time;

impl Leader {
    /// The state and the log of the new epoch. What was there before is replaced, never merged.
    ///
    /// Everything up to the mark is in the state; it may show newer entries, which are committed too, up to
    /// `through`.
    pub(in crate::leader) fn build(
        &mut self,
        now: Time,
        state: Store,
        (mark, through): (Version, Version),
        union: &BTreeMap<Version, Entry>,
    ) {
        if self.config.durable {
            // Until it serves: a restart in between finds half of it, be it as a leader or as a follower.
            self.meta.authoritative = None;
            self.meta.counts = false;
            self.note_meta();
            // In one step: what was there before stays until all of the state is written, for it may be the
            // last copy of something. What is pending above gives way to the entries of this epoch.
            let entries = state.scan("", None).map(|(_, item)| item.entry.clone()).collect();
            self.note(Record::Replace { base: mark, through, entries });
        }
        self.note_new_log(mark);
        self.store = state;
        self.mark = mark;
        self.newest_committed = through;
        // Never below what the state shows: no version is given twice.
        let last = union.last_key_value().map_or(through, |(last, _)| (*last).max(through));
        let mut log = Log::after(mark);
        for version in mark + 1..=last {
            let entry = match union.get(&version) {
                Some(entry) => entry.rewritten(self.epoch),
                None => Command::no_op().into_entry(self.epoch, version),
            };
            self.note_entry(&entry);
            log.push(entry, None);
        }
        self.recover(now, log);
    }

    /// A new history begins: with what the own disk has, which is nothing, or what was restored there.
    pub(in crate::leader) fn build_from_own_state(&mut self, now: Time) {
        let (state, mark) = (std::mem::take(&mut self.store), self.mark);
        let tail = self.log.entries().filter(|entry| entry.version() > mark);
        let tail = tail.map(|entry| (entry.version(), entry.clone())).collect();
        self.build(now, state, (mark, self.newest_committed.max(mark)), &tail);
    }

    /// The own log has everything: its tail is written again under the new epoch.
    pub(in crate::leader) fn build_from_own_log(&mut self, now: Time) {
        self.meta.authoritative = Some(self.epoch);
        self.note_meta();
        let mut log = Log::after(self.log.first() - 1);
        for entry in self.log.entries() {
            let (version, entry) = (entry.version(), entry.rewritten(self.epoch));
            // What is committed is there for a follower that lacks it.
            if version <= self.mark { log.push_committed(entry) } else { log.push(entry, None) }
        }
        self.recover(now, log);
    }

    fn recover(&mut self, now: Time, log: Log) {
        self.log = log;
        self.start.through = self.log.last();
        self.phase = Phase::Recovering;
        for link in &mut self.links {
            link.line = Default::default(); // what is written again draws no delay
            link.ready = Default::default();
            link.pushing = None; // a snapshot of an earlier attempt has another base
        }
        for version in self.mark + 1..=self.log.last() {
            self.commit_if_held(version);
        }
        self.advance_mark();
        self.try_serve(now);
    }

    /// Who holds everything that was found, and counts.
    pub(in crate::leader) fn level(&self) -> u64 {
        let through = self.start.through;
        let is_level = |link: &Link| link.is_following() && link.acked.watermark() >= through;
        let level = self.counting().filter(|(_, link)| is_level(link));
        level.fold(0, |set, (follower, _)| set | (1 << follower))
    }

    /// Those who must be level before anything is written, so that this start need not be repeated with
    /// an operator's help if the leader stops soon: all whom it has made count. And all, if the group
    /// changes: each of them may be needed from then on.
    pub(in crate::leader) fn must_be_level(&self) -> u64 {
        let all = self.change.is_under_way();
        let members = (0..self.links.len()).filter(|follower| all || self.start.grants(*follower));
        members.fold(0, |set, follower| set | (1 << follower))
    }

    /// Goes on as soon as W followers hold everything.
    pub(in crate::leader) fn try_serve(&mut self, now: Time) {
        let (level, must) = (self.level(), self.must_be_level());
        let enough = self.is_met(level) && level & must == must;
        let own = self.holds(self.start.through) && self.mark >= self.start.through;
        if !enough || !own || !self.disk.has_meta() {
            return;
        }
        if self.change.is_under_way() { self.start_changing(now) } else { self.serve(now) }
    }

    pub(in crate::leader) fn serve(&mut self, now: Time) {
        self.phase = Phase::Serving;
        self.meta.authoritative = Some(self.epoch);
        self.meta.groups = std::sync::Arc::clone(&self.change.claimed);
        self.note_meta();
        if self.start.way != Way::OwnLog {
            // What its disk may still have of older epochs is no part of this. An own log still has its tail
            // there under the epochs that it had.
            self.note(Record::Void(self.epoch));
        }
        let (epoch, cluster, recovered) = (self.epoch, self.cluster(), self.start.through);
        self.outputs.push_back(Output::Event(Event::Serving { epoch, cluster, recovered }));
        for follower in 0..self.links.len() {
            if let Some(link) = self.links.get_mut(follower) {
                link.next_mark = now; // the news that older epochs are void
                link.announced = false;
            }
            self.announce(follower);
        }
    }
}
