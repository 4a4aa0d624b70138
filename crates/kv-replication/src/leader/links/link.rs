//! What the leader knows of one follower, and what it still has to send there.

use std::time::Duration;

use chacha20::ChaCha8Rng;
use chacha20::rand_core::Rng;
use kv_core::{Entry, Version};

use crate::config::{Limits, Timing};
use crate::leader::ids::AttemptId;
use crate::leader::links::error::LinkError;
use crate::leader::links::status::{LinkState, LinkStatus};
use crate::leader::replication::log::Log;
use crate::protocol::delay::DelayLine;
use crate::protocol::group::Need;
use crate::protocol::message::{Identity, Standing};
use crate::protocol::range_set::RangeSet;
use crate::protocol::time::Time;

/// One request that is under way.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) id: AttemptId,
    pub(crate) deadline: Time,
    pub(crate) asked: Asked,
}

/// What a request was about.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    Probe,
    Claim,
    /// The versions that it carries; none for a bare mark.
    Append(RangeSet),
    /// A chunk of a snapshot, and where the next one goes on.
    Install {
        after: Option<String>,
        last: bool,
    },
    /// A chunk of the committed state, or of what is pending.
    Pull {
        state: bool,
    },
}

/// A snapshot on its way to a follower.
#[derive(Clone, Debug)]
pub(crate) struct Pushing {
    pub(crate) base: Version,
    pub(crate) chunk: u64,
    /// The last key that is there already.
    pub(crate) after: Option<String>,
}

