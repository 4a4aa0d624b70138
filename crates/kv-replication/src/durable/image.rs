//! What a node is when it starts again: all that its records amount to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use kv_core::{Entry, Epoch, NodeId, Store, Version};

use crate::durable::record::{Meta, Record};

/// The most that [`Image::recent`] keeps.
pub const RECENT_ENTRIES_MAX: usize = 65_536;
/// And the most bytes of frames.
const RECENT_BYTES_MAX: usize = 16 << 20;

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
