//! The leader's own copy: the small things that it must not forget, and what of the log is on its disk.
//!
//! A leader without a disk has the small things too, and writes nothing down.

use std::collections::VecDeque;
use std::sync::Arc;

use kv_core::{Entry, Epoch, Version};

use super::ids::PersistId;
use crate::durable::record::{Meta, Record};
use crate::protocol::group::Group;
use crate::protocol::message::ClusterId;

/// What is written down, in which order, and how much of it is durable.
#[derive(Debug)]
pub(super) struct OwnCopy {
    /// It keeps a disk.
    is_durable: bool,
    meta: Meta,
    /// To be written with the next batch.
    records: Vec<Record>,
    /// Entries of the log, to be written with the next batch.
    entries: Vec<Entry>,
    next_batch: u64,
    /// Batches under way, each with the newest version that it makes durable.
    under_way: VecDeque<(PersistId, Version)>,
    /// Everything up to here is durable.
    durable: Version,
    /// The newest version that was handed over to be written.
    written: Version,
    /// The batch that holds the last change of the small things.
    meta_batch: Option<PersistId>,
    /// The commit index that was written last.
    mark: Version,
    /// There is no room for more, but for what has a version already.
    is_full: bool,
}

impl OwnCopy {
    /// What the disk had when the node started: the small things, and everything up to `durable`.
    pub(super) fn new(is_durable: bool, meta: Meta, durable: Version) -> Self {
        Self {
            is_durable,
            meta,
            records: Vec::new(),
            entries: Vec::new(),
            next_batch: 0,
            under_way: VecDeque::new(),
            durable,
            written: durable,
            meta_batch: None,
            mark: 0,
            is_full: false,
        }
    }

    pub(super) fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The small things are durable as they are now.
    pub(super) fn has_meta(&self) -> bool {
        self.meta_batch.is_none()
    }

    /// Up to here it is as durable as this node promises.
    pub(super) fn held_through(&self) -> Version {
        if self.is_durable { self.durable } else { Version::MAX }
    }

    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// True if this is news.
    pub(super) fn set_full(&mut self, full: bool) -> bool {
        std::mem::replace(&mut self.is_full, full) != full
    }

    /// The leader promises its own epoch, in this cluster.
    pub(super) fn promise(&mut self, epoch: Epoch, cluster: ClusterId) {
        self.meta.promise(epoch);
        self.meta.cluster = Some(cluster);
        self.note_meta();
    }

    /// Its own log is known to hold every committed entry at this epoch.
    pub(super) fn note_authoritative(&mut self, epoch: Epoch) {
        self.meta.authoritative = Some(epoch);
        self.note_meta();
    }

    /// Its configuration is to be adopted beside those in force.
    pub(super) fn adopt(&mut self, groups: Arc<Vec<Group>>) {
        self.meta.groups = groups;
        self.note_meta();
    }

    /// It leads: its log holds every committed entry, and its configuration is in force.
    pub(super) fn lead(&mut self, epoch: Epoch, groups: Arc<Vec<Group>>) {
        self.meta.authoritative = Some(epoch);
        self.adopt(groups);
    }

    /// Another state takes the place of its own, in one step: what was there stays until all of the new one is
    /// written, for it may be the last copy of something. Until the node leads, what its disk has counts for
    /// nothing: a restart in between, be it as a leader or as a follower, finds half of it.
    pub(super) fn replace_state(
        &mut self,
        base: Version,
        through: Version,
        entries: impl FnOnce() -> Vec<Entry>,
    ) {
        if self.is_durable {
            self.meta.authoritative = None;
            self.meta.counts = false;
            self.note_meta();
            self.records.push(Record::Replace { base, through, entries: entries() });
        }
    }

    /// What its disk may still have of other epochs is no part of this history.
    pub(super) fn void_others(&mut self, epoch: Epoch) {
        if self.is_durable {
            self.records.push(Record::Void(epoch));
        }
    }

    pub(super) fn note_entry(&mut self, entry: &Entry) {
        if self.is_durable {
            self.entries.push(entry.clone());
        }
    }

