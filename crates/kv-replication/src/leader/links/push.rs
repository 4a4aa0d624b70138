//! How a follower gets what it lacks: from the log, or by a snapshot.

use crate::leader::Leader;
use crate::leader::ids::AttemptId;
use crate::leader::links::error::LinkError;
use crate::leader::links::link::{Asked, Pushing};
use crate::leader::links::status::LinkState;
use crate::leader::output::Event;
use crate::leader::output::Output;
use crate::leader::phase::Phase;
use crate::protocol::message::{Held, Install, Refusal, Request};
use crate::protocol::range_set::RangeSet;
use crate::protocol::time::Time;

impl Leader {
    /// The follower has promised our epoch: it gets what it lacks.
    pub(in crate::leader) fn begin(&mut self, now: Time, follower: usize) {
        let (assigned, mark, epoch) = (self.log.last(), self.mark, self.epoch);
        let Some(link) = self.links.get_mut(follower) else { return };
        let mut is_full = false;
        if let Some(standing) = link.standing.take() {
            is_full = standing.held.disk_full;
            if is_full && standing.diverged.is_some() {
                // It takes not even marks before it has had a snapshot.
                return self.link_failed(now, follower, Refusal::DiskFull.into());
            }
            if standing.held.mark > assigned && standing.diverged.is_none() {
                let ahead = LinkError::Ahead { mark: standing.held.mark, assigned };
                return self.link_failed(now, follower, ahead);
            }
            let current = standing.held.promised == epoch;
            let held = if current { standing.held.ranges.clone() } else { RangeSet::new() };
            if standing.diverged.is_some() {
                link.pushing.get_or_insert(Pushing { base: mark, chunk: 0, after: None });
            }
            self.acknowledge(follower, held.iter());
            self.note_counting(follower, standing.held.counts);
        }
        if self.links.get(follower).is_some_and(|link| !link.counts) {
            self.start_refill(follower);
        }
        let Some(link) = self.links.get_mut(follower) else { return };
        link.next_mark = now;
        if is_full {
            return self.hold_back(now, follower);
        }
        if link.is_behind(&self.log) || link.pushing.is_some() {
            link.state = LinkState::Installing;
            link.down_seen = None;
            link.pushing.get_or_insert(Pushing { base: mark, chunk: 0, after: None });
        } else {
            link.start_streaming(&self.log);
        }
    }

    /// Sends the next chunk of the snapshot.
    pub(in crate::leader) fn push(&mut self, now: Time, follower: usize) {
        let limits = &self.config.limits;
        let Some(link) = self.links.get_mut(follower) else { return };
        let Some(Pushing { base, chunk, after }) = link.pushing.clone() else {
            return self.begin(now, follower);
        };
        if base + 1 < self.log.first() {
            link.pushing = None;
            return self.link_failed(now, follower, LinkError::SnapshotTooSlow);
        }
        let (mut entries, through) = (Vec::new(), self.newest_committed);
        let state = self.store.scan("", after.as_deref()).map(|(_, item)| item.entry);
        let last = crate::follower::snapshot::fill(
            &mut entries,
            state,
            limits.batch_entries_max,
            limits.batch_bytes_max,
        );
        let after = entries.last().and_then(|entry| entry.operation().key().map(str::to_owned)).or(after);
        self.send(now, follower, Asked::Install { after, last }, |head| {
            Some(Request::Install(Install { head: head?, base, chunk, last, through, entries }))
        });
    }

    /// A chunk has arrived.
    pub(in crate::leader) fn on_pushed(
        &mut self,
        now: Time,
        follower: usize,
        after: Option<String>,
        last: bool,
        held: &Held,
    ) {
        let Some(link) = self.links.get_mut(follower) else { return };
        let Some(pushing) = &mut link.pushing else { return };
        if !last && held.ranges.watermark() < pushing.base {
            pushing.chunk += 1;
            pushing.after = after;
            return;
        }
        link.pushing = None;
        self.acknowledge(follower, held.ranges.iter());
        self.begin(now, follower);
    }

    /// The follower does not know the snapshot that this chunk belongs to: it begins anew.
    pub(in crate::leader) fn push_again(&mut self, follower: usize) {
        let mark = self.mark;
        if let Some(link) = self.links.get_mut(follower) {
            link.pushing = Some(Pushing { base: mark, chunk: 0, after: None });
        }
    }

    /// The follower takes entries: people are told, once.
    pub(in crate::leader) fn announce(&mut self, follower: usize) {
        let serving = self.phase == Phase::Serving;
        let Some(link) = self.links.get_mut(follower) else { return };
        link.failures = 0;
        if serving && !link.announced && link.is_streaming() {
            link.announced = true;
            self.outputs.push_back(Output::Event(Event::LinkUp { follower }));
        }
    }

    /// The next attempt's name: requests from it on are sent later than now.
    pub(in crate::leader) fn next_attempt(&self) -> AttemptId {
        AttemptId(self.next_attempt)
    }
}
