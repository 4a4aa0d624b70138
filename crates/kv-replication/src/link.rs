//! What the leader knows of one follower, and what it still has to send there.

use std::time::Duration;

use chacha20::ChaCha8Rng;
use chacha20::rand_core::Rng;
use kv_core::{Entry, Version};
use thiserror::Error;

use crate::log::Log;
use crate::{ClusterId, DelayLine, Identity, Limits, RangeSet, Refusal, Time, Timing};

/// The leader's name for one request that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub u64);

/// A follower as the leader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// The last request failed; it is asked again later.
    Down {
        /// When.
        retry_at: Time,
    },
    /// It is being asked what it holds.
    Probing,
    /// It has answered that it has no data; the leader waits for the others.
    Fresh,
    /// Entries go there.
    Streaming,
}

/// Why a follower is down.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LinkError {
    /// The request did not arrive, or its answer did not.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// No answer within the time-out of one attempt.
    #[error("no answer in time")]
    TimedOut,
    /// It answered, and refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It holds data, and this leader starts a new history.
    #[error("the follower holds data{}: a leader that starts without memory cannot take it over yet; empty the follower with POST /reset or start it again", of_cluster(*cluster))]
    HasData {
        /// Whose data.
        cluster: Option<ClusterId>,
    },
    /// It is another node than the last time, or was emptied; it is asked again at once.
    #[error("the follower has lost its memory since the last contact")]
    NewIdentity,
    /// It has promised another epoch than the one it was asked under; it is asked again.
    #[error("the follower answered under another epoch")]
    OtherEpoch,
    /// It has the leader's own id.
    #[error("the follower's address leads to this leader itself")]
    OwnId,
    /// Two addresses lead to one node.
    #[error("the follower's address leads to the same node as follower {}", other + 1)]
    DuplicateId {
        /// The other's index, from 0.
        other: usize,
    },
    /// It lacks entries that have left the log.
    #[error(
        "the follower holds everything up to {watermark} only, and the log begins at {log_first}: it needs a snapshot"
    )]
    BehindLog {
        /// What it holds without a gap.
        watermark: Version,
        /// The oldest version in the log.
        log_first: Version,
    },
}

fn of_cluster(cluster: Option<ClusterId>) -> String {
    cluster.map_or_else(String::new, |cluster| format!(" of cluster {cluster}"))
}

/// One follower, for those who watch.
#[derive(Clone, Debug)]
pub struct LinkStatus {
    /// How the leader sees it.
    pub state: LinkState,
    /// Who it said it is.
    pub identity: Option<Identity>,
    /// What it has acknowledged without a gap from version 1.
    pub watermark: Version,
    /// Requests under way.
    pub in_flight: usize,
    /// Failures since the last success.
    pub failures: u32,
    /// The last failure; it stays after the follower is back.
    pub last_error: Option<LinkError>,
}

