//! A disk: what is synced, and what is not yet.

use std::collections::VecDeque;

use crate::durable::image::Image;
use crate::durable::record::Record;

/// What a sync makes known when it is done: an answer that waited for it, or a batch of a leader.
#[derive(Clone, Debug)]
pub(super) struct Disk<T> {
    pub(super) image: Image,
    queue: VecDeque<Queued<T>>,
    /// How many of the queue the sync under way covers.
    syncing: usize,
}

/// What a crash has cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lost {
    /// Records that a later start misses, but for those whose loss does no harm.
    pub(super) records: usize,
    /// A sync was under way.
    pub(super) in_sync: bool,
}

#[derive(Clone, Debug)]
enum Queued<T> {
    Write(Record),
    Then(T),
}

impl<T> Disk<T> {
    pub(super) fn new(image: Image) -> Self {
        Self { image, queue: VecDeque::new(), syncing: 0 }
    }

    /// Queues records and what waits for them. Says whether a sync has to be started.
    pub(super) fn write(&mut self, records: Vec<Record>, then: T) -> bool {
        self.queue.extend(records.into_iter().map(Queued::Write));
        self.queue.push_back(Queued::Then(then));
        self.start_sync()
    }

    /// Nothing that must be durable is on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.iter().all(|queued| matches!(queued, Queued::Write(record) if record.is_lazy()))
    }

    /// The sync under way is done: what waited for it. Says whether another one has to be started.
    pub(super) fn synced(&mut self) -> (Vec<T>, bool) {
        let mut done = Vec::new();
        for _ in 0..std::mem::take(&mut self.syncing) {
            match self.queue.pop_front() {
                Some(Queued::Write(record)) => self.image.apply(record),
                Some(Queued::Then(then)) => done.push(then),
                None => {}
            }
        }
        (done, !self.queue.is_empty() && self.start_sync())
    }

    /// Records that a sync has not covered yet.
    pub(super) fn unsynced(&self) -> usize {
        self.queue.iter().filter(|queued| matches!(queued, Queued::Write(_))).count()
    }

    /// The node dies: of what was not synced, only the first `survive` records got there, also if that is
    /// in the middle of what a sync was to cover.
    pub(super) fn crash(mut self, survive: usize) -> (Image, Lost) {
        let in_sync = self.syncing > 0 && self.unsynced() > 0;
        let mut records = self.queue.drain(..).filter_map(|queued| match queued {
            Queued::Write(record) => Some(record),
            Queued::Then(_) => None,
        });
        for record in records.by_ref().take(survive) {
            self.image.apply(record);
        }
        let lost = records.filter(|record| !record.is_lazy()).count();
        (self.image, Lost { records: lost, in_sync })
    }

    fn start_sync(&mut self) -> bool {
        let idle = self.syncing == 0;
        if idle {
            self.syncing = self.queue.len();
        }
        idle
    }
}
