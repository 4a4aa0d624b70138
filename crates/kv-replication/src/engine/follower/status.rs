//! The state of a follower, for those who watch it.

use std::time::Duration;

use kv_core::Version;

use super::handle::FollowerHandle;
use crate::engine::lock::lock;
use crate::protocol::message::{Held, Standing};

/// A follower, for those who watch.
#[derive(Clone, Debug)]
pub struct FollowerStatus {
    /// What it would tell a leader.
    pub standing: Standing,
    /// What it holds without a gap from version 1.
    pub watermark: Version,
    /// The commit mark of its leader, as it was told last.
    pub leader_mark: Version,
    /// It keeps on a disk what it must not forget.
    pub durable: bool,
    /// Live keys among what it knows to be committed.
    pub keys: usize,
    /// Since its start.
    pub uptime: Duration,
    /// How long ago its leader spoke to it.
    pub last_heard: Option<Duration>,
    /// How old what it shows may be: see [`Position::lag`](crate::engine::Position::lag).
    pub lag: Option<Duration>,
}

impl FollowerHandle {
    /// Everything that an operator wants to see, at one moment.
    #[must_use]
    pub fn status(&self) -> FollowerStatus {
        let now = self.clock().now();
        let core = lock(self.core());
        FollowerStatus {
            standing: core.follower().standing(),
            watermark: core.follower().watermark(),
            leader_mark: core.follower().leader_mark(),
            durable: self.is_durable(),
            keys: core.follower().store().len(),
            uptime: now.since_origin(),
            last_heard: core.heard().map(|heard| now.since(heard)),
            lag: core.position(now).lag,
        }
    }

    /// What it would answer to a probe.
    #[must_use]
    pub fn standing(&self) -> Standing {
        lock(self.core()).follower().standing()
    }

    /// What it holds.
    #[must_use]
    pub fn holds(&self) -> Held {
        lock(self.core()).follower().holds()
    }
}