/// One request that is under way.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) id: AttemptId,
    pub(crate) deadline: Time,
    /// The versions that it carries; none for a probe and for a bare mark.
    pub(crate) versions: RangeSet,
    pub(crate) probe: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) state: LinkState,
    pub(crate) identity: Option<Identity>,
    /// It has confirmed the leader's epoch.
    pub(crate) claimed: bool,
    /// What it holds under the leader's epoch.
    pub(crate) acked: RangeSet,
    /// Entries on the simulated wire.
    pub(crate) line: DelayLine,
    /// Entries that are due and neither acknowledged nor under way.
    pub(crate) ready: RangeSet,
    pub(crate) attempts: Vec<Attempt>,
    /// This node holds other content than the leader under the leader's own epoch: nothing that it
    /// says it holds can be trusted, until it has lost its memory.
    pub(crate) diverged: Option<(Identity, Version)>,
    /// The operator has been told that it is up.
    pub(crate) announced: bool,
    pub(crate) failures: u32,
    /// When the last failure was seen; none while it is up.
    pub(crate) down_seen: Option<Time>,
    pub(crate) last_error: Option<LinkError>,
    /// When the mark travels if nothing else does.
    pub(crate) next_mark: Time,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self {
            state: LinkState::Down { retry_at: Time::ZERO },
            identity: None,
            claimed: false,
            acked: RangeSet::new(),
            line: DelayLine::new(),
            ready: RangeSet::new(),
            attempts: Vec::new(),
            diverged: None,
            announced: false,
            failures: 0,
            down_seen: None,
            last_error: None,
            next_mark: Time::ZERO,
        }
    }

    pub(crate) fn is_streaming(&self) -> bool {
        self.state == LinkState::Streaming
    }

    pub(crate) fn status(&self) -> LinkStatus {
        LinkStatus {
            state: self.state,
            identity: self.identity,
            watermark: self.acked.watermark(),
            in_flight: self.attempts.len(),
            failures: self.failures,
            last_error: self.last_error.clone(),
        }
    }

    /// Lets everything that is due off the simulated wire.
    pub(crate) fn release_due(&mut self, now: Time) {
        while let Some(version) = self.line.pop_due(now) {
            if !self.acked.contains(version) {
                self.ready.insert(version);
            }
        }
    }

    /// The next batch to send, if there is one and room for it; its versions count as under way
    /// once the caller has added an attempt for them.
    ///
    /// # Errors
    /// [`LinkError::BehindLog`] if the follower lacks what is no longer in the log.
    pub(crate) fn next_batch(
        &mut self,
        log: &Log,
        limits: &Limits,
    ) -> Result<Option<(Vec<Entry>, RangeSet)>, LinkError> {
        let Some(first) = self.ready.first() else {
            return Ok(None);
        };
        if first < log.first() {
            return Err(self.behind(log));
        }
        let window_last = self.acked.watermark().saturating_add(limits.window_entries_max);
        let mut entries = Vec::new();
        let mut bytes = 0;
        for version in self.ready.iter().flatten() {
            let Some(slot) = log.get(version).filter(|_| version <= window_last) else {
                break;
            };
            bytes += slot.entry.frame().len();
            if entries.len() == limits.batch_entries_max
                || (bytes > limits.batch_bytes_max && !entries.is_empty())
            {
                break;
            }
            entries.push(slot.entry.clone());
        }
        let Some(last) = entries.last().map(Entry::version) else {
            return Ok(None);
        };
        Ok(Some((entries, self.ready.take_through(last))))
    }

    /// Begins to send: everything in the log that is neither acknowledged nor delayed.
    ///
    /// # Errors
    /// [`LinkError::BehindLog`] if the follower lacks what is no longer in the log.
    pub(crate) fn start_streaming(&mut self, log: &Log) -> Result<(), LinkError> {
        if self.acked.gaps(1..=log.first().saturating_sub(1)).next().is_some() {
            return Err(self.behind(log));
        }
        self.ready = self.acked.gaps(log.first()..=log.last()).collect();
        for version in self.line.versions() {
            self.ready.remove_range(version..=version);
        }
        self.state = LinkState::Streaming;
        Ok(())
    }

    /// It is down: asked again after a pause that doubles, with jitter so that several followers that
    /// failed together are not asked together for ever. Gives back what was under way; nobody waits
    /// for those requests any more.
    pub(crate) fn fail(
        &mut self,
        now: Time,
        error: LinkError,
        timing: &Timing,
        rng: &mut ChaCha8Rng,
    ) -> Vec<AttemptId> {
        let pause = match error {
            LinkError::NewIdentity if self.failures == 0 => Duration::ZERO,
            _ => backoff(self.failures, timing, rng),
        };
        self.failures = self.failures.saturating_add(1);
        self.down_seen = Some(now);
        self.last_error = Some(error);
        self.state = LinkState::Down { retry_at: now + pause };
        self.abandon()
    }

    /// Takes back everything that is under way.
    pub(crate) fn abandon(&mut self) -> Vec<AttemptId> {
        let abandoned = std::mem::take(&mut self.attempts);
        for range in abandoned.iter().flat_map(|attempt| attempt.versions.iter()) {
            self.ready.insert_range(range);
        }
        abandoned.into_iter().map(|attempt| attempt.id).collect()
    }

    /// When this link needs the machine again.
    pub(crate) fn next_timeout(&self) -> Option<Time> {
        let own = match self.state {
            LinkState::Down { retry_at } => Some(retry_at),
            LinkState::Streaming if self.attempts.is_empty() => Some(self.next_mark),
            LinkState::Streaming | LinkState::Probing | LinkState::Fresh => None,
        };
        let attempts = self.attempts.iter().map(|attempt| attempt.deadline);
        own.into_iter().chain(attempts).chain(self.line.next_due()).min()
    }

    fn behind(&self, log: &Log) -> LinkError {
        LinkError::BehindLog { watermark: self.acked.watermark(), log_first: log.first() }
    }
}

fn backoff(failures: u32, timing: &Timing, rng: &mut ChaCha8Rng) -> Duration {
    let pause = timing.retry_first.saturating_mul(1 << failures.min(20)).min(timing.retry_max);
    let half = pause / 2;
    half + half.mul_f64(f64::from(rng.next_u32()) / f64::from(u32::MAX))
}
