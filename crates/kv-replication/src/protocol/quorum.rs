//! How many are enough.

use kv_core::counted;
use thiserror::Error;

/// The most followers that one leader can have: acknowledgements are kept as bits of one word.
pub const FOLLOWERS_MAX: usize = 64;

/// N followers, of which W must acknowledge a write. The leader is not counted in N.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum {
    followers: usize,
    write: usize,
}

/// Numbers that are no quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidQuorum {
    /// W > N can never be met.
    #[error("a write quorum of {write} can never be met by {}", counted(*followers, "follower", "followers"))]
    Unsatisfiable {
        /// W.
        write: usize,
        /// N.
        followers: usize,
    },
    /// N > [`FOLLOWERS_MAX`].
    #[error("{followers} followers are too many, at most {FOLLOWERS_MAX} are possible")]
    TooManyFollowers {
        /// N.
        followers: usize,
    },
}

impl Quorum {
    /// `write` of `followers`. A quorum of 0 is asynchronous: the leader's own copy is enough.
    ///
    /// # Errors
    /// [`InvalidQuorum`] if no such quorum can be met.
    pub fn new(followers: usize, write: usize) -> Result<Self, InvalidQuorum> {
        if followers > FOLLOWERS_MAX {
            return Err(InvalidQuorum::TooManyFollowers { followers });
        }
        if write > followers {
            return Err(InvalidQuorum::Unsatisfiable { write, followers });
        }
        Ok(Self { followers, write })
    }

    /// N.
    #[must_use]
    pub fn followers(self) -> usize {
        self.followers
    }

    /// W.
    #[must_use]
    pub fn write(self) -> usize {
        self.write
    }

    /// F = min(N, N - W + 1): every F of the N followers meet every W of them, so whoever asks F
    /// followers hears of every committed entry (flexible quorums: Howard, Malkhi, Spiegelman,
    /// "Flexible Paxos", 2016).
    #[must_use]
    pub fn recovery(self) -> usize {
        self.followers.min(self.followers - self.write + 1)
    }

    /// Whether `acks` acknowledgements commit a write.
    #[must_use]
    pub fn is_met(self, acks: usize) -> bool {
        acks >= self.write
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The naive twin: tries every pair of sets of followers.
    #[test]
    fn recovery_is_the_smallest_number_that_meets_every_write_quorum() {
        for followers in 1..=6_usize {
            for write in 1..=followers {
                let quorum = Quorum::new(followers, write).unwrap();
                let sets_of = |size: usize| {
                    (0_u32..1 << followers).filter(move |set| set.count_ones() as usize == size)
                };
                let meets_all =
                    |size| sets_of(size).all(|asked| sets_of(write).all(|acked| asked & acked != 0));
                let smallest = (0..=followers).find(|&size| meets_all(size));
                assert_eq!(Some(quorum.recovery()), smallest, "{quorum:?}");
                for acks in 0..=followers {
                    let met = sets_of(write).any(|needed| ((1_u32 << acks) - 1) & needed == needed);
                    assert_eq!(quorum.is_met(acks), met, "{quorum:?} {acks}");
                }
            }
        }
    }

    #[test]
    fn what_can_never_be_met_is_refused() {
        assert_eq!(Quorum::new(2, 3), Err(InvalidQuorum::Unsatisfiable { write: 3, followers: 2 }));
        assert_eq!(Quorum::new(65, 3), Err(InvalidQuorum::TooManyFollowers { followers: 65 }));
        assert_eq!(Quorum::new(0, 0).map(Quorum::recovery), Ok(0));
        assert_eq!(Quorum::new(5, 0).map(Quorum::recovery), Ok(5));
    }
}
