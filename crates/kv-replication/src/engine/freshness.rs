//! How old what a follower shows may be.

use std::collections::VecDeque;

use kv_core::Version;

use crate::protocol::time::Time;

/// The most words of a leader that are remembered while the follower is behind them. Past it the newest
/// takes the place of the one before, which makes the answer higher, never lower.
const WORDS_MAX: usize = 256;

/// Finds the last moment at which the leader said "this is all that I have committed" and the follower
/// has all of it by now.
#[derive(Clone, Debug, Default)]
pub(super) struct Freshness {
    /// When the leader had committed no more than is here.
    level_at: Option<Time>,
    /// What it has said since, and when: both rise.
    ahead: VecDeque<(Time, Version)>,
    /// The most that it has said.
    highest: Version,
}

impl Freshness {
    /// The leader has said at `now` that everything up to `told` is committed; `mark` is how far the
    /// follower knows itself to have it.
    pub(super) fn hear(&mut self, now: Time, told: Version, mark: Version) {
        if told < self.highest {
            return self.catch_up(mark); // an old word that others have overtaken: it says nothing of now
        }
        self.highest = told;
        let full = self.ahead.len() >= WORDS_MAX;
        match self.ahead.back_mut() {
            Some(last) if full || last.1 == told => *last = (now, told),
            _ => self.ahead.push_back((now, told)),
        }
        self.catch_up(mark);
    }

    /// Another leader speaks from now on. It goes on from all that was committed, unless an operator has
    /// given some of that up.
    pub(super) fn new_leader(&mut self) {
        self.ahead.clear();
        self.highest = 0;
    }

    /// The follower's mark has moved.
    pub(super) fn catch_up(&mut self, mark: Version) {
        while let Some((at, _)) = self.ahead.pop_front_if(|(_, told)| *told <= mark) {
            self.level_at = Some(at);
        }
    }

    /// When it last was level, as far as it knows; none if it never was.
    pub(super) fn level_at(&self) -> Option<Time> {
        self.level_at
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ms(ms: u64) -> Time {
        Time::after_origin(Duration::from_millis(ms))
    }

    #[test]
    fn who_is_level_is_as_fresh_as_the_last_word() {
        let mut freshness = Freshness::default();
        assert_eq!(freshness.level_at(), None);
        freshness.hear(ms(10), 5, 5);
        freshness.hear(ms(110), 5, 5);
        assert_eq!(freshness.level_at(), Some(ms(110)));
        freshness.hear(ms(120), 4, 5);
        assert_eq!(freshness.level_at(), Some(ms(110)), "that word was on its way for long");
        freshness.new_leader();
        freshness.hear(ms(130), 4, 5);
        assert_eq!(freshness.level_at(), Some(ms(130)));
    }

    #[test]
    fn who_is_behind_is_as_old_as_the_first_word_that_it_cannot_follow() {
        let mut freshness = Freshness::default();
        freshness.hear(ms(10), 5, 5);
        for (at, told) in [(20, 6), (30, 7), (40, 7), (50, 6), (60, 9)] {
            freshness.hear(ms(at), told, 5);
            assert_eq!(freshness.level_at(), Some(ms(10)));
        }
        freshness.catch_up(7);
        assert_eq!(freshness.level_at(), Some(ms(40)), "the last time that 7 was all there was");
        freshness.catch_up(9);
        assert_eq!(freshness.level_at(), Some(ms(60)));
    }

    #[test]
    fn past_the_limit_it_is_never_taken_for_fresher_than_it_is() {
        let mut freshness = Freshness::default();
        let words = 3 * WORDS_MAX as u64;
        for word in 1..=words {
            freshness.hear(ms(word), word, 0);
        }
        assert!(freshness.ahead.len() <= WORDS_MAX);
        freshness.catch_up(words - 1);
        assert!(freshness.level_at() < Some(ms(words)));
        freshness.catch_up(words);
        assert_eq!(freshness.level_at(), Some(ms(words)));
    }
}
