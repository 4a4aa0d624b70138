//! What a follower holds: a committed store, and what is pending above its mark.

use std::collections::BTreeMap;

use kv_core::{Entry, Epoch, Item, Operation, Store, Version};

use crate::follower::overlay::Overlay;
use crate::protocol::range_set::RangeSet;

/// The store up to the mark, and the entries above it.
#[derive(Clone, Debug)]
pub(super) struct Content {
    /// Everything up to here is committed, and in the store.
    mark: Version,
    /// Everything up to the mark, and what is pending under the promised epoch.
    held: RangeSet,
    /// What is above the mark, of any epoch.
    pending: Overlay,
    /// Committed entries only; and those that came without an epoch.
    store: Store,
    /// The store is that of one moment when the mark is here or above: a snapshot shows newer entries too.
    whole_from: Version,
}

impl Content {
    pub(super) fn empty() -> Self {
        Self::restore(0, Store::new(), 0, BTreeMap::new(), Epoch::ZERO)
    }

    /// What a disk knows. Of what is pending, only that of the promised epoch is held.
    pub(super) fn restore(
        mark: Version,
        store: Store,
        whole_from: Version,
        pending: BTreeMap<Version, Entry>,
        promised: Epoch,
    ) -> Self {
        let mut overlay = Overlay::default();
        pending.into_values().for_each(|entry| _ = overlay.insert(entry));
        let mut content = Self { mark, held: RangeSet::new(), pending: overlay, store, whole_from };
        content.hold_those(|entry| entry.epoch() == promised);
        content
    }

    pub(super) fn has_data(&self) -> bool {
        self.mark > 0 || !self.held.is_empty() || !self.pending.is_empty() || !self.store.is_empty()
    }

    pub(super) fn mark(&self) -> Version {
        self.mark
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn whole_from(&self) -> Version {
        self.whole_from
    }

    /// Entries above the mark, with a local read's view of them.
    pub(super) fn pending(&self) -> &Overlay {
        &self.pending
    }

    /// Up to the mark, and under the promised epoch.
    pub(super) fn held(&self) -> &RangeSet {
        &self.held
    }

    /// What `key` shows, pending entries included.
    pub(super) fn local(&self, key: &str) -> Option<Item<'_>> {
        self.pending.look_up(&self.store, key)
    }

    /// The first of these entries whose version is here with other content, as far as that can be told.
    pub(super) fn differing(&self, entries: &[Entry]) -> Option<Version> {
        entries.iter().find(|entry| self.differs(entry)).map(Entry::version)
    }

    fn differs(&self, entry: &Entry) -> bool {
        if entry.version() <= self.mark {
            let operation = entry.operation();
            let Operation::Put { key, .. } = operation else {
                return false; // what a delete or a clear has left behind cannot be told from nothing
            };
            let held = self.store.get(key).filter(|item| item.version == entry.version());
            return held.is_some_and(|item| item.entry.operation() != operation);
        }
        let held = self.pending.get(entry.version());
        held.is_some_and(|held| held.epoch() == entry.epoch() && held != entry)
    }

    /// Of what is pending, these count as held from now on, and the rest is only kept aside.
    pub(super) fn hold_those(&mut self, are_held: impl Fn(&Entry) -> bool) {
        self.held = if self.mark > 0 { [1..=self.mark].into_iter().collect() } else { RangeSet::new() };
        for entry in self.pending.above(0).filter(|entry| are_held(entry)) {
            self.held.insert(entry.version());
        }
    }

    /// Whether the entry of the promised epoch is not here yet.
    pub(super) fn lacks(&self, version: Version) -> bool {
        version > self.mark && !self.held.contains(version)
    }

    /// Holds an entry of the promised epoch, instead of one that another epoch left there.
    pub(super) fn hold(&mut self, entry: Entry) {
        self.held.insert(entry.version());
        self.pending.insert(entry);
    }

    /// A write that came without an epoch.
    pub(super) fn adopt(&mut self, entry: &Entry) {
        self.store.apply(entry);
    }

    /// Everything up to `committed` is committed: as much of it as is here without a gap gets into the store. Gives
    /// the new mark, if it has moved.
    pub(super) fn advance_mark(&mut self, committed: Version) -> Option<Version> {
        let to = committed.min(self.held.watermark());
        if to <= self.mark {
            return None;
        }
        for version in self.mark + 1..=to {
            if let Some(entry) = self.pending.take(version) {
                self.store.apply(&entry);
            }
        }
        self.mark = to;
        self.store.prune(to);
        Some(to)
    }

