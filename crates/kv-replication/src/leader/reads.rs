//! Linearizable reads: after a read has come, W followers confirm that they still follow this leader.
//!
//! Whoever else could have committed something since needs the promises of F followers, and every F of
//! them meets every W. One round of confirmations serves all reads that came before it was sent.

use std::collections::BTreeSet;

use kv_core::Version;

use crate::leader::Leader;
use crate::leader::ids::AttemptId;
use crate::leader::ids::ReadId;
use crate::leader::output::Output;
use crate::leader::phase::Phase;
use crate::leader::problem::ConfirmError;
use crate::protocol::time::Time;

/// All reads that wait for a confirmation.
#[derive(Debug, Default)]
pub(in crate::leader) struct Reads {
    /// By deadline.
    waiting: BTreeSet<(Time, ReadId)>,
    round: Option<Round>,
}

/// Requests from `since` on were sent after the reads up to `last` had come.
#[derive(Clone, Copy, Debug)]
struct Round {
    since: AttemptId,
    last: ReadId,
    /// Bit i: the follower with index i has confirmed.
    confirmed: u64,
}

impl Reads {
    pub(in crate::leader) fn next_deadline(&self) -> Option<Time> {
        self.waiting.first().map(|(deadline, _)| *deadline)
    }
}

impl Leader {
    /// A read has come.
    pub(in crate::leader) fn read(&mut self, now: Time, id: ReadId, deadline: Time) {
        if let Some(error) = self.unreadable() {
            return self.answer_read(id, Err(error));
        }
        if self.reads.waiting.len() >= self.config.limits.reads_waiting_max {
            return self.answer_read(id, Err(ConfirmError::Overloaded { limit: "reads_waiting_max" }));
        }
        self.reads.waiting.insert((deadline, id));
        if self.reads.round.is_none() {
            self.start_round(now);
        }
    }

    /// A follower that counts has answered an attempt under our epoch.
    pub(in crate::leader) fn confirm_reads(&mut self, now: Time, follower: usize, attempt: AttemptId) {
        let Some(round) = self.reads.round.as_mut().filter(|round| attempt >= round.since) else { return };
        round.confirmed |= 1 << follower;
        self.end_round(now);
    }

    /// The confirmations that a read needs: W, and at least one, since a rival needs F, at most all.
    fn confirmations(&self) -> usize {
        self.config.quorum.write().max(1).min(self.links.len())
    }

    /// Answers the reads whose time is over.
    pub(in crate::leader) fn expire_reads(&mut self, now: Time) {
        while let Some((deadline, id)) = self.reads.waiting.first().copied().filter(|(at, _)| *at <= now) {
            self.reads.waiting.remove(&(deadline, id));
            let required = self.confirmations();
            let confirmed = self.reads.round.map_or(0, |round| round.confirmed.count_ones() as usize);
            self.answer_read(id, Err(ConfirmError::Unconfirmed { confirmed, required }));
        }
        if self.reads.waiting.is_empty() {
            self.reads.round = None;
        }
    }

    /// Nobody can be sure any more: what waits is refused.
    pub(in crate::leader) fn refuse_reads(&mut self) {
        let Some(error) = self.unreadable() else { return };
        self.reads.round = None;
        for (_, id) in std::mem::take(&mut self.reads.waiting) {
            self.answer_read(id, Err(error.clone()));
        }
    }

    fn start_round(&mut self, now: Time) {
        let Some(last) = self.reads.waiting.iter().map(|(_, id)| *id).max() else { return };
        self.reads.round = Some(Round { since: self.next_attempt(), last, confirmed: 0 });
        for link in &mut self.links {
            link.is_asked = true;
        }
        self.end_round(now);
    }

    /// Answers the reads of the round if it is complete, and begins the next one.
    fn end_round(&mut self, now: Time) {
        let Some(Round { last, confirmed, .. }) = self.reads.round else { return };
        if (confirmed.count_ones() as usize) < self.confirmations() {
            return;
        }
        self.reads.round = None;
        let (served, left) =
            std::mem::take(&mut self.reads.waiting).into_iter().partition(|(_, id)| *id <= last);
        self.reads.waiting = left;
        let served: BTreeSet<(Time, ReadId)> = served;
        for (_, id) in served {
            self.answer_read(id, Ok(self.mark));
        }
        self.start_round(now);
    }

    fn unreadable(&self) -> Option<ConfirmError> {
        match self.phase {
            Phase::Serving => None,
            Phase::Deposed { by } => Some(ConfirmError::Deposed { by }),
            _ => Some(ConfirmError::Recovering(self.start_problem())),
        }
    }

    fn answer_read(&mut self, id: ReadId, result: Result<Version, ConfirmError>) {
        self.outputs.push_back(Output::Confirmed { id, result });
    }
}
