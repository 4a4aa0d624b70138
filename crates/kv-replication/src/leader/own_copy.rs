//! What a durable leader writes down, and what it knows to be there.

use std::collections::VecDeque;
use std::sync::Arc;

use kv_core::{Entry, Version};

use crate::durable::record::{CheckpointHead, Record};
use crate::leader::Leader;
use crate::leader::ids::PersistId;
use crate::leader::output::Output;
use crate::leader::phase::Phase;
use crate::protocol::time::Time;

/// The leader's own copy.
#[derive(Debug)]
pub(in crate::leader) struct Disk {
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
    meta: Option<PersistId>,
    mark: Version,
    /// There is no room for more, but for what has a version already.
    is_full: bool,
}

impl Disk {
    pub(in crate::leader) fn new(durable: Version) -> Self {
        Self {
            records: Vec::new(),
            entries: Vec::new(),
            next_batch: 0,
            under_way: VecDeque::new(),
            durable,
            written: durable,
            meta: None,
            mark: 0,
            is_full: false,
        }
    }

    /// The small things are durable as they are now.
    pub(in crate::leader) fn has_meta(&self) -> bool {
        self.meta.is_none()
    }

    pub(in crate::leader) fn is_full(&self) -> bool {
        self.is_full
    }

    pub(in crate::leader) fn set_full(&mut self, full: bool) {
        self.is_full = full;
    }
}

impl Leader {
    /// What a checkpoint holds beside [`Leader::store`]: all that the outputs so far have written down
    /// amounts to both, once every output has been taken. None while it starts: then the state may be
    /// replaced at any time.
    #[must_use]
    pub fn checkpoint_head(&self) -> Option<CheckpointHead> {
        (self.phase == Phase::Serving).then(|| CheckpointHead {
            meta: self.meta.clone(),
            mark: self.mark,
            whole_from: self.newest_committed,
            pending: self.log.entries().filter(|entry| entry.version() > self.mark).cloned().collect(),
        })
    }

    /// The leader's own copy of `version` is as durable as this node promises.
    pub(in crate::leader) fn holds(&self, version: Version) -> bool {
        !self.config.durable || version <= self.disk.durable
    }

    pub(in crate::leader) fn note(&mut self, record: Record) {
        if self.config.durable {
            self.disk.records.push(record);
        }
    }

    pub(in crate::leader) fn note_meta(&mut self) {
        if self.config.durable {
            self.disk.records.push(Record::Meta(Arc::new(self.meta.clone())));
            self.disk.meta = Some(PersistId(self.disk.next_batch));
        }
    }

    pub(in crate::leader) fn note_entry(&mut self, entry: &Entry) {
        if self.config.durable {
            self.disk.entries.push(entry.clone());
        }
    }

    /// The log begins anew after `mark`: nothing above it is written yet.
    pub(in crate::leader) fn note_new_log(&mut self, mark: Version) {
        self.disk.entries.clear();
        self.disk.under_way.iter_mut().for_each(|(_, through)| *through = mark);
        self.disk.durable = mark;
        self.disk.written = mark;
    }

    /// Hands over everything that is to be written, as one batch.
    pub(in crate::leader) fn write_down(&mut self) {
        let disk = &mut self.disk;
        if disk.records.is_empty() && disk.entries.is_empty() {
            return;
        }
        let id = PersistId(disk.next_batch);
        disk.next_batch += 1;
        let mut records = std::mem::take(&mut disk.records);
        if let Some(last) = disk.entries.last() {
            disk.written = last.version();
            records.push(Record::Entries(std::mem::take(&mut disk.entries)));
        }
        if self.mark > disk.mark && self.mark <= disk.durable {
            disk.mark = self.mark;
            records.push(Record::Mark(self.mark));
        }
        disk.under_way.push_back((id, disk.written));
        self.outputs.push_back(Output::Persist { id, records });
    }

    pub(in crate::leader) fn on_persisted(&mut self, now: Time, id: PersistId) {
        let before = self.disk.durable;
        while let Some((_, through)) = self.disk.under_way.pop_front_if(|(batch, _)| *batch <= id) {
            self.disk.durable = through;
        }
        self.disk.meta.take_if(|meta| *meta <= id);
        for version in before + 1..=self.disk.durable {
            self.commit_if_held(version);
        }
        self.advance_mark();
        self.go_on(now);
    }
}
