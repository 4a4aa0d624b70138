//! The simulated network delay: which it is, and the line in which entries wait for it to pass.

use std::collections::BTreeSet;
use std::time::Duration;

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use kv_core::Version;
use thiserror::Error;

use crate::protocol::time::Time;

/// The delay of each entry on its way to each follower, uniform between two bounds.
///
/// A pure function of (seed, follower index, version): the same seed gives the same delays whatever
/// the timing of a run, and anyone can compute them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelayLaw {
    seed: u64,
    min: Duration,
    max: Duration,
}

/// The longest delay that can be simulated: one day.
pub const DELAY_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Bounds that are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidDelays {
    /// The shortest delay is above the longest.
    #[error("the shortest delay, {min:?}, is above the longest, {max:?}")]
    Crossed {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// The longest delay is above [`DELAY_MAX`].
    #[error("the longest delay, {max:?}, is above one day")]
    TooLong {
        /// The longest.
        max: Duration,
    },
}

impl DelayLaw {
    /// No delay at all.
    pub const NONE: DelayLaw = DelayLaw { seed: 0, min: Duration::ZERO, max: Duration::ZERO };

    /// Uniform between `min` and `max`, both included, in whole nanoseconds.
    ///
    /// # Errors
    /// [`InvalidDelays`] if `min` is above `max`, or `max` above [`DELAY_MAX`].
    pub fn uniform(seed: u64, min: Duration, max: Duration) -> Result<Self, InvalidDelays> {
        if min > max {
            return Err(InvalidDelays::Crossed { min, max });
        }
        if max > DELAY_MAX {
            return Err(InvalidDelays::TooLong { max });
        }
        Ok(Self { seed, min, max })
    }

    /// The shortest delay.
    #[must_use]
    pub fn min(&self) -> Duration {
        self.min
    }

    /// The longest delay.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.max
    }

    /// Whether every delay is zero.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.max.is_zero()
    }

    /// The delay of the entry `version` on its way to the follower with this index (from 0).
    ///
    /// The generator is ChaCha8 with the seed as the first 8 bytes of its key (little endian, the
    /// rest zero), the follower index as its stream and twice the version as its word position. Its
    /// next 64 bits, as a fraction of 2^64, pick the place between the bounds.
    #[must_use]
    pub fn delay(&self, follower: usize, version: Version) -> Duration {
        let span = (self.max - self.min).as_nanos();
        if span == 0 {
            return self.min;
        }
        let mut rng = stream(self.seed, follower as u64);
        rng.set_word_pos(u128::from(version) * 2);
        let picked = (u128::from(rng.next_u64()) * (span + 1)) >> 64;
        self.min + Duration::from_nanos(u64::try_from(picked).unwrap_or(u64::MAX))
    }

    /// The `rank`-th smallest (from 1) of the delays of `version` to the followers 0..`followers`:
    /// how long a write with that quorum has to wait at least.
    #[must_use]
    pub fn order_statistic(&self, rank: usize, followers: usize, version: Version) -> Option<Duration> {
        let mut delays: Vec<_> = (0..followers).map(|follower| self.delay(follower, version)).collect();
        delays.sort_unstable();
        delays.get(rank.checked_sub(1)?).copied()
    }
}

/// A named stream of one seed. Streams 0 to N-1 are the delays of the followers.
pub(crate) fn stream(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    if let Some(head) = key.first_chunk_mut() {
        *head = seed.to_le_bytes();
    }
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(stream);
    rng
}

/// Entries on one simulated wire, in the order in which they will come out of it.
#[derive(Clone, Debug, Default)]
pub struct DelayLine {
    waiting: BTreeSet<(Time, Version)>,
}

impl DelayLine {
    /// An empty line.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `version` comes out at `due`.
    pub fn push(&mut self, due: Time, version: Version) {
        self.waiting.insert((due, version));
    }

