//! Where a leader is in its life.

use kv_core::Epoch;

/// Where the leader is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Asks the followers what they hold.
    Asking,
    /// Asks them to promise its epoch.
    Claiming,
    /// Reads what they have.
    Pulling,
    /// Has every acknowledged write, and waits until W followers have them under its epoch.
    Recovering,
    /// All followers have them too, and take note of a new W or list of followers.
    Changing,
    /// Takes writes.
    Serving,
    /// Has met a higher epoch, and has stopped.
    Deposed {
        /// That epoch.
        by: Epoch,
    },
}
