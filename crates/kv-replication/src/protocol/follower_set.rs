//! Sets of followers, and the index that names one of them.

use std::fmt;
use std::ops::{BitAnd, BitOr, Sub};

use super::quorum::FOLLOWERS_MAX;

/// The place of a follower in the leader's configuration, from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FollowerIndex(usize);

/// A set of followers of one leader.
///
/// The followers are at most [`FOLLOWERS_MAX`], so that a set fits into one word and is copied like a
/// number. An index beyond that is in no set.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct FollowerSet(u64);

impl FollowerIndex {
    /// The follower at this place.
    pub(crate) const fn new(index: usize) -> Self {
        Self(index)
    }

    /// Its place, from 0.
    pub(crate) const fn get(self) -> usize {
        self.0
    }

    /// The set of this follower alone.
    const fn bit(self) -> u64 {
        if self.0 < FOLLOWERS_MAX { 1 << self.0 } else { 0 }
    }
}

impl FollowerSet {
    /// No follower.
    pub(crate) const EMPTY: Self = Self(0);
    /// Every follower that there can be.
    pub(crate) const ALL: Self = Self(u64::MAX);

    /// Whether the follower is in the set.
    pub(crate) const fn contains(self, follower: FollowerIndex) -> bool {
        self.0 & follower.bit() != 0
    }

    /// Adds the follower.
    pub(crate) const fn insert(&mut self, follower: FollowerIndex) {
        self.0 |= follower.bit();
    }

    /// Takes the follower out.
    pub(crate) const fn remove(&mut self, follower: FollowerIndex) {
        self.0 &= !follower.bit();
    }

    /// The set without this follower.
    pub(crate) const fn without(self, follower: FollowerIndex) -> Self {
        Self(self.0 & !follower.bit())
    }

    /// How many followers are in the set.
    pub(crate) const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// No follower is in the set.
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Every follower of this set is in the other one too.
    pub(crate) const fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// The followers, lowest index first.
    pub(crate) fn iter(self) -> impl Iterator<Item = FollowerIndex> {
        (0..FOLLOWERS_MAX).map(FollowerIndex).filter(move |follower| self.contains(*follower))
    }
}

impl FromIterator<FollowerIndex> for FollowerSet {
    fn from_iter<I: IntoIterator<Item = FollowerIndex>>(followers: I) -> Self {
        followers.into_iter().fold(Self::EMPTY, |mut set, follower| {
            set.insert(follower);
            set
        })
    }
}

impl BitAnd for FollowerSet {
    type Output = Self;

    /// The followers of both sets.
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for FollowerSet {
    type Output = Self;

    /// The followers of either set.
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Sub for FollowerSet {
    type Output = Self;

    /// The followers of the first set that are not in the second.
    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl fmt::Debug for FollowerIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for FollowerSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn set(indices: &BTreeSet<usize>) -> FollowerSet {
        indices.iter().copied().map(FollowerIndex::new).collect()
    }

    fn indices(set: FollowerSet) -> BTreeSet<usize> {
        set.iter().map(FollowerIndex::get).collect()
    }

    proptest! {
        /// The naive twin is a set of numbers.
        #[test]
        fn does_what_a_set_of_numbers_does(
            one in prop::collection::btree_set(0..FOLLOWERS_MAX, 0..12),
            other in prop::collection::btree_set(0..FOLLOWERS_MAX, 0..12),
            index in 0..FOLLOWERS_MAX,
        ) {
            let follower = FollowerIndex::new(index);
            prop_assert_eq!(indices(set(&one) & set(&other)), &one & &other);
            prop_assert_eq!(indices(set(&one) | set(&other)), &one | &other);
            prop_assert_eq!(indices(set(&one) - set(&other)), &one - &other);
            prop_assert_eq!(set(&one).is_subset(set(&other)), one.is_subset(&other));
            prop_assert_eq!(set(&one).contains(follower), one.contains(&index));
            prop_assert_eq!(set(&one).len(), one.len());
            prop_assert_eq!(set(&one).is_empty(), one.is_empty());
            let (mut with, mut without) = (set(&one), set(&one));
            with.insert(follower);
            without.remove(follower);
            prop_assert_eq!(indices(with), &one | &BTreeSet::from([index]));
            prop_assert_eq!(indices(without), &one - &BTreeSet::from([index]));
            prop_assert_eq!(without, set(&one).without(follower));
        }
    }

    #[test]
    fn an_index_beyond_the_most_followers_is_in_no_set() {
        let beyond = FollowerIndex::new(FOLLOWERS_MAX);
        let mut set = FollowerSet::EMPTY;
        set.insert(beyond);
        assert!(set.is_empty() && !FollowerSet::ALL.contains(beyond));
        assert_eq!(format!("{:?}", FollowerSet::from_iter([FollowerIndex::new(2)])), "{2}");
    }
}
