//! The follower's machine.

mod check;
mod overlay;
mod read;
mod reset;
pub(crate) mod snapshot;

use std::collections::BTreeMap;
use std::sync::Arc;

use kv_core::{Entry, Epoch, Item, NodeId, Operation, Store, Version};

use crate::config::FollowerConfig;
use crate::durable::record::{CheckpointHead, Durable, Image, Meta, Record};
use crate::follower::overlay::Overlay;
use crate::protocol::group::Group;
use crate::protocol::message::{
    Answer, Append, Claim, HELD_RANGES_MAX, Held, Reply, Request, Stage, Standing,
};
use crate::protocol::range_set::RangeSet;
use crate::testing::planted::planted;

/// Holds what a leader sends, and says what it holds.
///
/// It does no I/O and reads no clock: [`Follower::handle`] takes a request in and gives the answer,
/// together with what must be durable before the answer may leave the node.
#[derive(Clone, Debug)]
pub struct Follower {
    config: FollowerConfig,
    meta: Meta,
    mark: Version,
    /// Everything up to the mark, and what is pending under the promised epoch.
    held: RangeSet,
    pending: Overlay,
    pending_bytes: usize,
    /// How far the leader of that epoch had come when it spoke last: what that means has been done.
    stage: (Epoch, Stage),
    /// Committed entries only; and those of [`Follower::adopt`].
    store: Store,
    /// The store is that of one moment when the mark is here or above: a snapshot shows newer entries too.
    whole_from: Version,
    /// The mark that its leader has told it last.
    leader_mark: Version,
    /// The disk has no room for what it does not hold yet.
    disk_full: bool,
    /// A snapshot that is being taken in, aside.
    transfer: Option<snapshot::Transfer>,
    /// What the current call has to write down.
    records: Vec<Record>,
}

/// What became of a write that came without an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// The version that the key has now: the written one, or a newer one that was there.
    Now(Version),
    /// A leader has claimed this follower, and only its requests count.
    Claimed {
        /// The epoch that was promised to it.
        promised: Epoch,
    },
    /// The disk is full.
    DiskFull,
}

impl Follower {
    /// A follower that begins to exist: it is empty, and counts for nothing until a leader says so.
    /// `node` is drawn anew.
    #[must_use]
    pub fn new(node: NodeId, config: FollowerConfig) -> Self {
        Self::restart(Image::new(node), config)
    }

    /// A follower that starts again with what its disk knows.
    #[must_use]
    pub fn restart(image: Image, config: FollowerConfig) -> Self {
        let is_half = reset::is_half(&image);
        let image = if is_half { reset::emptied(image) } else { image };
        let Image { meta, mark, store, whole_from, pending, .. } = image;
        // The disk has it all still, and would be believed as soon as a leader has claimed this node.
        let records = if is_half && config.durable { vec![Record::Wipe] } else { Vec::new() };
        let mut follower = Self {
            config,
            meta,
            mark,
            held: RangeSet::new(),
            pending: Overlay::default(),
            pending_bytes: 0,
            stage: (Epoch::ZERO, Stage::Recovering),
            store,
            whole_from,
            leader_mark: mark,
            disk_full: false,
            transfer: None,
            records,
        };
        follower.hold_again(pending);
        follower
    }

    /// Takes in a leader's request and answers it.
    ///
    /// The answer is a [`Refusal`](crate::Refusal) if the request was not taken.
    pub fn handle(&mut self, request: Request) -> Durable<Reply> {
        let reply = self.answer(request);
        Durable { records: std::mem::take(&mut self.records), then: reply }
    }

    /// A write of a leader that knows no epochs: taken as long as no other leader has claimed this
    /// follower.
    pub fn adopt(&mut self, entry: &Entry) -> Durable<Adopted> {
        let adopted = self.take_foreign(entry);
        Durable { records: std::mem::take(&mut self.records), then: adopted }
    }

    /// Drops everything it holds, as an operator wishes. It keeps its promise, and says from now on
    /// that it has lost its memory.
    pub fn reset(&mut self) -> Durable<()> {
        self.forget_all();
        Durable { records: std::mem::take(&mut self.records), then: () }
    }

    /// The disk has run full, or has space again. As long as it is full, the follower refuses whatever would
    /// make it hold more, and says so in every answer; promises, marks and questions go on, for which the caller
    /// keeps some space in reserve.
    pub fn set_disk_full(&mut self, full: bool) {
        self.disk_full = full;
    }

