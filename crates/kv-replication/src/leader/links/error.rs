//! Why a follower is down.

use kv_core::Version;
use thiserror::Error;

use crate::protocol::message::Refusal;

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
    /// While it took in a snapshot, what followed left the log; it starts again.
    #[error("the log moved on while the follower took in a snapshot")]
    SnapshotTooSlow,
    /// It answers something else than it was asked.
    #[error("the follower gave an answer of another kind than the request has")]
    OtherAnswer,
    /// It holds versions that this leader has never given.
    #[error(
        "the follower holds everything up to {mark}, and this leader has given no version above {assigned}"
    )]
    Ahead {
        /// Its commit mark.
        mark: Version,
        /// The newest version of this leader.
        assigned: Version,
    },
}
