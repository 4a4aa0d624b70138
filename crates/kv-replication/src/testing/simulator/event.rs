//! What can happen to a cluster.

use super::nodes::Letter;
use crate::leader::ids::AttemptId;
use crate::protocol::message::Request;

#[derive(Debug)]
pub(super) enum Event {
    Arrive { wire: (usize, usize), life: u64, attempt: AttemptId, request: Request },
    Back(Letter),
    Broken { leader: usize, life: u64, attempt: AttemptId },
    Tick { leader: usize, life: u64 },
    FollowerSynced { follower: usize, life: u64 },
    LeaderSynced { leader: usize, life: u64 },
    Client,
    Fault,
    Undo(Fault),
    Heal,
    Look,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    FollowerDies(usize),
    LeaderDies(usize),
    WireCut(usize, usize),
    SlowNetwork,
    SlowDisk(Seat),
    FullDisk(Seat),
    /// The power fails during a sync.
    Plug(Seat),
    Astray,
    /// One of a storm: it strikes, and is over soon.
    Gust,
    /// A leader that has just been started is killed, or one of its followers is.
    Interrupt(usize),
}

/// Whose disk.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seat {
    Follower(usize),
    Leader(usize),
}
