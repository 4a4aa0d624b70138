//! Who has answered since something happened.

use super::ids::AttemptId;
use crate::protocol::follower_set::{FollowerIndex, FollowerSet};
use crate::protocol::group::Need;

/// The followers that have answered a request that was sent after the ballot was opened.
///
/// A late answer to an earlier request says nothing about the time since, and is not heard. Four
/// questions are decided so: whether a promise still holds, whether a read is linearizable, whether a
/// follower that has lost its state may vote again, and who has adopted a configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ballot {
    since: AttemptId,
    heard: FollowerSet,
}

impl Ballot {
    /// A ballot that hears answers to the request `next` and to later ones.
    pub(super) fn open(next: AttemptId) -> Self {
        Self { since: next, heard: FollowerSet::EMPTY }
    }

    /// The follower has answered `attempt`.
    pub(super) fn hear(&mut self, follower: FollowerIndex, attempt: AttemptId) {
        if attempt >= self.since {
            self.heard.insert(follower);
        }
    }

    /// The follower is no longer the node that answered.
    pub(super) fn forget(&mut self, follower: FollowerIndex) {
        self.heard.remove(follower);
    }

    /// Who has answered.
    pub(super) fn heard(&self) -> FollowerSet {
        self.heard
    }

    /// Whether those who have answered are enough for each of these.
    pub(super) fn meets(&self, needs: &[Need]) -> bool {
        needs.iter().all(|need| need.is_met(self.heard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_to_what_was_sent_since_are_heard() {
        let [one, two] = [FollowerIndex::new(0), FollowerIndex::new(1)];
        let both = [Need { of: FollowerSet::ALL, count: 2 }];
        let mut ballot = Ballot::open(AttemptId(5));
        ballot.hear(one, AttemptId(4));
        assert!(ballot.heard().is_empty());
        ballot.hear(one, AttemptId(5));
        assert!(!ballot.meets(&both));
        ballot.hear(two, AttemptId(9));
        assert!(ballot.meets(&both) && ballot.meets(&[]));
        ballot.forget(one);
        assert!(!ballot.meets(&both));
    }
}