/// A follower that has lost its memory, on its way back.
#[derive(Clone, Debug)]
pub(crate) struct Refill {
    /// Everything that was assigned when it came.
    pub(crate) through: Version,
    /// How many others must confirm the epoch after it came, of each group.
    pub(crate) needed: Vec<Need>,
    /// Requests from this one on were sent after it came.
    pub(crate) since: AttemptId,
    /// Who has confirmed.
    pub(crate) confirmed: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) state: LinkState,
    pub(crate) identity: Option<Identity>,
    /// What it said when it was probed or claimed last; none while it is down.
    pub(crate) standing: Option<Box<Standing>>,
    /// Its acknowledgements count.
    pub(crate) counts: bool,
    /// It has said last that it has lost its memory.
    pub(crate) is_lost: bool,
    /// It has promised the leader's epoch.
    pub(crate) claimed: bool,
    pub(crate) refill: Option<Refill>,
    /// It is to be told that it counts.
    pub(crate) granted: bool,
    pub(crate) pushing: Option<Pushing>,
    /// What it holds under the leader's epoch.
    pub(crate) acked: RangeSet,
    /// A read waits for an answer to something that is sent from now on.
    pub(crate) is_asked: bool,
    /// It has room for nothing above, as far as is known.
    pub(crate) room_last: Option<Version>,
    /// Entries on the simulated wire.
    pub(crate) line: DelayLine,
    /// Entries that are due and neither acknowledged nor under way.
    pub(crate) ready: RangeSet,
    pub(crate) attempts: Vec<Attempt>,
    /// The operator has been told that it is up.
    pub(crate) announced: bool,
    pub(crate) failures: u32,
    /// When the last failure was seen; none while it is up.
    pub(crate) down_seen: Option<Time>,
    pub(crate) last_error: Option<LinkError>,
    /// When the mark travels if nothing else does, or a link that waits is asked again.
    pub(crate) next_mark: Time,
    /// Since when it lacks something that is committed.
    pub(crate) behind_since: Option<Time>,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self {
            state: LinkState::Down { retry_at: Time::ZERO },
            identity: None,
            standing: None,
            counts: false,
            is_lost: false,
            claimed: false,
            refill: None,
            granted: false,
            pushing: None,
            acked: RangeSet::new(),
            is_asked: false,
            room_last: None,
            line: DelayLine::new(),
            ready: RangeSet::new(),
            attempts: Vec::new(),
            announced: false,
            failures: 0,
            down_seen: None,
            last_error: None,
            next_mark: Time::ZERO,
            behind_since: None,
        }
    }

    /// It has answered since it was down last.
    pub(crate) fn answered(&self) -> Option<&Standing> {
        self.standing.as_deref()
    }

    /// What it acknowledges counts for W.
    pub(crate) fn is_up(&self) -> bool {
        self.is_streaming() && self.counts
    }

    pub(crate) fn is_streaming(&self) -> bool {
        self.state == LinkState::Streaming
    }

    /// It follows, whether or not it has room for more.
    pub(crate) fn is_following(&self) -> bool {
        matches!(self.state, LinkState::Streaming | LinkState::Full)
    }

    pub(crate) fn status(&self, name: &str, now: Time) -> LinkStatus {
        LinkStatus {
            name: name.to_owned(),
            state: self.state,
            counts: self.counts,
            lag: self.behind_since.map_or(Duration::ZERO, |since| now.since(since)),
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
    pub(crate) fn next_batch(&mut self, log: &Log, limits: &Limits) -> Option<(Vec<Entry>, RangeSet)> {
        self.ready.first()?;
        let window_last = self.acked.watermark().saturating_add(limits.window_entries_max);
        let window_last = self.room_last.map_or(window_last, |last| last.min(window_last));
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
        let last = entries.last().map(Entry::version)?;
        Some((entries, self.ready.take_through(last)))
    }

    /// Whether it lacks something that is no longer in the log.
    pub(crate) fn is_behind(&self, log: &Log) -> bool {
        self.acked.gaps(1..=log.first().saturating_sub(1)).next().is_some()
    }

    /// Begins to send: everything in the log that is neither acknowledged nor delayed nor under way.
    pub(crate) fn start_streaming(&mut self, log: &Log) {
        self.ready = self.acked.gaps(log.first()..=log.last()).collect();
        for attempt in &self.attempts {
            if let Asked::Append(versions) = &attempt.asked {
                versions.iter().for_each(|range| self.ready.remove_range(range));
            }
        }
        for version in self.line.versions() {
            self.ready.remove_range(version..=version);
        }
        self.state = LinkState::Streaming;
        self.down_seen = None;
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
        self.rest(now + pause)
    }

    /// Not asked before `retry_at`. Gives back what was under way.
    pub(crate) fn rest(&mut self, retry_at: Time) -> Vec<AttemptId> {
        self.state = LinkState::Down { retry_at };
        self.standing = None;
        self.claimed = false;
        self.abandon()
    }

    /// Takes back everything that is under way.
    pub(crate) fn abandon(&mut self) -> Vec<AttemptId> {
        let abandoned = std::mem::take(&mut self.attempts);
        for attempt in &abandoned {
            self.take_back(attempt);
        }
        abandoned.into_iter().map(|attempt| attempt.id).collect()
    }

    /// What the attempt carried has to be sent again.
    pub(crate) fn take_back(&mut self, attempt: &Attempt) {
        if let Asked::Append(versions) = &attempt.asked {
            versions.iter().for_each(|range| self.ready.insert_range(range));
        }
    }

    /// When this link needs the machine again.
    pub(crate) fn next_timeout(&self) -> Option<Time> {
        let own = match self.state {
            LinkState::Down { retry_at } => Some(retry_at),
            LinkState::Streaming | LinkState::Full | LinkState::Waiting if self.attempts.is_empty() => {
                Some(self.next_mark)
            }
            _ => None,
        };
        let attempts = self.attempts.iter().map(|attempt| attempt.deadline);
        own.into_iter().chain(attempts).chain(self.line.next_due()).min()
    }
}

pub(crate) fn backoff(failures: u32, timing: &Timing, rng: &mut ChaCha8Rng) -> Duration {
    let pause = timing.retry_first.saturating_mul(1 << failures.min(20)).min(timing.retry_max);
    let half = pause / 2;
    half + half.mul_f64(f64::from(rng.next_u32()) / f64::from(u32::MAX))
}
