//! Every limit and every interval, by name.

use std::time::Duration;

use kv_core::Epoch;

use crate::protocol::delay::DelayLaw;
use crate::protocol::group::Group;
use crate::protocol::quorum::Quorum;
#[cfg(feature = "simulator")]
use crate::testing::planted::Bug;

/// What a leader needs to know.
#[derive(Clone, Debug)]
pub struct LeaderConfig {
    /// N and W.
    pub quorum: Quorum,
    /// The names (addresses) of the followers, by index: as many as the quorum has followers. With W they
    /// are part of every promise; a leader that is started with others takes more care.
    pub followers: Vec<String>,
    /// The simulated delay of every entry.
    pub delays: DelayLaw,
    /// Seed of the jitter of retries.
    pub seed: u64,
    /// Start a new history although not every follower has answered. An operator's decision: a
    /// follower that did not answer may hold an older history, and will then be refused.
    pub new_history: bool,
    /// Go on with what those who answer still have, although too few of them do, as a new cluster. An
    /// operator's decision: acknowledged writes may be lost, and whoever did not answer is refused later.
    pub accept_data_loss: bool,
    /// The caller writes down what [`Output::Persist`](crate::Output::Persist) says, and nothing is
    /// committed before it has.
    pub durable: bool,
    /// A deliberate mistake, for tests of the tests.
    #[cfg(feature = "simulator")]
    pub planted: Option<Bug>,
    /// How often and how long.
    pub timing: Timing,
    /// How much.
    pub limits: Limits,
}

/// How often and how long.
#[derive(Clone, Debug)]
pub struct Timing {
    /// One attempt of one request, simulated delay not included.
    pub replication_timeout: Duration,
    /// First pause after a failure; doubled with every further one.
    pub retry_first: Duration,
    /// Longest pause between attempts.
    pub retry_max: Duration,
    /// A failure older than this is no reason to refuse a write: the follower is asked again.
    pub news_age_max: Duration,
    /// How often the commit mark travels on a link that has nothing else to send.
    pub mark_interval: Duration,
}

/// How much, on a leader.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Writes that wait for their answer; past it `overloaded`.
    pub writes_in_flight_max: usize,
    /// Linearizable reads that wait for their confirmation; past it `overloaded`.
    pub reads_waiting_max: usize,
    /// Entries in the log; past it committed ones leave.
    pub log_entries_max: usize,
    /// Bytes of frames in the log; past it committed entries leave.
    pub log_bytes_max: usize,
    /// Entries in the log as long as a follower that is up lacks the oldest; past it that follower is
    /// left behind.
    pub log_entries_hard_max: usize,
    /// The same in bytes of frames.
    pub log_bytes_hard_max: usize,
    /// Bytes of writes that wait for the leader to find out whether it can take them.
    pub parked_bytes_max: usize,
    /// How far above the commit mark versions may be assigned, and above a follower's watermark
    /// sent, and how many entries may be on one simulated wire; the window of [`FollowerConfig`] must not be smaller.
    pub window_entries_max: u64,
    /// Entries in one request.
    pub batch_entries_max: usize,
    /// Bytes of frames in one request; a single larger entry still travels, alone.
    pub batch_bytes_max: usize,
    /// Requests under way to one follower.
    pub requests_in_flight_max: usize,
}

/// What a follower needs to know.
#[derive(Clone, Debug)]
pub struct FollowerConfig {
    /// How far above its commit mark it takes versions.
    pub window_entries_max: u64,
    /// Bytes of frames above its commit mark; past it only what closes the gap above it is taken, which the
    /// limit of the leader's log bounds.
    pub pending_bytes_max: usize,
    /// The caller writes down the records of [`Durable`](crate::Durable).
    pub durable: bool,
    /// A deliberate mistake, for tests of the tests.
    #[cfg(feature = "simulator")]
    pub planted: Option<Bug>,
}

impl LeaderConfig {
    /// The defaults, without delays, for `quorum`.
    #[must_use]
    pub fn new(quorum: Quorum) -> Self {
        Self {
            quorum,
            followers: (1..=quorum.followers()).map(|number| format!("follower-{number}")).collect(),
            delays: DelayLaw::NONE,
            seed: 0,
            new_history: false,
            accept_data_loss: false,
            durable: false,
            #[cfg(feature = "simulator")]
            planted: None,
            timing: Timing::default(),
            limits: Limits::default(),
        }
    }
}

impl LeaderConfig {
    /// W and the followers, as promises name them.
    pub(crate) fn group(&self, since: Epoch) -> Group {
        let mut followers = self.followers.clone();
        followers.sort();
        Group { since, write: self.quorum.write(), followers }
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            replication_timeout: Duration::from_secs(3),
            retry_first: Duration::from_millis(20),
            retry_max: Duration::from_secs(1),
            news_age_max: Duration::from_millis(500),
            mark_interval: Duration::from_millis(100),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            writes_in_flight_max: 10_000,
            reads_waiting_max: 10_000,
            log_entries_max: 250_000,
            log_bytes_max: 64 << 20,
            log_entries_hard_max: 1_000_000,
            log_bytes_hard_max: 256 << 20,
            parked_bytes_max: 64 << 20,
            window_entries_max: 200_000,
            batch_entries_max: 1_024,
            batch_bytes_max: 1 << 20,
            requests_in_flight_max: 4,
        }
    }
}

impl Default for FollowerConfig {
    fn default() -> Self {
        Self {
            window_entries_max: 250_000,
            pending_bytes_max: 256 << 20,
            durable: false,
            #[cfg(feature = "simulator")]
            planted: None,
        }
    }
}
