//! One node on one medium.

use kv_core::Entry;
use kv_replication::{CheckpointHead, Image, Record, Storage};

use crate::conformance::difference::{assert_same, state};
use crate::conformance::medium::Medium;
use crate::conformance::records::NODE;

/// A node that writes, and what it should find again.
pub(super) struct Run<M: Medium> {
    medium: M,
    storage: Option<M::Storage>,
    pub(super) image: Image,
}

impl<M: Medium> Run<M> {
    pub(super) fn new() -> Self {
        let mut medium = M::new(NODE);
        let (storage, image) = medium.open();
        Self { medium, storage: Some(storage), image }
    }

    pub(super) fn storage(&mut self) -> &mut M::Storage {
        self.storage.as_mut().expect("an open storage")
    }

    pub(super) fn append(&mut self, records: Vec<Record>) {
        records.iter().cloned().for_each(|record| self.image.apply(record));
        self.storage().append(records).expect("an append");
    }

    pub(super) fn sync(&mut self) {
        self.storage().sync().expect("a sync");
    }

    /// Starts again, without a loss of power.
    pub(super) fn restart(&mut self, story: &str) {
        self.storage = None;
        let (storage, found) = self.medium.open();
        assert_same(&found, &self.image, story);
        self.storage = Some(storage);
    }

    /// Power is lost, and comes again: what was found.
    pub(super) fn power_loss(&mut self, luck: usize) -> Image {
        self.storage = None;
        self.medium.lose_power(luck);
        let (storage, found) = self.medium.open();
        self.storage = Some(storage);
        found
    }

    pub(super) fn head(&self) -> CheckpointHead {
        CheckpointHead {
            meta: self.image.meta.clone(),
            mark: self.image.mark,
            whole_from: self.image.whole_from,
            pending: self.image.pending.values().cloned().collect(),
        }
    }

    /// A checkpoint, with `meanwhile` between its two halves.
    pub(super) fn checkpoint(&mut self, meanwhile: Vec<Record>) {
        let head = self.head();
        let mut checkpoint = self.storage().begin_checkpoint(head).expect("a begin");
        let parts = |image: &Image| state(image).into_iter().partition(|entry| key_of(entry) < "k5");
        let (first, _): (Vec<_>, Vec<_>) = parts(&self.image);
        checkpoint.add(&first).expect("a first part");
        self.append(meanwhile);
        let (_, second): (Vec<_>, Vec<_>) = parts(&self.image);
        checkpoint.add(&second).expect("a second part");
        let through = self.image.mark.max(self.image.whole_from);
        self.sync();
        checkpoint.finish(through).expect("a finish");
    }

    pub(super) fn end_checkpoint(&mut self) {
        self.storage().end_checkpoint().expect("an end");
    }
}

fn key_of(entry: &Entry) -> &str {
    entry.operation().key().unwrap_or_default()
}
