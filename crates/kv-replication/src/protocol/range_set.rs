//! A set of versions, kept as ranges.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use kv_core::Version;

/// A set of versions as disjoint ranges that do not touch, in order.
///
/// Replication reorders, so what a node holds is a prefix plus islands. QUIC keeps its packet numbers
/// the same way (RFC 9000, section 13.2). Adding to the end of the last range, the common case, costs
/// one look at the last range; any other operation O(log ranges) and the ranges it touches.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct RangeSet {
    /// First version of a range → its last.
    ranges: BTreeMap<Version, Version>,
}

impl RangeSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No version is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many ranges the set consists of.
    #[must_use]
    pub fn ranges_len(&self) -> usize {
        self.ranges.len()
    }

    /// How many versions are in the set.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// The ranges, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = RangeInclusive<Version>> + '_ {
        self.ranges.iter().map(|(&first, &last)| first..=last)
    }

    /// The lowest version of the set.
    #[must_use]
    pub fn first(&self) -> Option<Version> {
        self.ranges.first_key_value().map(|(&first, _)| first)
    }

    /// The highest version of the set.
    #[must_use]
    pub fn last(&self) -> Option<Version> {
        self.ranges.last_key_value().map(|(_, &last)| last)
    }

    /// The end of the contiguous part from version 1; 0 if 1 is not in the set.
    #[must_use]
    pub fn watermark(&self) -> Version {
        match self.ranges.first_key_value() {
            Some((&first, &last)) if first <= 1 => last,
            _ => 0,
        }
    }

    /// Whether `version` is in the set.
    #[must_use]
    pub fn contains(&self, version: Version) -> bool {
        self.ranges.range(..=version).next_back().is_some_and(|(_, &last)| version <= last)
    }

    /// Adds one version.
    pub fn insert(&mut self, version: Version) {
        self.insert_range(version..=version);
    }

    /// Adds every version of `range`; an empty range adds nothing.
    pub fn insert_range(&mut self, range: RangeInclusive<Version>) {
        let (first, mut last) = range.into_inner();
        if first > last {
            return;
        }
        if let Some(mut tail) = self.ranges.last_entry() {
            let (tail_first, tail_last) = (*tail.key(), *tail.get());
            if tail_first <= first && first <= tail_last.saturating_add(1) {
                *tail.get_mut() = tail_last.max(last);
                return;
            }
        }
        // Swallow every range that overlaps or touches, from the right; the leftmost may stay and grow.
        let reach = last.saturating_add(1);
        while let Some((&old_first, old_last)) = self.ranges.range_mut(..=reach).next_back() {
            if old_last.saturating_add(1) < first {
                break;
            }
            last = last.max(*old_last);
            if old_first <= first {
                *old_last = last;
                return;
            }
            self.ranges.remove(&old_first);
        }
        self.ranges.insert(first, last);
    }

    /// Takes out every version of `range`.
    pub fn remove_range(&mut self, range: RangeInclusive<Version>) {
        let (first, last) = range.into_inner();
        if first > last {
            return;
        }
        while let Some((&old_first, &old_last)) = self.ranges.range(..=last).next_back() {
            if old_last < first {
                break;
            }
            self.ranges.remove(&old_first);
            if old_last > last {
                self.ranges.insert(last + 1, old_last);
            }
            if old_first < first {
                self.ranges.insert(old_first, first - 1);
            }
        }
    }

    /// Takes out and returns every version up to and including `last`.
    pub fn take_through(&mut self, last: Version) -> Self {
        let above = self.ranges.split_off(&last.saturating_add(1));
        let mut taken = Self { ranges: std::mem::replace(&mut self.ranges, above) };
        if let Some(mut tail) = taken.ranges.last_entry()
            && *tail.get() > last
        {
            self.ranges.insert(last + 1, *tail.get());
            tail.insert(last);
        }
        taken
    }

    /// The parts of `range` that are *not* in the set, in order.
    pub fn gaps(&self, range: RangeInclusive<Version>) -> impl Iterator<Item = RangeInclusive<Version>> + '_ {
        let (first, last) = range.into_inner();
        let before = self.ranges.range(..=first).next_back();
        let mut next = match before {
            Some((_, &held_last)) if held_last >= first => held_last.saturating_add(1),
            _ => first,
        };
        // The range that begins at or before `first` is already dealt with.
        let inside = if first < last { self.ranges.range(first + 1..=last) } else { self.ranges.range(0..0) };
        inside
            .map(|(&held_first, &held_last)| (held_first, held_last))
            .chain(std::iter::once((last.saturating_add(1), last)))
            .map(move |(held_first, held_last)| {
                let gap = next..=held_first.saturating_sub(1);
                next = next.max(held_last.saturating_add(1));
                gap
            })
            .filter(|gap| !gap.is_empty())
    }

    /// The first version from `from` on that is not in the set.
    #[must_use]
    pub fn first_missing(&self, from: Version) -> Version {
        match self.ranges.range(..=from).next_back() {
            Some((_, &last)) if last >= from => last.saturating_add(1), // neighbours have grown together
            _ => from,
        }
    }

    /// The set's lowest `ranges_max` ranges.
    #[must_use]
    pub fn lowest(&self, ranges_max: usize) -> Self {
        Self { ranges: self.ranges.iter().take(ranges_max).map(|(&first, &last)| (first, last)).collect() }
    }
}

