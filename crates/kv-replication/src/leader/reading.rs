//! A linearizable read from its arrival to its answer.

use kv_core::Version;

use super::ids::{AttemptId, ReadId};
use super::machine::Leader;
use super::output::Output;
use super::problem::ConfirmError;
use crate::protocol::follower_set::{FollowerIndex, FollowerSet};
use crate::protocol::group::Need;
use crate::protocol::time::Time;

impl Leader {
    /// A read has come.
    pub(super) fn read(&mut self, now: Time, id: ReadId, deadline: Time) {
        if let Some(error) = self.unreadable() {
            return self.answer_read(id, Err(error));
        }
        if self.reads.len() >= self.config.limits.reads_waiting_max {
            return self.answer_read(id, Err(ConfirmError::Overloaded { limit: "reads_waiting_max" }));
        }
        self.reads.add(id, deadline);
        if !self.reads.has_round() {
            self.start_round(now);
        }
    }

    /// A voter has answered `attempt` under the leader's epoch.
    pub(super) fn hear_for_reads(&mut self, now: Time, follower: FollowerIndex, attempt: AttemptId) {
        if self.reads.has_round() {
            self.reads.hear(follower, attempt);
            self.end_round(now);
        }
    }

    /// Answers the reads whose time is over.
    pub(super) fn expire_reads(&mut self, now: Time) {
        let required = self.confirmations().count;
        while let Some(id) = self.reads.take_expired(now) {
            let confirmed = self.reads.confirmed();
            self.answer_read(id, Err(ConfirmError::Unconfirmed { confirmed, required }));
        }
        self.reads.end_idle_round();
    }

    /// Nobody can be sure any more: what waits is refused.
    pub(super) fn refuse_reads(&mut self) {
        let Some(error) = self.unreadable() else { return };
        for (_, id) in self.reads.take_all() {
            self.answer_read(id, Err(error.clone()));
        }
    }

    fn start_round(&mut self, now: Time) {
        if self.reads.start_round(self.next_attempt()) {
            self.links.iter_mut().for_each(|(_, link)| link.ask());
            self.end_round(now);
        }
    }

    /// Answers the reads of the round if it is complete, and begins the next one.
    fn end_round(&mut self, now: Time) {
        let Some(served) = self.reads.end_round(self.confirmations()) else { return };
        for (_, id) in served {
            self.answer_read(id, Ok(self.replication.mark()));
        }
        self.start_round(now);
    }

    /// The confirmations that a read needs: W, and at least one, since a rival needs F, at most all.
    fn confirmations(&self) -> Need {
        let count = self.config.quorum.write().max(1).min(self.links.len());
        Need { of: FollowerSet::ALL, count }
    }

    fn unreadable(&self) -> Option<ConfirmError> {
        match self.leadership.deposed_by() {
            Some(by) => Some(ConfirmError::Deposed { by }),
            None if self.leadership.leads() => None,
            None => Some(ConfirmError::Recovering(self.start_problem())),
        }
    }

    fn answer_read(&mut self, id: ReadId, result: Result<Version, ConfirmError>) {
        self.outputs.push_back(Output::Confirmed { id, result });
    }
}
