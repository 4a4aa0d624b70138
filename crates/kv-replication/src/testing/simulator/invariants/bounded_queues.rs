//! The log stays within its hard limit and one window of uncommitted entries, and a follower's pending
//! entries within its window.

use super::violation::Violation;
use crate::follower::Follower;
use crate::leader::machine::Leader;

pub(in crate::testing::simulator) fn leader(leader: &Leader) -> Result<(), Violation> {
    let limits = &leader.config().limits;
    let most = limits.log_entries_hard_max + limits.window_entries_max as usize + 1;
    let (entries, _) = leader.log_size();
    if entries <= most {
        Ok(())
    } else {
        Err(("bounded_queues", format!("a log of {entries}, at most {most}")))
    }
}

pub(in crate::testing::simulator) fn follower(follower: &Follower, window: u64) -> Result<(), Violation> {
    let pending = follower.pending_len() as u64;
    // Older epochs' entries may lie beside the window of the current one.
    if pending <= 2 * window { Ok(()) } else { Err(("bounded_queues", format!("{pending} pending entries"))) }
}
