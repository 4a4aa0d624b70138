//! What travels between a leader and a follower.

use std::fmt;
use std::sync::Arc;

use kv_core::{Entry, Epoch, NodeId, Version};
use thiserror::Error;

use crate::protocol::group::Group;
use crate::protocol::range_set::RangeSet;

/// The identity of one history of writes. Nodes of different clusters never mix their data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u64);

/// Which node, and which of its memories: a reset begins a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// The node.
    pub node: NodeId,
    /// How often it was emptied, by an operator or because it held other content than its leader.
    pub resets: u64,
}

/// For whom a request is, and in whose name it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The follower that it is meant for: a node that restarted without memory is another one.
    pub to: Identity,
    /// The leader's cluster.
    pub cluster: ClusterId,
    /// The leader's epoch.
    pub epoch: Epoch,
}

/// Leader to follower.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// "Who are you, and what do you hold?" Changes nothing. Answered with [`Answer::Standing`].
    Probe,
    /// "Promise my epoch." Answered with [`Answer::Standing`].
    Claim(Claim),
    /// "Hold these under my epoch." Answered with [`Answer::Held`].
    Append(Append),
    /// A chunk of a snapshot. Answered with [`Answer::Held`].
    Install(Install),
    /// "What have you got?" Answered with [`Answer::Chunk`].
    Pull(Pull),
}

/// Asks for the promise of an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// For whom, and by whom. An epoch above the promised one is promised, and an equal one confirmed.
    pub head: Head,
    /// The cluster that this leader, by an operator's decision, goes on from: its members change over.
    pub renames: Option<ClusterId>,
    /// The groups in force, oldest first, and as the last one the leader's own, which may be on its way
    /// in. At most [`GROUPS_MAX`](crate::GROUPS_MAX), and never none.
    pub groups: Arc<Vec<Group>>,
}

/// How far a leader has come. Later stages are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// What older epochs have left may still be needed.
    Recovering,
    /// The recovery is complete, and pending entries of older epochs are void. The leader's group is to be
    /// adopted beside those in force; nothing is written yet.
    Changing,
    /// As before, and the leader's group is the only one in force.
    Serving,
}

/// Entries under the sender's epoch, and how far everything is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// For whom, and by whom. The epoch must be the promised one; it is that of every entry too.
    pub head: Head,
    /// How far the sender has come.
    pub stage: Stage,
    /// The follower has got back what it lost: it counts from now on.
    pub counted: bool,
    /// Everything up to this version is committed.
    pub mark: Version,
    /// In the order of their versions; each is counted by the receiver, whatever came before it.
    pub entries: Vec<Entry>,
}

/// One chunk of a snapshot: the leader's committed entries in key order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Install {
    /// For whom, and by whom. The epoch must be the promised one.
    pub head: Head,
    /// Together with everything above this version the chunks are the leader's state. With the epoch,
    /// this names the transfer.
    pub base: Version,
    /// The chunk's place, from 0; the first begins a transfer and ends every other one.
    pub chunk: u64,
    /// With it the follower switches over.
    pub last: bool,
    /// No chunk so far shows anything above this version: some entries may be newer than `base`, and only
    /// with everything up to here is the state that of one moment.
    pub through: Version,
    /// In the order of their keys; of any epoch.
    pub entries: Vec<Entry>,
}

/// Asks for a part of what a follower has, by a leader that it has promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    /// For whom, and by whom. The epoch must be the promised one.
    pub head: Head,
    /// What.
    pub part: Part,
}

/// A part of what a follower has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its committed entries in key order, past this key.
    State {
        /// None: from the first key.
        after: Option<String>,
    },
    /// Its pending entries of whatever epoch, above this version, in the order of their versions.
    Pending {
        /// The version.
        after: Version,
    },
}

/// What a follower says to a request that it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Request::Probe`] and [`Request::Claim`].
    Standing(Box<Standing>),
    /// To [`Request::Append`] and [`Request::Install`].
    Held(Held),
    /// To [`Request::Pull`].
    Chunk(Chunk),
}

/// What a follower holds now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Who answers.
    pub identity: Identity,
    /// It has kept its memory, or has got back what it lost.
    pub counts: bool,
    /// The highest epoch that it promised; [`Epoch::ZERO`] if none.
    pub promised: Epoch,
    /// Its disk has no room for more: it takes no entries that it does not hold yet.
    pub disk_full: bool,
    /// Its own commit mark.
    pub mark: Version,
    /// Everything up to its mark, and what it holds above under the promised epoch. At most
    /// [`HELD_RANGES_MAX`] ranges, the lowest ones: a set that is cut says less, never more.
    pub ranges: RangeSet,
}

/// Everything that a leader wants to know of a follower before it counts on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What it holds.
    pub held: Held,
    /// The cluster that it belongs to, if a leader has claimed it.
    pub cluster: Option<ClusterId>,
    /// In which cluster `held.promised` was promised; it concerns no other one.
    pub promised_in: Option<ClusterId>,
    /// The highest epoch that it promised to another node than that of `held.promised`.
    pub promised_other: Epoch,
    /// The groups in force as it knows them, oldest first.
    pub groups: Arc<Vec<Group>>,
    /// It holds an entry of any epoch, from any source.
    pub has_data: bool,
    /// It has met other content at this version, and holds nothing until it has taken a snapshot.
    pub diverged: Option<Version>,
}

/// A part of what a follower has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Its own commit mark: as long as it stays the same, chunks belong together.
    pub mark: Version,
    /// Nothing in its state is above this version: after a snapshot, some of it may be newer than the mark, and
    /// only with everything up to here is the state that of one moment.
    pub through: Version,
    /// In the order of keys or of versions, as asked.
    pub entries: Vec<Entry>,
    /// There is nothing more of this part.
    pub done: bool,
}

/// The most ranges that an answer lists.
pub const HELD_RANGES_MAX: usize = 512;

/// Why a follower did not take a request.
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
    /// It has not promised this epoch.
    #[error("the follower has promised only epoch {promised}")]
    NotPromised {
        /// The one that it has promised.
        promised: Epoch,
    },
    /// The request was for another node, or for an earlier memory of this one.
    #[error("the request was meant for another node than {}", identity.node)]
    OtherNode {
        /// Who answers.
        identity: Identity,
    },
    /// It holds this version with other content: it has lost its trust in all that it holds, and waits
    /// for a snapshot.
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
    /// A chunk of a snapshot that does not go on where the last one ended.
    #[error("the follower expects chunk {expected} of this snapshot")]
    WrongChunk {
        /// What it would take; 0 begins a snapshot.
        expected: u64,
    },
    /// Its disk has no room for what the request brings.
    #[error("the follower's disk is full: free space there, and it goes on by itself")]
    DiskFull,
}

/// What a follower says to a request.
pub type Reply = Result<Answer, Refusal>;

impl Request {
    /// For whom and by whom; a probe is for anyone.
    #[must_use]
    pub fn head(&self) -> Option<&Head> {
        match self {
            Self::Probe => None,
            Self::Claim(claim) => Some(&claim.head),
            Self::Append(append) => Some(&append.head),
            Self::Install(install) => Some(&install.head),
            Self::Pull(pull) => Some(&pull.head),
        }
    }
}

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