    /// The next version that is due at `now`; ties come out in version order.
    pub fn pop_due(&mut self, now: Time) -> Option<Version> {
        let (due, _) = self.waiting.first()?;
        if *due > now {
            return None;
        }
        self.waiting.pop_first().map(|(_, version)| version)
    }

    /// How many versions are in the line.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Nothing is in the line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When the next version is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Time> {
        self.waiting.first().map(|(due, _)| *due)
    }

    /// The versions in the line, by due time.
    pub fn versions(&self) -> impl Iterator<Item = Version> + '_ {
        self.waiting.iter().map(|(_, version)| *version)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn law(seed: u64) -> DelayLaw {
        DelayLaw::uniform(seed, Duration::ZERO, Duration::from_secs(1)).unwrap()
    }

    /// Pinned: a change of these numbers changes what a seed means to everyone who wrote one down.
    #[test]
    fn the_delays_of_seed_1_never_change() {
        let drawn: Vec<u128> = (0..5).map(|follower| law(1).delay(follower, 1).as_micros()).collect();
        assert_eq!(drawn, [294_927, 817_991, 109_845, 620_932, 848_808]);
    }

    /// The W-th smallest of N uniform draws has the mean W/(N+1) (order statistics).
    #[test]
    fn the_means_are_those_of_order_statistics() {
        let versions = 4_000;
        for rank in 1..=5 {
            let total: f64 =
                (1..=versions).map(|v| law(7).order_statistic(rank, 5, v).unwrap().as_secs_f64()).sum();
            let mean = total / f64::from(u32::try_from(versions).unwrap());
            assert!((mean - rank as f64 / 6.0).abs() < 0.012, "rank {rank}: {mean}");
        }
        assert_eq!(law(7).order_statistic(0, 5, 1), None);
        assert_eq!(law(7).order_statistic(6, 5, 1), None);
    }

    #[test]
    fn bounds_may_be_equal_but_not_crossed() {
        let (one, two) = (Duration::from_millis(1), Duration::from_millis(2));
        assert_eq!(DelayLaw::uniform(1, one, one).unwrap().delay(3, 9), one);
        assert_eq!(DelayLaw::uniform(1, two, one), Err(InvalidDelays::Crossed { min: two, max: one }));
        assert!(DelayLaw::NONE.is_none() && DelayLaw::NONE.delay(0, 1).is_zero());
    }

    proptest! {
        #[test]
        fn a_delay_is_pure_and_within_its_bounds(seed: u64, follower in 0..64_usize, version in 1..1_u64 << 53, a in 0..5_000_u64, b in 0..5_000_u64) {
            let (min, max) = (Duration::from_micros(a.min(b)), Duration::from_micros(a.max(b)));
            let law = DelayLaw::uniform(seed, min, max).unwrap();
            let delay = law.delay(follower, version);
            prop_assert!((min..=max).contains(&delay));
            prop_assert_eq!(law.delay(follower, version), delay);
        }

        /// The twin is a list that is sorted once.
        #[test]
        fn everything_comes_out_once_in_due_order(pushed in prop::collection::btree_map(1..500_u64, 0..50_u64, 0..80), step in 1..20_u64) {
            let at = |ms| Time::after_origin(Duration::from_millis(ms));
            let mut line = DelayLine::new();
            for (&version, &due) in &pushed {
                line.push(at(due), version);
            }
            let mut out = Vec::new();
            for now in (0..=50 + step).step_by(step as usize) {
                while let Some(version) = line.pop_due(at(now)) {
                    prop_assert!(pushed[&version] <= now && now < pushed[&version] + step);
                    out.push((pushed[&version], version));
                }
                prop_assert!(line.next_due().is_none_or(|due| due > at(now)));
            }
            let mut sorted: Vec<_> = pushed.iter().map(|(&version, &due)| (due, version)).collect();
            sorted.sort_unstable();
            prop_assert_eq!(out, sorted);
        }
    }
}
