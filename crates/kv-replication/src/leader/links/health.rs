//! The failures of a follower, and what the operator has been told of them.

use std::mem::discriminant;
use std::time::Duration;

use chacha20::ChaCha8Rng;
use chacha20::rand_core::Rng;

use super::error::LinkError;
use crate::config::Timing;
use crate::protocol::time::Time;

/// How a follower is, for its retries and for people.
#[derive(Clone, Debug, Default)]
pub(in crate::leader) struct Health {
    /// The operator has been told that it is up.
    announced: bool,
    /// Failures since the last success.
    failures: u32,
    /// When the last failure was seen; none while it is up.
    down_seen: Option<Time>,
    /// It stays after the follower is back.
    last_error: Option<LinkError>,
}

impl Health {
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// When its last failure was seen; none while it is up.
    pub(in crate::leader) fn down_seen(&self) -> Option<Time> {
        self.down_seen
    }

    pub(super) fn last_error(&self) -> Option<&LinkError> {
        self.last_error.as_ref()
    }

    /// A failure. The pause before the next attempt doubles with every one, with jitter so that several
    /// followers that failed together are not asked together for ever. The flag says whether this is news.
    pub(super) fn fail(
        &mut self,
        now: Time,
        error: LinkError,
        timing: &Timing,
        rng: &mut ChaCha8Rng,
    ) -> (Duration, bool) {
        let same_kind = |last: &LinkError| discriminant(last) == discriminant(&error);
        let is_news = self.announced || !self.last_error.as_ref().is_some_and(same_kind);
        self.announced = false;
        let pause = match error {
            LinkError::NewIdentity if self.failures == 0 => Duration::ZERO,
            _ => backoff(self.failures, timing, rng),
        };
        self.failures = self.failures.saturating_add(1);
        self.down_seen = Some(now);
        self.last_error = Some(error);
        (pause, is_news)
    }

    /// It answers, but takes nothing: it is no help to a write. Says whether this is news.
    pub(super) fn hold_back(&mut self, now: Time, error: LinkError) -> bool {
        let is_news = self.announced || self.last_error.as_ref() != Some(&error);
        self.announced = false;
        self.down_seen = Some(now);
        self.last_error = Some(error);
        is_news
    }

    /// It has answered as it should.
    pub(super) fn succeed(&mut self) {
        self.failures = 0;
    }

    /// It is not known to be down any more.
    pub(super) fn recover(&mut self) {
        self.down_seen = None;
    }

    /// Whether the operator is to be told now that it is up.
    pub(super) fn announce(&mut self) -> bool {
        !std::mem::replace(&mut self.announced, true)
    }

    /// The operator is to be told once more, as soon as it is up.
    pub(super) fn announce_again(&mut self) {
        self.announced = false;
    }
}

/// The pause after so many failures in a row.
pub(in crate::leader) fn backoff(failures: u32, timing: &Timing, rng: &mut ChaCha8Rng) -> Duration {
    let pause = timing.retry_first.saturating_mul(2_u32.pow(failures.min(20))).min(timing.retry_max);
    let half = pause / 2;
    half + half.mul_f64(f64::from(rng.next_u32()) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::delay::stream;

    #[test]
    fn a_failure_of_the_same_kind_is_told_once_and_the_pause_grows() {
        let (timing, mut rng, mut health) = (Timing::default(), stream(1, 0), Health::default());
        let mut fail = |health: &mut Health, error| health.fail(Time::ZERO, error, &timing, &mut rng);
        let (first, is_news) = fail(&mut health, LinkError::TimedOut);
        assert!(is_news && first <= timing.retry_first);
        let (_, is_news) = fail(&mut health, LinkError::TimedOut);
        assert!(!is_news);
        let (third, is_news) = fail(&mut health, LinkError::Unreachable("refused".to_owned()));
        assert!(is_news && third >= timing.retry_first);
        assert_eq!(health.down_seen(), Some(Time::ZERO));
        health.succeed();
        health.recover();
        assert!(health.announce() && !health.announce());
        assert_eq!((health.down_seen(), health.failures()), (None, 0));
        // A follower that was up is missed, whatever its last failure was.
        let (_, is_news) = fail(&mut health, LinkError::Unreachable("refused".to_owned()));
        assert!(is_news);
    }

    #[test]
    fn another_node_at_the_address_is_asked_at_once_but_not_for_ever() {
        let (timing, mut rng, mut health) = (Timing::default(), stream(1, 0), Health::default());
        let mut pause = || health.fail(Time::ZERO, LinkError::NewIdentity, &timing, &mut rng).0;
        assert_eq!(pause(), Duration::ZERO);
        assert!(pause() > Duration::ZERO);
    }
}
