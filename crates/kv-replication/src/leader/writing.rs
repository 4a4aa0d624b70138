//! A write from its arrival to its version, and its answer if time runs out. `committing` has what comes between.

use super::ids::WriteId;
use super::links::health::Health;
use super::machine::Leader;
use super::output::{Committed, Event, Output};
use super::problem::WriteError;
use super::replication::log::Waiter;
use super::writes::admission::{Admission, Verdict};
use super::writes::open::{Wanted, WriteState};
use crate::protocol::time::Time;

impl Leader {
    /// A new write.
    pub(super) fn admit(&mut self, now: Time, id: WriteId, wanted: Wanted, deadline: Time) {
        if deadline <= now {
            // Too late for a version, which could only end as unknown.
            self.writes.add(id, WriteState::Parked(wanted), deadline);
            return self.answer_late(id);
        }
        if self.writes.len() >= self.config.limits.writes_in_flight_max {
            return self.answer(id, Err(WriteError::Overloaded { limit: "writes_in_flight_max" }));
        }
        let parked_bytes = self.writes.parked_bytes() + wanted.command.frame_bytes();
        match self.judge(now, wanted.acks) {
            Verdict::Admit => self.assign(now, id, wanted, deadline),
            Verdict::Park if parked_bytes > self.config.limits.parked_bytes_max => {
                self.answer(id, Err(WriteError::Overloaded { limit: "parked_bytes_max" }));
            }
            Verdict::Park => {
                self.writes.add(id, WriteState::Parked(wanted), deadline);
                self.ask_again(now);
            }
            Verdict::Refuse(error) => self.answer(id, Err(error)),
        }
    }

    /// The followers have changed: what was parked may be decided now.
    pub(super) fn unpark(&mut self, now: Time) {
        while let Some(id) = self.writes.first_parked() {
            let acks = self.writes.acks_wanted(id).unwrap_or(0);
            match self.judge(now, acks) {
                Verdict::Park => return self.ask_again(now),
                Verdict::Admit => {
                    if let Some((WriteState::Parked(wanted), deadline)) = self.writes.remove(id) {
                        self.assign(now, id, wanted, deadline);
                    }
                }
                Verdict::Refuse(error) => {
                    self.writes.remove(id);
                    self.answer(id, Err(error));
                }
            }
        }
    }

    /// From now on there are no new writes; those that have a version go on.
    pub(super) fn drain(&mut self) {
        self.draining = true;
        while let Some(id) = self.writes.first_parked() {
            self.writes.remove(id);
            self.answer(id, Err(WriteError::Draining));
        }
    }

    /// The deadline of a write has come before its decision.
    pub(super) fn answer_late(&mut self, id: WriteId) {
        let Some((state, _)) = self.writes.remove(id) else {
            return;
        };
        let write = self.config.quorum.write();
        let error = match (state, self.leadership.deposed_by()) {
            (WriteState::Assigned(version), _) => {
                let (acks, required) = self.replication.give_up(version);
                WriteError::Unknown { version, acks, required }
            }
            (WriteState::Parked(_), Some(by)) => WriteError::Deposed { by, required: write },
            (WriteState::Parked(wanted), None) if self.leadership.leads() => {
                WriteError::NoQuorum { up: self.links.up(), required: write.max(wanted.acks) }
            }
            (WriteState::Parked(_), None) => WriteError::Recovering(self.start_problem()),
        };
        self.answer(id, Err(error));
    }

    pub(super) fn answer(&mut self, id: WriteId, result: Result<Committed, WriteError>) {
        self.outputs.push_back(Output::Answer { id, result });
    }

    /// Its own disk has run full, or has space again.
    pub(super) fn on_own_disk(&mut self, now: Time, full: bool) {
        if self.own.set_full(full) {
            self.tell(Event::DiskFull { full });
        }
        self.go_on(now); // what is parked is refused, and a start that has waited for space goes on
    }

    /// Gives the write its version and puts it on the wire to every follower.
    fn assign(&mut self, now: Time, id: WriteId, wanted: Wanted, deadline: Time) {
        let version = self.replication.log().last() + 1;
        let entry = wanted.command.into_entry(self.leadership.epoch(), version);
        self.own.note_entry(&entry);
        self.replication.push(entry, Some(Waiter { id, acks: wanted.acks }));
        self.writes.add(id, WriteState::Assigned(version), deadline);
        let delays = self.config.delays;
        for (follower, link) in self.links.iter_mut() {
            let due = (!delays.is_none()).then(|| now + delays.delay(follower.get(), version));
            link.progress_mut().enqueue(version, due);
        }
        self.replication.commit_if_held(version);
        self.settle();
        self.cut_log();
    }

    /// What a new write would meet now.
    fn judge(&self, now: Time, acks: usize) -> Verdict {
        let admission = Admission {
            config: &self.config,
            leadership: &self.leadership,
            replication: &self.replication,
            links: &self.links,
            is_draining: self.draining,
            is_disk_full: self.own.is_full(),
            now,
        };
        admission.judge(acks, || self.start_problem())
    }

    /// Old news of a follower's failure decides nothing: it is asked at once.
    fn ask_again(&mut self, now: Time) {
        let news_age_max = self.config.timing.news_age_max;
        let is_old = |health: &Health| health.down_seen().is_some_and(|seen| now.since(seen) > news_age_max);
        let links = self.links.iter_mut().filter(|(_, link)| is_old(link.health()));
        links.for_each(|(_, link)| link.ask_again(now));
    }
}
