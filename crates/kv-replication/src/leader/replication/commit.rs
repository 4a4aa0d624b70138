//! From a version to a commit.

use std::ops::RangeInclusive;

use kv_core::Version;

use crate::leader::Leader;
use crate::leader::ids::WriteId;
use crate::leader::links::link::Link;
use crate::leader::output::Committed;
use crate::leader::problem::WriteError;
use crate::leader::writes::open::{Stage, Wanted};
use crate::protocol::time::Time;
use crate::testing::planted::planted;

/// Entries that leave the log at one time, unless it is over its hard limit. What was kept for a follower
/// goes in many steps once that follower no longer needs it: no write waits until all of it is freed.
const CUT_ENTRIES_MAX: usize = 1_024;

impl Leader {
    /// Gives the write its version and puts it on the wire to every follower.
    pub(in crate::leader) fn assign(&mut self, now: Time, id: WriteId, wanted: Wanted, deadline: Time) {
        let version = self.log.last() + 1;
        let entry = wanted.command.into_entry(self.epoch, version);
        self.note_entry(&entry);
        self.log.push(entry, Some((id, wanted.acks)));
        self.writes.add(id, Stage::Assigned(version), deadline);
        let delays = self.config.delays;
        for (follower, link) in self.links.iter_mut().enumerate() {
            if delays.is_none() {
                link.ready.insert(version);
            } else {
                link.line.push(now + delays.delay(follower, version), version);
            }
        }
        self.commit_if_held(version);
        self.advance_mark();
        self.truncate_log();
    }

    /// The follower holds these versions under our epoch.
    pub(in crate::leader) fn acknowledge(
        &mut self,
        follower: usize,
        held: impl Iterator<Item = RangeInclusive<Version>>,
    ) {
        for range in held {
            let clipped = *range.start()..=(*range.end()).min(self.log.last());
            let Some(link) = self.links.get_mut(follower) else {
                return;
            };
            let news: Vec<_> = link.acked.gaps(clipped.clone()).collect();
            link.acked.insert_range(clipped.clone());
            link.ready.remove_range(clipped);
            if !link.counts {
                continue;
            }
            for gap in news {
                for version in (*gap.start()).max(self.log.first())..=*gap.end() {
                    self.count_ack(follower, version);
                }
            }
        }
        self.advance_mark();
        self.note_lag(follower);
    }

    /// The follower is not what it was: what it acknowledged no longer counts where it still matters.
    pub(in crate::leader) fn withdraw_acks(&mut self, follower: usize) {
        let Some(link) = self.links.get_mut(follower) else { return };
        link.acked = Default::default();
        link.identity = None; // it is asked again before anything else
        link.counts = false;
        link.claimed = false;
        link.granted = false;
        link.refill = None;
        link.pushing = None;
        link.is_lost = false; // nobody knows
        self.forget_adopted(follower);
        self.forget_member(follower);
        for version in self.mark + 1..=self.log.last() {
            if let Some(slot) = self.log.get_mut(version).filter(|slot| !slot.committed) {
                slot.acks &= !(1 << follower);
            }
        }
    }

    /// The outcome of a write that has a version, but no decision.
    pub(in crate::leader) fn unknown(&mut self, version: Version) -> WriteError {
        let mut required = self.config.quorum.write();
        let acks = self.log.get_mut(version).map_or(0, |slot| {
            required = slot.waiter.take().map_or(required, |(_, wanted)| wanted);
            slot.acks.count_ones() as usize
        });
        WriteError::Unknown { version, acks, required }
    }

    /// The follower, which counts, holds `version` under our epoch.
    pub(in crate::leader) fn count_ack(&mut self, follower: usize, version: Version) {
        if let Some(slot) = self.log.get_mut(version) {
            slot.acks |= 1 << follower;
            self.commit_if_held(version);
        }
    }

    /// Commits `version` as soon as W followers and the leader itself hold it.
    pub(in crate::leader) fn commit_if_held(&mut self, version: Version) {
        let Some(slot) = self.log.get(version) else { return };
        let (acks, committed) = (slot.acks, slot.committed);
        if !self.holds(version) {
            return;
        }
        if !committed && self.is_met(acks) {
            self.commit(version);
        }
        self.answer_if_met(version);
    }

    /// Answers the write as soon as it has the acknowledgements that it wants; more than W come after the
    /// commit, and fewer before it.
    fn answer_if_met(&mut self, version: Version) {
        let write = self.config.quorum.write();
        let Some(slot) = self.log.get_mut(version) else { return };
        let acks = slot.acks.count_ones() as usize;
        let committed = slot.committed;
        let is_met = |(_, wanted): &mut (WriteId, usize)| acks >= *wanted && (committed || *wanted < write);
        if let Some((id, _)) = slot.waiter.take_if(is_met) {
            let entry = slot.entry.clone();
            self.writes.remove(id);
            self.answer(id, Ok(Committed { entry, acks }));
        }
    }

    /// W followers have it, and so has the leader: readable, and answered.
    fn commit(&mut self, version: Version) {
        let Some(slot) = self.log.get_mut(version) else {
            return;
        };
        slot.committed = true;
        self.newest_committed = self.newest_committed.max(version);
        self.store.apply(&slot.entry);
        #[cfg(feature = "simulator")]
        self.commits.push((slot.entry.clone(), slot.acks));
    }

    pub(in crate::leader) fn advance_mark(&mut self) {
        let before = self.mark;
        while self.log.get(self.mark + 1).is_some_and(|slot| slot.committed) {
            self.mark += 1;
        }
        if self.mark > before {
            self.store.prune(self.mark);
        }
        if self.mark > before || self.log_is_cut {
            self.truncate_log();
        }
    }

    /// Since when the follower lacks something that is committed.
    fn note_lag(&mut self, follower: usize) {
        let (mark, now) = (self.mark, self.now);
        let Some(link) = self.links.get_mut(follower) else { return };
        if link.acked.watermark() >= mark {
            link.behind_since = None;
        } else {
            link.behind_since.get_or_insert(now);
        }
    }

    /// Lets committed entries go, the oldest first, while the log is over its limit. What a follower
    /// that is up, or is on its way there by a snapshot, still lacks stays longer, up to the hard limit,
    /// and so does what a write that wants more than W acknowledgements waits for.
    fn truncate_log(&mut self) {
        let cut = if planted!(self.config, LogCutAboveMark) { self.log.last() } else { self.mark };
        let limits = &self.config.limits;
        let mut left = CUT_ENTRIES_MAX;
        self.log_is_cut = false;
        while self.log.len() > limits.log_entries_max || self.log.bytes() > limits.log_bytes_max {
            let oldest = self.log.first();
            let lacking = |link: &Link| match &link.pushing {
                Some(pushing) => oldest > pushing.base,
                None => link.is_streaming() && !link.acked.contains(oldest),
            };
            let kept = self.log.len() <= limits.log_entries_hard_max
                && self.log.bytes() <= limits.log_bytes_hard_max;
            let awaited = self.log.get(oldest).is_some_and(|slot| slot.waiter.is_some());
            if kept && (awaited || self.links.iter().any(lacking)) {
                break;
            }
            self.log_is_cut = kept && left == 0;
            if self.log_is_cut || !self.log.pop_committed(cut) {
                break;
            }
            left = left.saturating_sub(1);
        }
    }
}