impl FromIterator<RangeInclusive<Version>> for RangeSet {
    fn from_iter<I: IntoIterator<Item = RangeInclusive<Version>>>(ranges: I) -> Self {
        let mut set = Self::new();
        for range in ranges {
            set.insert_range(range);
        }
        set
    }
}

/// `{1-4 6 9-12}`
impl fmt::Debug for RangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, (first, last)) in self.ranges.iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            if first == last {
                write!(f, "{space}{first}")?;
            } else {
                write!(f, "{space}{first}-{last}")?;
            }
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn neighbours_grow_together() {
        let set: RangeSet = [6..=6, 1..=2, 9..=12, 3..=4].into_iter().collect();
        assert_eq!(format!("{set:?}"), "{1-4 6 9-12}");
        assert_eq!((set.watermark(), set.first(), set.last(), set.len()), (4, Some(1), Some(12), 9));
        assert_eq!(set.gaps(2..=10).collect::<Vec<_>>(), [5..=5, 7..=8]);
        assert_eq!(format!("{:?}", set.lowest(2)), "{1-4 6}");
    }

    #[test]
    fn the_ends_of_the_number_line_do_not_overflow() {
        let mut set = RangeSet::new();
        set.insert_range(Version::MAX - 1..=Version::MAX);
        set.insert(Version::MAX);
        set.insert(0);
        assert_eq!(set.ranges_len(), 2);
        assert_eq!(set.gaps(Version::MAX..=Version::MAX).count(), 0);
        set.remove_range(0..=Version::MAX);
        assert!(set.is_empty());
    }

    proptest! {
        /// The twin is a plain set of numbers.
        #[test]
        fn it_is_a_set(ops in prop::collection::vec((any::<bool>(), 0..40u64, 0..9u64), 0..60), ask in (0..45u64, 0..12u64)) {
            let mut set = RangeSet::new();
            let mut twin = BTreeSet::new();
            for (insert, first, len) in ops {
                let range = first..=first + len;
                if insert {
                    set.insert_range(range.clone());
                    twin.extend(range);
                } else {
                    set.remove_range(range.clone());
                    twin.retain(|version| !range.contains(version));
                }
                let members: Vec<u64> = set.iter().flatten().collect();
                prop_assert_eq!(&members, &twin.iter().copied().collect::<Vec<_>>());
                let touching = set.iter().zip(set.iter().skip(1)).any(|(a, b)| a.end() + 1 >= *b.start());
                prop_assert!(!touching, "{:?}", set);
            }
            let asked = ask.0..=ask.0 + ask.1;
            let missing: Vec<u64> = set.gaps(asked.clone()).flatten().collect();
            prop_assert_eq!(missing, asked.clone().filter(|v| !twin.contains(v)).collect::<Vec<_>>());
            prop_assert!(asked.into_iter().all(|v| set.contains(v) == twin.contains(&v)));
            let (mut low, mut high) = (RangeSet::new(), set.clone());
            low.ranges.extend(high.take_through(ask.0).ranges);
            prop_assert!(low.iter().flatten().eq(twin.range(..=ask.0).copied()));
            prop_assert!(high.iter().flatten().eq(twin.range(ask.0 + 1..).copied()));
            prop_assert_eq!(set.first_missing(ask.0), (ask.0..).find(|v| !twin.contains(v)).unwrap());
            let prefix = (1..).take_while(|v| twin.contains(v)).last().unwrap_or(0);
            prop_assert_eq!(set.watermark(), prefix);
            prop_assert_eq!(set.len(), twin.len() as u64);
        }
    }
}