    /// The log begins anew after `mark`: nothing above it is written yet.
    pub(super) fn start_log(&mut self, mark: Version) {
        self.entries.clear();
        self.under_way.iter_mut().for_each(|(_, through)| *through = mark);
        self.durable = mark;
        self.written = mark;
    }

    /// Everything that is to be written, as one batch. The commit index goes along if it has moved, and its
    /// entries are durable.
    pub(super) fn poll_batch(&mut self, mark: Version) -> Option<(PersistId, Vec<Record>)> {
        if self.records.is_empty() && self.entries.is_empty() {
            return None;
        }
        let id = PersistId(self.next_batch);
        self.next_batch += 1;
        let mut records = std::mem::take(&mut self.records);
        if let Some(last) = self.entries.last() {
            self.written = last.version();
            records.push(Record::Entries(std::mem::take(&mut self.entries)));
        }
        if mark > self.mark && mark <= self.durable {
            self.mark = mark;
            records.push(Record::Mark(mark));
        }
        self.under_way.push_back((id, self.written));
        Some((id, records))
    }

    /// This batch, and all earlier ones, are durable.
    pub(super) fn note_durable(&mut self, id: PersistId) {
        while let Some((_, through)) = self.under_way.pop_front_if(|(batch, _)| *batch <= id) {
            self.durable = through;
        }
        self.meta_batch.take_if(|meta| *meta <= id);
    }

    fn note_meta(&mut self) {
        if self.is_durable {
            self.records.push(Record::Meta(Arc::new(self.meta.clone())));
            self.meta_batch = Some(PersistId(self.next_batch));
        }
    }
}

#[cfg(test)]
mod tests {
    use kv_core::{Command, NodeId};

    use super::*;

    fn own_copy(is_durable: bool) -> OwnCopy {
        OwnCopy::new(is_durable, Meta::new(NodeId(1)), 0)
    }

    fn entry(version: Version) -> Entry {
        Command::no_op().into_entry(Epoch::ZERO, version)
    }

    #[test]
    fn an_entry_is_held_when_its_batch_is_durable() {
        let mut own = own_copy(true);
        own.note_entry(&entry(1));
        let (first, records) = own.poll_batch(0).unwrap();
        assert_eq!((records, own.held_through()), (vec![Record::Entries(vec![entry(1)])], 0));
        own.note_entry(&entry(2));
        let (second, _) = own.poll_batch(0).unwrap();
        own.note_durable(first);
        assert_eq!(own.held_through(), 1);
        own.note_durable(second);
        assert_eq!((own.held_through(), own.poll_batch(0)), (2, None));
        // The commit index is written along with the next entries, not before its own are durable.
        own.note_entry(&entry(3));
        let records = own.poll_batch(2).unwrap().1;
        assert_eq!(records, [Record::Entries(vec![entry(3)]), Record::Mark(2)]);
    }

    #[test]
    fn a_promise_is_not_there_before_it_is_durable() {
        let mut own = own_copy(true);
        own.promise(Epoch { counter: 1, node: NodeId(1) }, ClusterId(7));
        assert!(!own.has_meta());
        let (id, _) = own.poll_batch(0).unwrap();
        assert!(!own.has_meta());
        own.note_durable(id);
        assert!(own.has_meta());
    }

    #[test]
    fn without_a_disk_everything_is_as_durable_as_promised() {
        let mut own = own_copy(false);
        own.promise(Epoch { counter: 1, node: NodeId(1) }, ClusterId(7));
        own.note_entry(&entry(1));
        assert!(own.has_meta() && own.poll_batch(0).is_none());
        assert_eq!(own.held_through(), Version::MAX);
    }

    #[test]
    fn a_batch_of_a_log_that_was_given_up_makes_nothing_of_the_new_one_durable() {
        let mut own = own_copy(true);
        own.note_entry(&entry(1));
        let (id, _) = own.poll_batch(0).unwrap();
        own.start_log(0);
        own.note_durable(id);
        assert_eq!(own.held_through(), 0);
    }
}