    /// Pending entries of other epochs are needed by nobody any more.
    pub(super) fn drop_pending_of_others(&mut self, epoch: Epoch) {
        self.pending.retain_epoch(epoch);
    }

    /// A snapshot instead of what the store shows; nothing in it is above `through`. What is pending above the
    /// base stays, also that of older epochs: it may be somebody's last copy.
    pub(super) fn replace(&mut self, base: Version, through: Version, store: Store, promised: Epoch) {
        self.store = store;
        self.mark = base;
        self.whole_from = through;
        self.pending.drop_through(base);
        self.hold_those(|entry| entry.epoch() == promised);
    }

    /// A deliberate mistake.
    #[cfg(feature = "simulator")]
    pub(super) fn put_back(&mut self, late: &Entry) {
        crate::testing::planted::put_back(&mut self.store, late);
    }
}

#[cfg(test)]
mod tests {
    use kv_core::{Command, Key, NodeId};

    use super::*;

    const OLD: Epoch = Epoch { counter: 1, node: NodeId(1) };
    const NEW: Epoch = Epoch { counter: 2, node: NodeId(2) };

    fn put(epoch: Epoch, version: Version, value: &str) -> Entry {
        Command::put(Key::parse("k").unwrap(), value.as_bytes()).unwrap().into_entry(epoch, version)
    }

    /// Holds versions 1 to 4, of which 2 are committed.
    fn content() -> Content {
        let mut content = Content::empty();
        (1..=4).for_each(|version| content.hold(put(OLD, version, "old")));
        assert_eq!(content.advance_mark(2), Some(2));
        content
    }

    #[test]
    fn the_mark_passes_no_gap_and_never_falls() {
        let mut content = content();
        content.hold(put(OLD, 6, "old"));
        assert_eq!((content.advance_mark(9), content.mark()), (Some(4), 4), "5 is not here");
        assert_eq!((content.advance_mark(3), content.mark()), (None, 4));
        assert_eq!(content.store().get("k").map(|item| item.version), Some(4));
        assert_eq!(content.local("k").map(|item| item.version), Some(6));
    }

    #[test]
    fn what_an_older_epoch_left_is_kept_and_not_held() {
        let mut content = content();
        content.hold_those(|entry| entry.epoch() == NEW);
        assert_eq!((content.held().watermark(), content.pending().len()), (2, 2));
        assert!(content.lacks(3));
        assert_eq!(content.advance_mark(4), None, "the mark does not pass over it");
        content.hold(put(NEW, 3, "new"));
        assert_eq!(
            (content.held().watermark(), content.pending().len()),
            (3, 2),
            "it is in the other's place"
        );
        content.drop_pending_of_others(NEW);
        assert_eq!(content.pending().len(), 1);
    }

    #[test]
    fn other_content_is_told_by_version_and_epoch() {
        let content = content();
        assert_eq!(content.differing(&[put(OLD, 2, "old"), put(OLD, 4, "old"), put(OLD, 5, "new")]), None);
        assert_eq!(content.differing(&[put(OLD, 4, "new")]), Some(4), "pending, of the same epoch");
        assert_eq!(content.differing(&[put(NEW, 4, "new")]), None, "a newer epoch replaces it");
        assert_eq!(content.differing(&[put(NEW, 2, "new")]), Some(2), "committed: whatever the epoch");
        assert_eq!(
            content.differing(&[put(NEW, 1, "new")]),
            None,
            "a later version is shown: nobody can tell"
        );
    }

    #[test]
    fn a_snapshot_leaves_what_is_pending_above_it() {
        let mut content = content();
        content.hold_those(|entry| entry.epoch() == NEW);
        content.hold(put(NEW, 5, "new"));
        let mut state = Store::new();
        state.apply(&put(OLD, 3, "state"));
        content.replace(3, 3, state, NEW);
        assert_eq!((content.mark(), content.store().get("k").map(|item| item.version)), (3, Some(3)));
        assert_eq!(content.pending().above(0).map(Entry::version).collect::<Vec<_>>(), [4, 5]);
        assert!(content.lacks(4) && !content.lacks(5));
    }
}
