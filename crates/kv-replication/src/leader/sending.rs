//! What the leader sends to one follower next.

use std::sync::Arc;

use kv_core::Entry;

use super::links::attempt::Asked;
use super::links::status::LinkState;
use super::machine::Leader;
use super::output::Output;
use super::start::leadership::Start;
use crate::protocol::chunk::fill;
use crate::protocol::follower_set::FollowerIndex;
use crate::protocol::message::{Append, Claim, Head, Install, Part, Pull, Request};
use crate::protocol::range_set::RangeSet;
use crate::protocol::time::Time;

impl Leader {
    /// What one link has to send now.
    pub(super) fn poll_link(&mut self, now: Time, follower: FollowerIndex) {
        let link = &mut self.links[follower];
        link.progress_mut().release_due(now);
        if self.leadership.deposed_by().is_some() {
            return;
        }
        match link.state() {
            LinkState::Streaming => {
                if link.in_flight() < self.config.limits.requests_in_flight_max {
                    self.stream(now, follower);
                }
            }
            LinkState::Full => {
                if link.is_mark_due(now) {
                    self.append(now, follower, Vec::new(), RangeSet::new());
                }
            }
            LinkState::Installing => {
                if link.is_idle() {
                    self.install(now, follower);
                }
            }
            LinkState::Down { retry_at } => {
                if retry_at <= now {
                    link.become_probing();
                    self.probe(now, follower);
                }
            }
            LinkState::Probing => {}
            LinkState::Waiting => self.poll_waiting(now, follower),
            LinkState::Claiming => self.poll_preparing(now, follower),
        }
    }

    /// What goes to a follower that has answered, and waits.
    fn poll_waiting(&mut self, now: Time, follower: FollowerIndex) {
        if self.wants_promise(follower) {
            self.prepare(now, follower);
        } else if self.links[follower].is_probe_due(now) {
            self.probe(now, follower); // what it said may be old news
        }
    }

    /// What goes to a follower that is asked for its promise, or has given it.
    fn poll_preparing(&mut self, now: Time, follower: FollowerIndex) {
        if !self.links[follower].is_idle() {
            return;
        }
        if self.wants_promise(follower) {
            self.prepare(now, follower);
        } else if let Some(Start::Fetching(_)) = self.leadership.start() {
            self.pull(now, follower);
        } else if self.leadership.has_recovered() {
            self.begin(now, follower);
            self.poll_link(now, follower);
        }
    }

    /// Whether the follower is to be asked for its promise now.
    fn wants_promise(&self, follower: FollowerIndex) -> bool {
        let link = &self.links[follower];
        if !self.own.has_meta() || !link.is_idle() {
            return false; // the leader has not promised its own epoch yet
        }
        let is_waiting = link.state() == LinkState::Waiting;
        match self.leadership.start() {
            Some(Start::Preparing { .. }) if is_waiting => {
                let cluster = self.own.meta().cluster;
                link.answer().is_some_and(|answer| self.leadership.is_candidate(answer, cluster))
            }
            Some(Start::Preparing { promises, .. }) => promises.asks_again(follower),
            _ => is_waiting && self.leadership.has_recovered(),
        }
    }

    fn stream(&mut self, now: Time, follower: FollowerIndex) {
        let link = &mut self.links[follower];
        let log = self.replication.log();
        if link.progress().first_ready().is_some_and(|first| first < log.first()) {
            self.begin(now, follower); // what it lacks has left the log
            return self.poll_link(now, follower);
        }
        match link.progress_mut().next_batch(log, &self.config.limits) {
            Some((entries, versions)) => self.append(now, follower, entries, versions),
            None if link.is_mark_due(now) => self.append(now, follower, Vec::new(), RangeSet::new()),
            None => {}
        }
    }

    fn probe(&mut self, now: Time, follower: FollowerIndex) {
        self.send(now, follower, Asked::Probe, |_| Some(Request::Probe));
    }

    fn prepare(&mut self, now: Time, follower: FollowerIndex) {
        self.links[follower].become_preparing();
        let groups = Arc::clone(self.leadership.groups());
        let renames = self.leadership.renames();
        self.send(now, follower, Asked::Prepare, |head| {
            Some(Request::Claim(Claim { head: head?, renames, groups }))
        });
    }

    fn append(&mut self, now: Time, follower: FollowerIndex, entries: Vec<Entry>, versions: RangeSet) {
        let counted = self.links[follower].note_append(now + self.config.timing.mark_interval);
        let (stage, mark) = (self.leadership.stage(), self.replication.mark());
        self.send(now, follower, Asked::Append(versions), |head| {
            Some(Request::Append(Append { head: head?, stage, counted, mark, entries }))
        });
    }

    /// Sends the next chunk of the snapshot.
    fn install(&mut self, now: Time, follower: FollowerIndex) {
        let Some(transfer) = self.links[follower].transfer().cloned() else {
            return self.begin(now, follower);
        };
        if transfer.base + 1 < self.replication.log().first() {
            return self.lose_transfer(now, follower);
        }
        let (base, chunk, after) = (transfer.base, transfer.chunk, transfer.after);
        let (mut entries, through) = (Vec::new(), self.replication.newest_committed());
        let state = self.replication.store().scan("", after.as_deref()).map(|(_, item)| item.entry);
        let limits = &self.config.limits;
        let last = fill(&mut entries, state, limits.batch_entries_max, limits.batch_bytes_max);
        let after = entries.last().and_then(|entry| entry.operation().key().map(str::to_owned)).or(after);
        self.send(now, follower, Asked::Install { after, last }, |head| {
            Some(Request::Install(Install { head: head?, base, chunk, last, through, entries }))
        });
    }

    /// Asks for the next part of what the follower has.
    fn pull(&mut self, now: Time, follower: FollowerIndex) {
        let Some(Start::Fetching(fetch)) = self.leadership.start() else { return };
        let Some(part) = fetch.next_part(follower) else { return };
        let state = matches!(part, Part::State { .. });
        self.send(now, follower, Asked::Pull { state }, |head| {
            Some(Request::Pull(Pull { head: head?, part }))
        });
    }

    fn send(
        &mut self,
        now: Time,
        follower: FollowerIndex,
        asked: Asked,
        request: impl FnOnce(Option<Head>) -> Option<Request>,
    ) {
        let (cluster, epoch) = (self.cluster(), self.leadership.epoch());
        let head = self.links[follower].identity().map(|to| Head { to, cluster, epoch });
        let Some(request) = request(head) else { return };
        let attempt = self.take_attempt();
        let deadline = now + self.config.timing.replication_timeout;
        self.links[follower].start_attempt(attempt, deadline, asked);
        self.outputs.push_back(Output::Send { attempt, follower: follower.get(), request });
    }
}
