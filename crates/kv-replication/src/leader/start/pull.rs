//! How a leader reads what its followers have: the state of the one with the highest mark, and of all
//! of them what lies above it.

use std::collections::BTreeMap;

use kv_core::{Entry, Store, Version};

use crate::leader::Leader;
use crate::leader::links::error::LinkError;
use crate::leader::links::link::Asked;
use crate::leader::links::link::Link;
use crate::leader::phase::Phase;
use crate::leader::start::ask::Way;
use crate::protocol::message::{Chunk, Part, Pull, Request};
use crate::protocol::time::Time;

/// What has been read so far.
#[derive(Debug, Default)]
pub(in crate::leader) struct Pulls {
    /// Whom the state is read from, and up to which mark it goes.
    source: usize,
    mark: Version,
    /// Nothing in the state is above this version.
    through: Version,
    /// The last key that was read; nothing is left to read once `state_done`.
    after: Option<String>,
    state_done: bool,
    state: Store,
    /// By follower: how far its pending entries have been read; none once all are.
    pending: BTreeMap<usize, Version>,
    /// Of each version the entry of the highest epoch.
    union: BTreeMap<Version, Entry>,
}

impl Pulls {
    pub(in crate::leader) fn are_done(&self) -> bool {
        self.state_done && self.pending.is_empty()
    }

    /// From whom there is more to read.
    pub(in crate::leader) fn waiting(&self) -> Vec<usize> {
        let source = Some(self.source).filter(|_| !self.state_done);
        let mut followers: Vec<usize> = self.pending.keys().copied().chain(source).collect();
        followers.sort_unstable();
        followers.dedup();
        followers
    }
}

impl Leader {
    /// Those who promised are read; the first with the highest mark gives the state.
    pub(in crate::leader) fn start_pulling(&mut self, now: Time) {
        let members: BTreeMap<usize, Version> = self
            .links
            .iter()
            .enumerate()
            .filter(|(follower, _)| self.start.members & (1 << follower) != 0)
            .filter_map(|(follower, link)| Some((follower, link.answered()?.held.mark)))
            .collect();
        let mark = members.values().copied().max().unwrap_or(0);
        let source = members.iter().find(|(_, its)| **its == mark).map_or(0, |(follower, _)| *follower);
        let pending = members.into_keys().map(|follower| (follower, mark)).collect();
        let nothing = self.start.members == 0;
        self.start.pulls = Pulls { source, mark, pending, state_done: nothing, ..Pulls::default() };
        self.phase = Phase::Pulling;
        self.try_build(now);
    }

    /// Asks one follower for the next part.
    pub(in crate::leader) fn pull(&mut self, now: Time, follower: usize) {
        let pulls = &self.start.pulls;
        let (part, state) = if follower == pulls.source && !pulls.state_done {
            (Part::State { after: pulls.after.clone() }, true)
        } else if let Some(after) = pulls.pending.get(&follower) {
            (Part::Pending { after: *after }, false)
        } else {
            return;
        };
        self.send(now, follower, Asked::Pull { state }, |head| {
            Some(Request::Pull(Pull { head: head?, part }))
        });
    }

    pub(in crate::leader) fn on_chunk(&mut self, now: Time, follower: usize, state: bool, chunk: &Chunk) {
        let pulls = &mut self.start.pulls;
        if state {
            if chunk.mark != pulls.mark {
                // Only a higher epoch can have moved it: what was read does not belong together.
                return self.link_failed(now, follower, LinkError::OtherEpoch);
            }
            pulls.through = pulls.through.max(chunk.through);
            chunk.entries.iter().for_each(|entry| _ = pulls.state.apply(entry));
            pulls.after = chunk.entries.last().and_then(|entry| entry.operation().key().map(str::to_owned));
            pulls.state_done = chunk.done;
            return;
        }
        for entry in &chunk.entries {
            let known = pulls.union.get(&entry.version());
            if known.is_none_or(|known| known.epoch() < entry.epoch()) {
                pulls.union.insert(entry.version(), entry.clone());
            }
        }
        match chunk.entries.last().filter(|_| !chunk.done) {
            Some(last) => _ = pulls.pending.insert(follower, last.version()),
            None => _ = pulls.pending.remove(&follower),
        }
    }

    /// Goes on when everything has been read, and begins again when one of those it reads has gone.
    pub(in crate::leader) fn try_build(&mut self, now: Time) {
        let members = self.start.members;
        let gone = |(follower, link): (usize, &Link)| members & (1 << follower) != 0 && !link.claimed;
        if self.links.iter().enumerate().any(gone) {
            return self.start_over(now, false);
        }
        if self.start.pulls.are_done() && !self.disk.is_full() {
            let mut pulls = std::mem::take(&mut self.start.pulls);
            if self.start.way == Way::Loss && self.own_is_whole() {
                self.add_own(&mut pulls);
            }
            let Pulls { mark, through, mut state, union, .. } = pulls;
            state.prune(mark);
            self.build(now, state, (mark, through.max(mark)), &union);
        }
    }

    /// When losses are accepted, what the own disk has is no less than what a follower has.
    fn add_own(&mut self, pulls: &mut Pulls) {
        for entry in self.log.entries() {
            let known = pulls.union.get(&entry.version());
            if known.is_none_or(|known| known.epoch() < entry.epoch()) {
                pulls.union.insert(entry.version(), entry.clone());
            }
        }
        if self.mark > pulls.mark {
            (pulls.mark, pulls.through) = (self.mark, self.newest_committed);
            pulls.state = std::mem::take(&mut self.store);
        }
    }
}
