//! Counting promises.
//!
//! Promises are collected one after the other, and a follower may lose its state after it has given its
//! own. So, once there are enough, all who gave one are asked again: those who confirm it have all been
//! bound at one moment, that between the two rounds.

use crate::leader::ballot::Ballot;
use crate::leader::ids::AttemptId;
use crate::protocol::follower_set::{FollowerIndex, FollowerSet};
use crate::protocol::group::Need;

/// The promises of one attempt to lead.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::leader) struct Promises {
    second_round: Option<Round>,
}

#[derive(Clone, Copy, Debug)]
struct Round {
    /// Who gave a promise in the first round, and has not gone since.
    members: FollowerSet,
    confirmed: Ballot,
}

impl Promises {
    /// A follower has promised, by its answer to `attempt`.
    pub(in crate::leader) fn hear(&mut self, follower: FollowerIndex, attempt: AttemptId) {
        if let Some(round) = &mut self.second_round {
            round.confirmed.hear(follower, attempt);
        }
    }

    /// Whether a follower that has promised is to be asked again.
    pub(in crate::leader) fn asks_again(&self, follower: FollowerIndex) -> bool {
        let asks = |round: &Round| (round.members - round.confirmed.heard()).contains(follower);
        self.second_round.as_ref().is_some_and(asks)
    }

    /// Those whose promises the leader may rest on, once they are enough. `promised` are those whose promises
    /// are there now, and `next` names the next request.
    pub(in crate::leader) fn count(
        &mut self,
        needs: &[Need],
        promised: FollowerSet,
        next: AttemptId,
    ) -> Option<FollowerSet> {
        let is_enough = |set| needs.iter().all(|need| need.is_met(set));
        match self.second_round.take() {
            Some(Round { members, confirmed }) => {
                let members = members & promised;
                let both = members & confirmed.heard();
                if is_enough(both) {
                    return Some(both);
                }
                self.second_round = is_enough(members).then_some(Round { members, confirmed });
                None
            }
            None if is_enough(FollowerSet::EMPTY) => Some(FollowerSet::EMPTY),
            None => {
                let round = Round { members: promised, confirmed: Ballot::open(next) };
                self.second_round = is_enough(promised).then_some(round);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(followers: &[usize]) -> FollowerSet {
        followers.iter().copied().map(FollowerIndex::new).collect()
    }

    const NEEDS: [Need; 1] = [Need { of: FollowerSet::ALL, count: 2 }];

    #[test]
    fn a_promise_counts_when_it_has_been_confirmed_after_there_were_enough() {
        let mut promises = Promises::default();
        assert_eq!(promises.count(&NEEDS, set(&[0]), AttemptId(1)), None);
        assert_eq!(promises.count(&NEEDS, set(&[0, 1]), AttemptId(2)), None);
        assert!(promises.asks_again(FollowerIndex::new(0)) && !promises.asks_again(FollowerIndex::new(2)));
        promises.hear(FollowerIndex::new(0), AttemptId(1)); // an answer of the first round
        promises.hear(FollowerIndex::new(1), AttemptId(3));
        assert_eq!(promises.count(&NEEDS, set(&[0, 1]), AttemptId(4)), None);
        promises.hear(FollowerIndex::new(0), AttemptId(2));
        assert_eq!(promises.count(&NEEDS, set(&[0, 1, 2]), AttemptId(4)), Some(set(&[0, 1])));
    }

    #[test]
    fn one_that_has_gone_is_not_counted_though_it_had_confirmed() {
        let mut promises = Promises::default();
        assert_eq!(promises.count(&NEEDS, set(&[0, 1, 2]), AttemptId(1)), None);
        promises.hear(FollowerIndex::new(0), AttemptId(1));
        assert_eq!(promises.count(&NEEDS, set(&[1, 2]), AttemptId(2)), None);
        promises.hear(FollowerIndex::new(1), AttemptId(2));
        assert_eq!(promises.count(&NEEDS, set(&[1, 2]), AttemptId(3)), None);
        promises.hear(FollowerIndex::new(2), AttemptId(3));
        assert_eq!(promises.count(&NEEDS, set(&[1, 2]), AttemptId(4)), Some(set(&[1, 2])));
    }

    #[test]
    fn no_follower_need_be_asked_where_there_is_none() {
        assert_eq!(Promises::default().count(&[], set(&[]), AttemptId(1)), Some(FollowerSet::EMPTY));
    }
}
