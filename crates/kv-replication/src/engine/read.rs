//! What a read asks for, and what it gives.

use std::time::Duration;

use kv_core::{Entry, Epoch, Operation, Version};
use thiserror::Error;

use crate::leader::problem::{ConfirmError, StartProblem};

/// What a key holds. Shares the memory of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read(Entry);

/// Which entries a read sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// All that the node holds. On a follower that may be behind the leader, and pending entries may be
    /// seen that are never committed; a leader shows nothing but what is committed.
    #[default]
    Local,
    /// What the node knows to be committed.
    Committed,
    /// Everything that was acknowledged before the read came, or more: only a leader can tell, and it asks
    /// W followers first.
    Linearizable,
}

/// What a read asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// Which entries it sees.
    pub level: Level,
    /// It sees at least everything up to this version: read your writes. 0 asks for nothing.
    ///
    /// The node waits until its commit mark is there. A follower's watermark would be sooner, and not enough:
    /// what it holds above its mark may be what another leader has replaced since.
    pub min_version: Version,
    /// How long it may wait for that.
    pub timeout: Duration,
}

/// Where a node stood when it answered a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// A leader's newest committed version; a follower's watermark: what it holds without a gap from version 1.
    pub version: Version,
    /// The node's commit mark.
    pub mark: Version,
    /// It is a leader.
    pub is_leader: bool,
    /// The leader's epoch; the one that a follower has promised, [`Epoch::ZERO`] if none.
    pub epoch: Epoch,
    /// How old what a follower shows may be: the time since its leader last said that it had committed
    /// no more than the follower knows to be committed by now. What that word took on its way is not in
    /// it. Never lower than the time since the leader was heard last. None on a leader, and on a follower
    /// that has never been level with a leader that serves.
    pub lag: Option<Duration>,
}

/// What a read has found, and where the node stood at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen<T> {
    /// Where the node stood.
    pub position: Position,
    /// What was there.
    pub found: T,
}

/// Why a read was not answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The leader does not have everything back yet.
    #[error("the leader is not ready: {0}")]
    Recovering(StartProblem),
    /// The node did not get to the wanted version in time.
    #[error("the node knows everything up to version {} to be committed, not up to {wanted}", position.mark)]
    Stale {
        /// What was wanted.
        wanted: Version,
        /// How far it got.
        position: Position,
    },
    /// The followers have not confirmed that this is still their leader.
    #[error(transparent)]
    Unconfirmed(#[from] ConfirmError),
    /// Only a leader can answer that.
    #[error("only the leader can answer a linearizable read")]
    NotLeader,
    /// What the node shows belonged to no single version in time.
    #[error("what the node shows belonged to no single version in time; a follower that is level would do")]
    NotWhole,
    /// [`WAITERS_MAX`](crate::engine::WAITERS_MAX) others wait already.
    #[error("too many wait already")]
    TooManyWaiting,
}

impl Read {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        self.0.operation().key().unwrap_or_default()
    }

    /// The value: any bytes.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        match self.0.operation() {
            Operation::Put { value, .. } => value,
            Operation::Delete { .. } | Operation::Clear | Operation::NoOp => &[],
        }
    }

    /// The version of the put that wrote it.
    #[must_use]
    pub fn version(&self) -> Version {
        self.0.version()
    }
}

/// The read that shows what `entry` wrote.
impl From<Entry> for Read {
    fn from(entry: Entry) -> Self {
        Self(entry)
    }
}
