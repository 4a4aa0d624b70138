//! What a durable node writes down.
//!
//! A machine says what must be durable, and before what: a follower's answers come as [`Durable`], a
//! leader's records as an output that is answered with an input. Nodes without a disk write nothing.

use std::sync::Arc;

use kv_core::{Entry, Epoch, NodeId, Version};

use crate::protocol::group::Group;
use crate::protocol::message::{ClusterId, Identity};

/// A result that may be let out only when these records, and those of all earlier calls, are durable.
#[derive(Clone, Debug)]
#[must_use = "the records must be durable before the result leaves the node"]
pub struct Durable<T> {
    /// What to write, in order; empty on a node that keeps nothing but memory. The result waits only if
    /// a record here or in an earlier call is not [lazy](Record::is_lazy).
    pub records: Vec<Record>,
    /// The result.
    pub then: T,
}

/// Something that a node must know when it starts again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// All the small things, as they are now.
    Meta(Arc<Meta>),
    /// These entries are held; one of a higher epoch replaces that of a lower one.
    Entries(Vec<Entry>),
    /// Everything up to here is committed, and held.
    Mark(Version),
    /// Pending entries of other epochs than this one are gone.
    Void(Epoch),
    /// The state up to `base` is `entries`, instead of all that was there; pending entries above stay.
    Replace {
        /// The new mark.
        base: Version,
        /// Some of it may be newer than the base, and nothing is above this version.
        through: Version,
        /// The state, in key order.
        entries: Vec<Entry>,
    },
    /// Everything is gone but what [`Record::Meta`] says.
    Wipe,
}

/// The small things that outlive a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Who the node is.
    pub identity: Identity,
    /// It has kept its memory, or has got back what it lost.
    pub counts: bool,
    /// Whose history it is part of.
    pub cluster: Option<ClusterId>,
    /// The highest epoch that it promised, to itself too.
    pub promised: Epoch,
    /// The cluster of the leader that it has promised: a reset makes it forget its cluster, but not that.
    pub promised_in: Option<ClusterId>,
    /// The highest epoch that it promised to another node than that of `promised`.
    pub promised_other: Epoch,
    /// The groups in force as it knows them, oldest first.
    pub groups: Arc<Vec<Group>>,
    /// Those that the leader it has promised named: the last is that leader's own.
    pub claimed: Arc<Vec<Group>>,
    /// As a leader: the last epoch at which its own log was known to hold every committed entry.
    pub authoritative: Option<Epoch>,
    /// Its content cannot be trusted, since this version was found to differ.
    pub diverged: Option<Version>,
}

/// All that a checkpoint holds beside the state.
#[derive(Clone, Debug)]
pub struct CheckpointHead {
    /// The small things.
    pub meta: Meta,
    /// Everything up to here is in the state.
    pub mark: Version,
    /// The state shows nothing above this version, or above what it shows later.
    pub whole_from: Version,
    /// What is held above the mark, in order.
    pub pending: Vec<Entry>,
}

impl<T> Durable<T> {
    /// The result of a node that keeps nothing but memory: there is nothing to wait for.
    pub fn in_memory(self) -> T {
        self.then
    }
}

impl Record {
    /// Whether its loss does no harm: an answer need not wait for it.
    #[must_use]
    pub fn is_lazy(&self) -> bool {
        matches!(self, Self::Mark(_) | Self::Void(_))
    }
}

impl Meta {
    /// A node that begins to exist.
    #[must_use]
    pub fn new(node: NodeId) -> Self {
        Self {
            identity: Identity { node, resets: 0 },
            counts: false,
            cluster: None,
            promised: Epoch::ZERO,
            promised_in: None,
            promised_other: Epoch::ZERO,
            groups: Arc::default(),
            claimed: Arc::default(),
            authoritative: None,
            diverged: None,
        }
    }

    /// Promises `epoch`, which must be higher than every promise so far.
    pub(crate) fn promise(&mut self, epoch: Epoch) {
        if epoch.node != self.promised.node {
            self.promised_other = self.promised;
        }
        self.promised = epoch;
    }

    /// The highest epoch that was promised to another node than `node`.
    #[must_use]
    pub fn promised_to_others_than(&self, node: NodeId) -> Epoch {
        if self.promised.node == node { self.promised_other } else { self.promised }
    }
}
