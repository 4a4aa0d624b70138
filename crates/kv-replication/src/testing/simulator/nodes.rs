//! The nodes: a machine, its disk, and whether it runs.

use kv_core::NodeId;

use super::disk::Disk;
use super::shape::Setting;
use crate::durable::image::Image;
use crate::follower::Follower;
use crate::leader::ids::AttemptId;
use crate::leader::ids::PersistId;
use crate::leader::machine::Leader;
use crate::leader::phase::Phase;
use crate::protocol::message::{Refusal, Reply};
use crate::protocol::time::Time;

/// Leader processes at a time.
pub(super) const LEADERS: usize = 3;

/// An answer on its way to the attempt of a leader that asked.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) leader: usize,
    pub(super) life: u64,
    /// The address that was asked.
    pub(super) address: usize,
    pub(super) attempt: AttemptId,
    pub(super) reply: Reply,
    /// What the leader gets instead, in a run with a planted bug.
    pub(super) bent: Option<Reply>,
}

#[derive(Debug)]
pub(super) struct FollowerNode {
    /// None while it is down.
    pub(super) machine: Option<Follower>,
    pub(super) disk: Disk<Letter>,
    /// Rises with every start: what was meant for an earlier life does not count.
    pub(super) life: u64,
    pub(super) paused_until: Time,
    pub(super) slow_disk: bool,
    pub(super) full_disk: bool,
    /// It has counted: if it does not any more, it has lost something.
    pub(super) has_counted: bool,
    /// The highest mark that it has shown in this memory.
    pub(super) shown_mark: (u64, kv_core::Version),
}

#[derive(Debug)]
pub(super) struct LeaderNode {
    pub(super) machine: Option<Leader>,
    pub(super) disk: Disk<PersistId>,
    pub(super) life: u64,
    pub(super) paused_until: Time,
    pub(super) slow_disk: bool,
    /// While its disk is full: the newest version that it had given when that began.
    pub(super) full_at: Option<kv_core::Version>,
    /// The tick that is scheduled.
    pub(super) tick_at: Option<Time>,
    pub(super) setting: Setting,
}

impl Letter {
    /// What waits for records that no answer waits for.
    pub(super) fn to_nobody() -> Self {
        let reply = Err(Refusal::WrongChunk { expected: 0 });
        Self { leader: 0, life: 0, address: 0, attempt: AttemptId(0), reply, bent: None }
    }
}

impl FollowerNode {
    pub(super) fn down(id: u64) -> Self {
        Self {
            machine: None,
            disk: Disk::new(Image::new(NodeId(id))),
            life: 0,
            paused_until: Time::ZERO,
            slow_disk: false,
            full_disk: false,
            has_counted: false,
            shown_mark: (0, 0),
        }
    }
}

impl LeaderNode {
    pub(super) fn serves(&self) -> bool {
        self.machine.as_ref().is_some_and(|leader| leader.phase() == Phase::Serving)
    }

    pub(super) fn down(id: u64) -> Self {
        Self {
            machine: None,
            disk: Disk::new(Image::new(NodeId(id))),
            life: 0,
            paused_until: Time::ZERO,
            slow_disk: false,
            full_at: None,
            tick_at: None,
            setting: Setting { write: 0, list: Vec::new() },
        }
    }
}
