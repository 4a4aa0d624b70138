//! Whether a write gets a version, and what it is told if time runs out.

use kv_core::{Epoch, VERSION_MAX};

use crate::leader::Leader;
use crate::leader::ids::WriteId;
use crate::leader::links::link::Link;
use crate::leader::links::status::LinkState;
use crate::leader::output::Committed;
use crate::leader::output::Output;
use crate::leader::phase::Phase;
use crate::leader::problem::{StartProblem, WriteError};
use crate::leader::writes::open::{Stage, Wanted};
use crate::protocol::time::Time;

enum Verdict {
    Admit,
    /// Not to be decided yet.
    Park,
    Refuse(WriteError),
}

impl Leader {
    /// A new write: all that can refuse it is looked at before anything changes.
    pub(in crate::leader) fn admit(&mut self, now: Time, id: WriteId, wanted: Wanted, deadline: Time) {
        if deadline <= now {
            // Too late for a version, which could only end as unknown.
            self.writes.add(id, Stage::Parked(wanted), deadline);
            return self.answer_late(id);
        }
        if self.writes.len() >= self.config.limits.writes_in_flight_max {
            return self.answer(id, Err(WriteError::Overloaded { limit: "writes_in_flight_max" }));
        }
        match self.judge(now, wanted.acks) {
            Verdict::Admit => self.assign(now, id, wanted, deadline),
            Verdict::Park
                if self.writes.parked_bytes() + wanted.command.frame_bytes()
                    > self.config.limits.parked_bytes_max =>
            {
                self.answer(id, Err(WriteError::Overloaded { limit: "parked_bytes_max" }));
            }
            Verdict::Park => {
                self.writes.add(id, Stage::Parked(wanted), deadline);
                self.ask_again(now);
            }
            Verdict::Refuse(error) => self.answer(id, Err(error)),
        }
    }

    /// The followers have changed: what was parked may be decided now.
    pub(in crate::leader) fn unpark(&mut self, now: Time) {
        while let Some(id) = self.writes.first_parked() {
            let acks = self.writes.acks_wanted(id).unwrap_or(0);
            match self.judge(now, acks) {
                Verdict::Park => return self.ask_again(now),
                Verdict::Admit => {
                    if let Some((Stage::Parked(wanted), deadline)) = self.writes.remove(id) {
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
    pub(in crate::leader) fn drain(&mut self) {
        self.draining = true;
        while let Some(id) = self.writes.first_parked() {
            self.writes.remove(id);
            self.answer(id, Err(WriteError::Draining));
        }
    }

    /// The deadline of a write has come before its decision.
    pub(in crate::leader) fn answer_late(&mut self, id: WriteId) {
        let Some((stage, _)) = self.writes.remove(id) else {
            return;
        };
        let error = match (stage, self.phase) {
            (Stage::Assigned(version), _) => self.unknown(version),
            (Stage::Parked(wanted), Phase::Serving) => {
                self.no_quorum(self.config.quorum.write().max(wanted.acks))
            }
            (Stage::Parked(_), Phase::Deposed { by }) => self.deposed(by),
            (Stage::Parked(_), _) => WriteError::Recovering(self.start_problem()),
        };
        self.answer(id, Err(error));
    }

    pub(in crate::leader) fn answer(&mut self, id: WriteId, result: Result<Committed, WriteError>) {
        self.outputs.push_back(Output::Answer { id, result });
    }

    /// What a new write would meet now.
    fn judge(&self, now: Time, acks: usize) -> Verdict {
        if self.draining {
            return Verdict::Refuse(WriteError::Draining);
        }
        match self.phase {
            Phase::Deposed { by } => return Verdict::Refuse(self.deposed(by)),
            _ if self.disk.is_full() => return Verdict::Refuse(WriteError::DiskFull),
            Phase::Asking | Phase::Claiming | Phase::Pulling | Phase::Recovering | Phase::Changing => {
                return match self.start_problem() {
                    // Waiting alone will not change these.
                    problem @ (StartProblem::Unfit { .. }
                    | StartProblem::Restored { .. }
                    | StartProblem::TwoHistories { .. }
                    | StartProblem::TooFewStay { .. }
                    | StartProblem::TooManyChanges { .. }) => {
                        Verdict::Refuse(WriteError::Recovering(problem))
                    }
                    _ => Verdict::Park,
                };
            }
            Phase::Serving => {}
        }
        if let Some(limit) = self.limit_reached() {
            return Verdict::Refuse(WriteError::Overloaded { limit });
        }
        let required = self.config.quorum.write().max(acks);
        if self.up() >= required {
            return Verdict::Admit;
        }
        let news_age_max = self.config.timing.news_age_max;
        let known_down = |link: &&Link| {
            !link.is_up() && link.down_seen.is_some_and(|seen| now.since(seen) <= news_age_max)
        };
        let maybe_up = self.links.len() - self.links.iter().filter(known_down).count();
        if maybe_up >= required { Verdict::Park } else { Verdict::Refuse(self.no_quorum(required)) }
    }

    /// Old news of a follower's failure decides nothing: it is asked at once.
    fn ask_again(&mut self, now: Time) {
        let news_age_max = self.config.timing.news_age_max;
        for link in &mut self.links {
            let old = link.down_seen.is_some_and(|seen| now.since(seen) > news_age_max);
            match link.state {
                LinkState::Down { .. } if old => link.state = LinkState::Down { retry_at: now },
                LinkState::Full if old => link.next_mark = now,
                _ => {}
            }
        }
    }

    fn limit_reached(&self) -> Option<&'static str> {
        let limits = &self.config.limits;
        let stuck = self.log.first() > self.mark; // nothing in the log is committed, so nothing may leave
        if stuck && self.log.len() >= limits.log_entries_max {
            Some("log_entries_max")
        } else if stuck && self.log.bytes() >= limits.log_bytes_max {
            Some("log_bytes_max")
        } else if self.log.last() >= VERSION_MAX {
            Some("version_max")
        } else if self.log.last() - self.mark >= limits.window_entries_max
            || self.links.iter().any(|link| link.line.len() as u64 >= limits.window_entries_max)
        {
            Some("window_entries_max")
        } else {
            None
        }
    }

    fn up(&self) -> usize {
        self.links.iter().filter(|link| link.is_up()).count()
    }

    fn deposed(&self, by: Epoch) -> WriteError {
        WriteError::Deposed { by, required: self.config.quorum.write() }
    }

    fn no_quorum(&self, required: usize) -> WriteError {
        WriteError::NoQuorum { up: self.up(), required }
    }
}
