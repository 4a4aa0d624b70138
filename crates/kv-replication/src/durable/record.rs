//! What a durable node writes down, and what it is when it starts again.
//!
//! A machine says what must be durable, and before what: a follower's answers come as [`Durable`], a
//! leader's records as an output that is answered with an input. Nodes without a disk write nothing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use kv_core::{Entry, Epoch, NodeId, Store, Version};

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

/// A node as its disk knows it: what the records amount to.
#[derive(Clone, Debug)]
pub struct Image {
    /// The small things.
    pub meta: Meta,
    /// Everything up to here is in `store`.
    pub mark: Version,
    /// Committed entries.
    pub store: Store,
    /// The store is that of one moment when the mark is here or above.
    pub whole_from: Version,
    /// What is held above the mark, of any epoch.
    pub pending: BTreeMap<Version, Entry>,
    /// The last entries up to the mark, without a gap, as far as they are known; at most
    /// [`RECENT_ENTRIES_MAX`]. A leader sends them to a follower that lacks them, instead of everything.
    pub recent: VecDeque<Entry>,
    recent_bytes: usize,
}

/// The most that [`Image::recent`] keeps.
pub const RECENT_ENTRIES_MAX: usize = 65_536;
/// And the most bytes of frames.
const RECENT_BYTES_MAX: usize = 16 << 20;

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

impl Image {
    /// A node that begins to exist.
    #[must_use]
    pub fn new(node: NodeId) -> Self {
        Self {
            meta: Meta::new(node),
            mark: 0,
            store: Store::new(),
            whole_from: 0,
            pending: BTreeMap::new(),
            recent: VecDeque::new(),
            recent_bytes: 0,
        }
    }

    /// It has a state that belongs to no history: that of a backup.
    pub(crate) fn is_restored(&self) -> bool {
        let has_state = self.mark > 0 || !self.store.is_empty();
        has_state && self.meta.cluster.is_none() && self.meta.promised == Epoch::ZERO
    }

    /// Takes in a record, in the order in which the machine gave them.
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Meta(meta) => self.meta = Arc::unwrap_or_clone(meta),
            Record::Entries(entries) => {
                for entry in entries {
                    self.hold(entry);
                }
            }
            Record::Mark(mark) => self.advance_mark(mark),
            Record::Void(epoch) => self.pending.retain(|_, entry| entry.epoch() == epoch),
            Record::Replace { base, through, entries } => {
                let mut store = Store::new();
                entries.iter().for_each(|entry| _ = store.apply(entry));
                self.replace(base, through, store);
            }
            Record::Wipe => {
                let meta = self.meta.clone();
                *self = Self { meta, ..Self::new(self.meta.identity.node) };
            }
        }
    }

    /// As [`Record::Replace`], with a state that has been put together already.
    pub fn replace(&mut self, base: Version, through: Version, store: Store) {
        self.whole_from = through;
        self.store = store;
        self.store.prune(base);
        self.mark = base;
        self.pending = self.pending.split_off(&(base + 1));
        self.recent = VecDeque::new();
        self.recent_bytes = 0;
    }

    fn hold(&mut self, entry: Entry) {
        let version = entry.version();
        let newer = self.pending.get(&version).is_some_and(|held| held.epoch() > entry.epoch());
        if version > self.mark && !newer {
            self.pending.insert(version, entry);
        }
    }

    fn remember(&mut self, entry: Entry) {
        if self.recent.back().is_some_and(|last| last.version() + 1 != entry.version()) {
            self.recent.clear();
            self.recent_bytes = 0;
        }
        self.recent_bytes += entry.frame().len();
        self.recent.push_back(entry);
        while self.recent.len() > RECENT_ENTRIES_MAX || self.recent_bytes > RECENT_BYTES_MAX {
            let oldest = self.recent.pop_front();
            self.recent_bytes -= oldest.map_or(0, |oldest| oldest.frame().len());
        }
    }

    fn advance_mark(&mut self, mark: Version) {
        while let Some(first) = self.pending.first_entry().filter(|first| *first.key() <= mark) {
            let entry = first.remove();
            self.store.apply(&entry);
            self.remember(entry);
        }
        self.mark = self.mark.max(mark);
        self.store.prune(self.mark);
    }
}
