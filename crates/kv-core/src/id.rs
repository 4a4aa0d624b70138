//! Who wrote, and in which place.

use std::fmt;

/// The place of an entry in the leader's order: 1, 2, 3 …; 0 means "nothing yet".
pub type Version = u64;

/// The highest version, 2^53 - 1: every version survives a trip through a JSON number.
pub const VERSION_MAX: Version = (1 << 53) - 1;

/// The identity of one node, drawn at random when the node begins to exist.
///
/// A node without a disk draws a new one at every start, so that a node that forgot everything is
/// never taken for the one that knew it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{:x}", self.0)
    }
}

/// One incarnation of a leader. Totally ordered: by counter, then by node.
///
/// A leader that restarts takes a new epoch, so `(epoch, version)` never names two contents.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    /// Rises with every leader; at least 1 for a real epoch.
    pub counter: u64,
    /// The node that leads in this epoch.
    pub node: NodeId,
}

impl Epoch {
    /// Below every real epoch: that of entries which no leader of ours has written.
    pub const ZERO: Epoch = Epoch { counter: 0, node: NodeId(0) };
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.counter, self.node)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "e{}.{:?}", self.counter, self.node)
    }
}
