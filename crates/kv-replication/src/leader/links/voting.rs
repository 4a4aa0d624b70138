//! Whether a follower's acknowledgements count.
//!
//! A follower that has lost its state has also forgotten whom it promised. So it is a non-voter until it
//! has caught up with everything that was assigned when it came, and until enough others have confirmed
//! the leader's epoch since: a rival that leads by a forgotten promise needs one of those.

use kv_core::Version;

use crate::leader::ballot::Ballot;
use crate::leader::ids::AttemptId;
use crate::protocol::follower_set::FollowerIndex;
use crate::protocol::group::Need;

/// The vote of one follower.
#[derive(Clone, Debug, Default)]
pub(in crate::leader) struct Voting {
    vote: Vote,
    /// It has said last that it has lost its state.
    has_lost: bool,
}

#[derive(Clone, Debug, Default)]
enum Vote {
    /// Its acknowledgements do not count.
    #[default]
    None,
    /// They do not count yet: it is on its way back.
    Rebuilding {
        rebuild: Rebuild,
        /// It is to be told that it is a voter.
        granted: bool,
    },
    /// They count.
    Counts,
}

/// What a non-voter still needs.
#[derive(Clone, Debug)]
pub(in crate::leader) struct Rebuild {
    /// Everything that was assigned when it came.
    through: Version,
    /// How many others must confirm the epoch after it came, of each configuration.
    needs: Vec<Need>,
    confirmed: Ballot,
}

impl Rebuild {
    pub(in crate::leader) fn new(through: Version, needs: Vec<Need>, next: AttemptId) -> Self {
        Self { through, needs, confirmed: Ballot::open(next) }
    }
}

impl Voting {
    pub(super) fn is_voter(&self) -> bool {
        matches!(self.vote, Vote::Counts)
    }

    pub(super) fn has_lost_state(&self) -> bool {
        self.has_lost
    }

    /// It is on its way back to a vote.
    pub(super) fn is_rebuilding(&self) -> bool {
        matches!(self.vote, Vote::Rebuilding { .. })
    }

    /// It is to be told that it is a voter from now on.
    pub(super) fn is_granted(&self) -> bool {
        matches!(self.vote, Vote::Rebuilding { granted: true, .. })
    }

    /// It answers a probe; what that means for its vote is decided when it follows.
    pub(super) fn note_probed(&mut self, counts: bool) {
        self.has_lost = !counts;
    }

    /// It says whether it is a voter. True if it has become one just now.
    pub(super) fn note(&mut self, counts: bool) -> bool {
        self.has_lost = !counts;
        if self.is_voter() == counts {
            return false;
        }
        self.vote = if counts { Vote::Counts } else { Vote::None };
        counts
    }

    /// It begins to follow. A rebuild that has begun goes on.
    pub(super) fn start_rebuild(&mut self, rebuild: Rebuild) {
        if matches!(self.vote, Vote::None) {
            self.vote = Vote::Rebuilding { rebuild, granted: false };
        }
    }

    /// Another follower, a voter, has answered.
    pub(super) fn hear(&mut self, other: FollowerIndex, attempt: AttemptId) {
        if let Vote::Rebuilding { rebuild, .. } = &mut self.vote {
            rebuild.confirmed.hear(other, attempt);
        }
    }

    /// Becomes granted if nothing is lacking any more; true if that is news.
    pub(super) fn try_grant(&mut self, watermark: Version) -> bool {
        let Vote::Rebuilding { rebuild, granted } = &mut self.vote else { return false };
        let is_news = !*granted && watermark >= rebuild.through && rebuild.confirmed.meets(&rebuild.needs);
        *granted |= is_news;
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::follower_set::FollowerSet;

    fn rebuilding() -> Voting {
        let mut voting = Voting::default();
        let needs = vec![Need { of: FollowerSet::ALL, count: 1 }];
        voting.start_rebuild(Rebuild::new(7, needs, AttemptId(3)));
        voting
    }

    #[test]
    fn a_non_voter_is_granted_its_vote_when_it_has_caught_up_and_others_have_confirmed() {
        let mut voting = rebuilding();
        assert!(!voting.try_grant(7));
        voting.hear(FollowerIndex::new(1), AttemptId(2)); // sent before it came
        assert!(!voting.try_grant(7));
        voting.hear(FollowerIndex::new(1), AttemptId(3));
        assert!(!voting.try_grant(6));
        assert!(voting.try_grant(7) && !voting.try_grant(7));
        // It is a voter when it says so itself, not before.
        assert!(voting.is_granted() && !voting.is_voter());
        assert!(voting.note(true) && voting.is_voter() && !voting.is_granted());
    }

    #[test]
    fn a_rebuild_that_has_begun_is_not_begun_anew() {
        let mut voting = rebuilding();
        voting.hear(FollowerIndex::new(1), AttemptId(3));
        voting.start_rebuild(Rebuild::new(9, Vec::new(), AttemptId(8)));
        assert!(!voting.note(false) && voting.has_lost_state());
        assert!(voting.try_grant(7));
    }
}
