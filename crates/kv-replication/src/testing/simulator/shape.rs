//! What a seed is about: how many nodes, with or without disks, and how hostile the network is.

use std::collections::BTreeSet;
use std::time::Duration;

use chacha20::ChaCha8Rng;
use chacha20::rand_core::Rng;

use super::report::Options;
use crate::config::{FollowerConfig, LeaderConfig};
use crate::protocol::delay::DelayLaw;
use crate::protocol::quorum::Quorum;
use crate::protocol::time::Time;

/// Random choices of one run.
#[derive(Debug)]
pub(super) struct Dice(pub(super) ChaCha8Rng);

impl Dice {
    /// One of 0 to `sides` - 1.
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(sides.max(1))) >> 64) as u64
    }

    pub(super) fn pick(&mut self, len: usize) -> usize {
        self.roll(len as u64) as usize
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }

    pub(super) fn between(&mut self, from: Duration, to: Duration) -> Duration {
        from + Duration::from_micros(self.roll((to - from).as_micros() as u64 + 1))
    }
}

/// What an operator starts a leader with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) write: usize,
    /// By link: the node that it leads to.
    pub(super) list: Vec<usize>,
}

impl Setting {
    /// The same W and the same followers, in whatever order.
    pub(super) fn is_same(&self, other: &Setting) -> bool {
        let sorted = |list: &[usize]| list.iter().copied().collect::<BTreeSet<usize>>();
        self.write == other.write && sorted(&self.list) == sorted(&other.list)
    }
}

/// The constants of one run.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// Nodes that can be followers.
    pub(super) followers: usize,
    /// What the first leader is started with.
    pub(super) first: Setting,
    /// W and the list of followers change during the run.
    pub(super) regroups: bool,
    /// The leader has no followers: what it acknowledges is on its own disk alone.
    pub(super) is_lone: bool,
    /// Percent of faults that are a storm of them.
    pub(super) storms: u64,
    /// Percent of starts of a leader that something happens to.
    pub(super) interrupts: u64,
    /// Of a thousand syncs, those that are cut short.
    pub(super) plugs: u64,
    /// Logs, windows and buffers have room for a few entries only.
    tight: bool,
    /// By follower.
    pub(super) durable: Vec<bool>,
    pub(super) durable_leader: bool,
    /// Percent of messages.
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) rivals: bool,
    pub(super) heals_at: Time,
    pub(super) quiet_at: Time,
    pub(super) ends_at: Time,
    pub(super) pause_between_writes: Duration,
    options: Options,
    seed: u64,
}

impl Shape {
    pub(super) fn new(seed: u64, options: Options, dice: &mut Dice) -> Self {
        let followers = 2 + dice.pick(4);
        let disks = dice.roll(3);
        let regroups = followers > 2 && dice.chance(40);
        let listed = if regroups { 2 + dice.pick(followers - 1) } else { followers };
        // In every stretch of seeds there is one.
        let is_lone = dice.chance(4) || seed % 25 == 24;
        let first = Setting { write: 1 + dice.pick(listed), list: (0..listed).collect() };
        let ends_at = Time::ZERO + options.simulated;
        Self {
            followers,
            first: if is_lone { Setting { write: 0, list: Vec::new() } } else { first },
            regroups: regroups && !is_lone,
            is_lone,
            storms: [0, 20, 60][dice.pick(3)],
            interrupts: [0, 15, 40][dice.pick(3)],
            plugs: [0, 1, 4][dice.pick(3)],
            tight: dice.chance(50),
            durable: (0..followers).map(|_| disks == 0 || disks == 1 && dice.chance(50)).collect(),
            durable_leader: dice.chance(40) || is_lone,
            lost: dice.roll(4),
            doubled: dice.roll(4),
            rivals: dice.chance(50) && !is_lone,
            heals_at: Time::ZERO + options.simulated * 85 / 100,
            quiet_at: Time::ZERO + options.simulated * 92 / 100,
            ends_at,
            pause_between_writes: options.simulated / 3_000,
            options,
            seed,
        }
    }

    /// The window of a follower; that of its leader is smaller.
    pub(super) fn window(&self) -> u64 {
        if self.tight { 26 } else { 130 }
    }

    /// Writes that a client may send at once.
    pub(super) fn burst(&self) -> u64 {
        if self.tight { 30 } else { 3 }
    }

    pub(super) fn leader(&self, seed: u64, setting: &Setting) -> Option<LeaderConfig> {
        let mut config = LeaderConfig::new(Quorum::new(setting.list.len(), setting.write).ok()?);
        config.followers = setting.list.iter().map(|node| format!("node-{node}")).collect();
        config.seed = self.seed ^ seed;
        let law = DelayLaw::uniform(self.seed, Duration::ZERO, Duration::from_millis(20 * (self.seed % 4)));
        config.delays = law.unwrap_or(DelayLaw::NONE);
        config.durable = self.durable_leader;
        config.planted = self.options.planted;
        config.timing.mark_interval = Duration::from_secs(1);
        config.timing.replication_timeout = Duration::from_millis(700);
        let log_entries_max = if self.tight { 3 + (self.seed % 5) as usize } else { 40 };
        config.limits.log_entries_max = log_entries_max;
        config.limits.log_entries_hard_max = log_entries_max * 3;
        config.limits.window_entries_max = self.window() * 3 / 4;
        config.limits.batch_entries_max = if self.tight { 2 } else { 5 };
        config.limits.writes_in_flight_max = 60;
        Some(config)
    }

    pub(super) fn follower(&self, follower: usize) -> FollowerConfig {
        FollowerConfig {
            durable: self.durable[follower],
            window_entries_max: self.window(),
            pending_bytes_max: if self.tight { 300 } else { 256 << 20 },
            planted: self.options.planted,
        }
    }
}
