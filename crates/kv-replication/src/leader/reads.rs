//! Linearizable reads that wait until W followers confirm that they still follow this leader.
//!
//! Whoever else could have committed something since a read came needs the promises of F followers, and
//! every F of them meets every W. One round of confirmations serves all reads that came before it was sent.

use std::collections::BTreeSet;

use super::ballot::Ballot;
use super::ids::{AttemptId, ReadId};
use crate::protocol::follower_set::FollowerIndex;
use crate::protocol::group::Need;
use crate::protocol::time::Time;

/// All reads that wait for a confirmation.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// By deadline.
    waiting: BTreeSet<(Time, ReadId)>,
    round: Option<Round>,
}

/// The reads up to `last` had come when the ballot was opened.
#[derive(Clone, Copy, Debug)]
struct Round {
    last: ReadId,
    confirmed: Ballot,
}

impl Reads {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.waiting.first().map(|(deadline, _)| *deadline)
    }

    pub(super) fn add(&mut self, id: ReadId, deadline: Time) {
        self.waiting.insert((deadline, id));
    }

    pub(super) fn has_round(&self) -> bool {
        self.round.is_some()
    }

    /// Begins a round for all that wait; answers to `next` and later requests count. False if nobody waits.
    pub(super) fn start_round(&mut self, next: AttemptId) -> bool {
        let last = self.waiting.iter().map(|(_, id)| *id).max();
        self.round = last.map(|last| Round { last, confirmed: Ballot::open(next) });
        self.round.is_some()
    }

    /// A voter has answered `attempt` under the leader's epoch.
    pub(super) fn hear(&mut self, follower: FollowerIndex, attempt: AttemptId) {
        if let Some(round) = &mut self.round {
            round.confirmed.hear(follower, attempt);
        }
    }

    /// How many have confirmed the round.
    pub(super) fn confirmed(&self) -> usize {
        self.round.map_or(0, |round| round.confirmed.heard().len())
    }

    /// Ends the round if it is complete, and gives back its reads in the order of their deadlines.
    pub(super) fn end_round(&mut self, need: Need) -> Option<BTreeSet<(Time, ReadId)>> {
        let Round { last, .. } = self.round.take_if(|round| round.confirmed.meets(&[need]))?;
        let (served, left) = std::mem::take(&mut self.waiting).into_iter().partition(|(_, id)| *id <= last);
        self.waiting = left;
        Some(served)
    }

    /// A read whose deadline has come. Without a read there is no round.
    pub(super) fn take_expired(&mut self, now: Time) -> Option<ReadId> {
        let (deadline, id) = self.waiting.first().copied().filter(|(deadline, _)| *deadline <= now)?;
        self.waiting.remove(&(deadline, id));
        Some(id)
    }

    /// Nobody waits any more for an answer that nobody will use.
    pub(super) fn end_idle_round(&mut self) {
        self.round.take_if(|_| self.waiting.is_empty());
    }

    /// All that wait; there is no round any more.
    pub(super) fn take_all(&mut self) -> BTreeSet<(Time, ReadId)> {
        self.round = None;
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::follower_set::FollowerSet;

    const ONE: Need = Need { of: FollowerSet::ALL, count: 1 };

    #[test]
    fn a_round_serves_the_reads_that_came_before_it_was_sent() {
        let mut reads = Reads::default();
        reads.add(ReadId(1), Time::ZERO);
        assert!(reads.start_round(AttemptId(4)));
        reads.add(ReadId(2), Time::ZERO);
        reads.hear(FollowerIndex::new(0), AttemptId(3));
        assert_eq!((reads.confirmed(), reads.end_round(ONE)), (0, None));
        reads.hear(FollowerIndex::new(0), AttemptId(4));
        assert_eq!(reads.end_round(ONE), Some(BTreeSet::from([(Time::ZERO, ReadId(1))])));
        assert!(!reads.has_round() && reads.start_round(AttemptId(5)));
        assert_eq!(reads.len(), 1);
    }

    #[test]
    fn a_round_that_nobody_waits_for_ends() {
        let mut reads = Reads::default();
        reads.add(ReadId(1), Time::ZERO);
        reads.start_round(AttemptId(1));
        assert_eq!(reads.take_expired(Time::ZERO), Some(ReadId(1)));
        reads.end_idle_round();
        assert!(!reads.has_round() && !reads.start_round(AttemptId(1)));
    }
}
