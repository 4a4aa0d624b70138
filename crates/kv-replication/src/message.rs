//! What travels between a leader and a follower.

use std::fmt;

use kv_core::{Entry, Epoch, NodeId, Version};
use thiserror::Error;

use crate::RangeSet;

/// The identity of one history of writes. Nodes of different clusters never mix their data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u64);

/// Leader to follower.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// "Who are you, and what do you hold?" Changes nothing.
    Probe,
    /// "Hold these under my epoch." Without entries it still carries the epoch and the mark.
    Append(Append),
}

/// Entries under the sender's epoch, and how far everything is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The sender's cluster.
    pub cluster: ClusterId,
    /// The sender's epoch, which is that of every entry too.
    pub epoch: Epoch,
    /// The sender's recovery is complete: pending entries of older epochs are void.
    pub recovered: bool,
    /// Everything up to this version is committed.
    pub mark: Version,
    /// In the order of their versions; each is counted by the receiver, whatever came before it.
    pub entries: Vec<Entry>,
}

/// Which node, and which of its memories: a reset begins a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The node.
    pub node: NodeId,
    /// How often it was emptied by an operator.
    pub resets: u64,
}

/// A follower's answer: what it holds now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Who answers.
    pub identity: Identity,
    /// The cluster that it belongs to, if a leader has claimed it.
    pub cluster: Option<ClusterId>,
    /// The highest epoch that it promised; [`Epoch::ZERO`] if none.
    pub promised: Epoch,
    /// Its own commit mark.
    pub mark: Version,
    /// Everything up to its mark, and what it holds above under the promised epoch. At most
    /// [`HELD_RANGES_MAX`] ranges, the lowest ones: a set that is cut says less, never more.
    pub ranges: RangeSet,
    /// It holds data of any kind, of any epoch, from any source.
    pub has_data: bool,
}

/// The most ranges that an answer lists.
pub const HELD_RANGES_MAX: usize = 512;

/// Why a follower did not take a request. It changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It holds data of another history.
    #[error("the follower holds data of another history{}", Named(*held))]
    WrongCluster {
        /// Its cluster; none if its data came from no leader of ours.
        held: Option<ClusterId>,
    },
    /// It has promised a higher epoch.
    #[error("the follower has promised epoch {promised}, which is higher")]
    StaleEpoch {
        /// That epoch.
        promised: Epoch,
    },
    /// It holds the same `(epoch, version)` with other content.
    #[error("the follower holds version {version} with other content")]
    Conflict {
        /// That version.
        version: Version,
    },
    /// An entry of another epoch than its message, or out of order: no leader of ours sends that.
    #[error("version {version} is out of order, or of another epoch than its message")]
    Malformed {
        /// That version.
        version: Version,
    },
    /// A version further above its mark than it has room for.
    #[error("version {version} is beyond the follower's window, which ends at {last}")]
    BeyondWindow {
        /// That version.
        version: Version,
        /// The highest version that it would take now.
        last: Version,
    },
}

/// What a follower says to a request.
pub type Reply = Result<Held, Refusal>;

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{:x}", self.0)
    }
}

struct Named(Option<ClusterId>);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(cluster) => write!(f, " (cluster {cluster})"),
            None => write!(f, " (written by no leader of this kind)"),
        }
    }
}