    /// What it holds for `key`, pending entries included: it may be behind the leader, and it may
    /// show what is never committed.
    #[must_use]
    pub fn local(&self, key: &str) -> Option<Item<'_>> {
        self.pending.look_up(&self.store, key)
    }

    /// Everything it holds, pending entries included, in key order.
    pub fn local_scan(&self) -> impl Iterator<Item = (&str, Item<'_>)> {
        self.pending.scan(&self.store)
    }

    /// What it knows to be committed.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Its commit mark.
    #[must_use]
    pub fn mark(&self) -> Version {
        self.mark
    }

    /// Its commit mark, if [`Follower::store`] shows exactly what is committed up to there. After a snapshot
    /// it shows some newer entries, until the mark has passed them.
    #[must_use]
    pub fn whole_mark(&self) -> Option<Version> {
        (self.mark >= self.whole_from && self.meta.diverged.is_none()).then_some(self.mark)
    }

    /// Its store shows nothing above this version, or above its mark.
    #[must_use]
    pub fn whole_from(&self) -> Version {
        self.whole_from.max(self.mark)
    }

    /// What it holds without a gap from version 1.
    #[must_use]
    pub fn watermark(&self) -> Version {
        self.held.watermark()
    }

    /// The highest epoch that it has promised; [`Epoch::ZERO`] if none.
    #[must_use]
    pub fn promised(&self) -> Epoch {
        self.meta.promised
    }

    /// The commit mark of its leader, as it was told last.
    #[must_use]
    pub fn leader_mark(&self) -> Version {
        self.leader_mark
    }

    /// Entries that it holds above its mark, of any epoch.
    #[must_use]
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// What a checkpoint holds beside [`Follower::store`]: all records so far amount to both.
    #[must_use]
    pub fn checkpoint_head(&self) -> CheckpointHead {
        CheckpointHead {
            meta: self.meta.clone(),
            mark: self.mark,
            whole_from: self.whole_from,
            pending: self.pending.above(0).cloned().collect(),
        }
    }

    /// What it would answer to an append.
    #[must_use]
    pub fn holds(&self) -> Held {
        Held {
            identity: self.meta.identity,
            counts: self.meta.counts && self.meta.diverged.is_none(),
            promised: self.meta.promised,
            disk_full: self.disk_full,
            mark: self.mark,
            ranges: match self.meta.diverged {
                None => self.held.lowest(HELD_RANGES_MAX),
                Some(_) => RangeSet::new(),
            },
        }
    }

    /// What it would answer to a probe.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            held: self.holds(),
            cluster: self.meta.cluster,
            promised_in: self.meta.promised_in,
            promised_other: self.meta.promised_other,
            groups: Arc::clone(&self.meta.groups),
            has_data: self.has_data(),
            diverged: self.meta.diverged,
        }
    }

    fn answer(&mut self, request: Request) -> Reply {
        if let Some(head) = request.head() {
            self.check_head(head, matches!(request, Request::Claim(_)))?;
        }
        match request {
            Request::Probe => Ok(Answer::Standing(Box::new(self.standing()))),
            Request::Claim(claim) => {
                self.check_cluster(&claim)?;
                self.promise(claim);
                Ok(Answer::Standing(Box::new(self.standing())))
            }
            Request::Append(append) => {
                self.check_entries(&append)?;
                self.take_in(append);
                Ok(Answer::Held(self.holds()))
            }
            Request::Install(install) => {
                self.take_chunk(install)?;
                Ok(Answer::Held(self.holds()))
            }
            Request::Pull(pull) => Ok(Answer::Chunk(self.hand_over(&pull.part))),
        }
    }

    fn promise(&mut self, claim: Claim) {
        let Claim { head, groups, .. } = claim;
        let before = self.meta.clone();
        if self.is_released(head.cluster) {
            self.meta.promised = Epoch::ZERO;
            self.meta.promised_other = Epoch::ZERO;
        }
        self.meta.promised_in = Some(head.cluster);
        self.meta.cluster = Some(head.cluster);
        self.meta.claimed = groups;
        if !self.meta.counts || planted!(self.config, GroupTakenAtPromise) {
            // It knows nothing of its own; what is on its way in is not in force yet.
            // A late claim of a leader that has come further by now does not take that back.
            let stage = if self.stage.0 == head.epoch { self.stage.1 } else { Stage::Recovering };
            self.meta.groups = self.groups_at(stage);
        }
        if head.epoch > self.meta.promised {
            self.meta.promise(head.epoch);
            self.transfer = None; // of an older epoch: nobody will go on with it
            // What older epochs left is kept aside, but not held under this one.
            self.held = if self.mark > 0 { [1..=self.mark].into_iter().collect() } else { RangeSet::new() };
            planted!(self.config, MarkOverOldEpoch, {
                self.pending.above(0).for_each(|old| self.held.insert(old.version()));
            });
        }
        if self.meta != before {
            self.write_meta();
        }
    }

    fn take_in(&mut self, append: Append) {
        let Append { head, stage, counted, mark, entries } = append;
        if self.stage < (head.epoch, stage) {
            self.stage = (head.epoch, stage);
            self.enter(head.epoch, stage);
        }
        planted!(self.config, LatePutApplied, {
            let late = entries.iter().take_while(|entry| entry.version() <= self.mark);
            late.for_each(|entry| crate::testing::planted::put_back(&mut self.store, entry));
        });
        let mut news = Vec::new();
        for entry in entries {
            let version = entry.version();
            if version > self.mark && self.meta.diverged.is_none() && !self.held.contains(version) {
                if self.config.durable {
                    news.push(entry.clone());
                }
                self.hold(entry);
            }
        }
        if !news.is_empty() {
            self.records.push(Record::Entries(news));
        }
        if counted && !self.meta.counts {
            self.meta.counts = true;
            self.write_meta();
        }
        self.leader_mark = self.leader_mark.max(mark);
        self.advance_mark(mark.min(self.held.watermark()));
    }

    /// Its leader has come that far.
    fn enter(&mut self, epoch: Epoch, stage: Stage) {
        if stage == Stage::Recovering {
            return;
        }
        self.drop_pending_of_others(epoch);
        let complete = self.groups_at(Stage::Serving);
        let groups = self.groups_at(stage);
        // A restart forgets the stage: what is complete stays complete.
        if self.meta.groups != groups && self.meta.groups != complete {
            self.meta.groups = groups;
            self.write_meta();
        }
    }

    /// The groups in force when its leader has come that far.
    fn groups_at(&self, stage: Stage) -> Arc<Vec<Group>> {
        match (self.meta.claimed.as_slice(), stage) {
            ([], _) => Arc::clone(&self.meta.groups),
            (_, Stage::Changing) => Arc::clone(&self.meta.claimed),
            ([_], _) => Arc::clone(&self.meta.claimed),
            ([.., own], Stage::Serving) => Arc::new(vec![own.clone()]),
            ([older @ .., own], Stage::Recovering) => match planted!(self.config, GroupTakenAtPromise) {
                false => Arc::new(older.to_vec()),
                true => Arc::new(vec![own.clone()]),
            },
        }
    }

    fn hold(&mut self, entry: Entry) {
        self.held.insert(entry.version());
        self.pending_bytes += entry.frame().len();
        if let Some(old) = self.pending.insert(entry) {
            self.pending_bytes -= old.frame().len();
        }
    }

    /// What the leader knows to be committed, and this node holds without a gap, is readable.
    fn advance_mark(&mut self, to: Version) {
        if to <= self.mark {
            return;
        }
        for version in self.mark + 1..=to {
            if let Some(entry) = self.pending.take(version) {
                self.pending_bytes -= entry.frame().len();
                self.store.apply(&entry);
            }
        }
        self.mark = to;
        self.store.prune(to);
        if self.config.durable {
            self.records.push(Record::Mark(to));
        }
    }

    fn drop_pending_of_others(&mut self, epoch: Epoch) {
        self.pending.retain_epoch(epoch);
        self.pending_bytes = self.pending.bytes();
        if self.config.durable {
            self.records.push(Record::Void(epoch));
        }
    }

    fn hold_again(&mut self, pending: BTreeMap<Version, Entry>) {
        self.held = if self.mark > 0 { [1..=self.mark].into_iter().collect() } else { RangeSet::new() };
        for entry in pending.into_values() {
            if entry.epoch() == self.meta.promised {
                self.held.insert(entry.version());
            }
            self.pending_bytes += entry.frame().len();
            self.pending.insert(entry);
        }
    }

    fn take_foreign(&mut self, entry: &Entry) -> Adopted {
        let claimed = Adopted::Claimed { promised: self.meta.promised };
        let Operation::Put { key, value } = entry.operation() else {
            return claimed; // that leader writes nothing else
        };
        if self.meta.promised == Epoch::ZERO {
            if self.disk_full {
                return Adopted::DiskFull;
            }
            self.store.apply(entry);
            if self.config.durable {
                self.records.push(Record::Entries(vec![entry.clone()]));
            }
            return Adopted::Now(self.local(key).map_or(0, |item| item.version));
        }
        // Held already: this very write, or one that has replaced it.
        match self.local(key).filter(|_| self.held.contains(entry.version())) {
            Some(item) if item.version > entry.version() => Adopted::Now(item.version),
            Some(item) if item.version == entry.version() && item.value == value => {
                Adopted::Now(item.version)
            }
            _ => claimed,
        }
    }

    fn write_meta(&mut self) {
        if self.config.durable {
            self.records.push(Record::Meta(Arc::new(self.meta.clone())));
        }
    }

    fn has_data(&self) -> bool {
        self.mark > 0 || !self.held.is_empty() || !self.pending.is_empty() || !self.store.is_empty()
    }
}
