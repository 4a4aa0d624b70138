//! The machine itself: a request comes in, goes to the parts that it concerns, and is answered.

use std::sync::Arc;

use kv_core::{Entry, Epoch, Item, NodeId, Store, Version};

use crate::config::FollowerConfig;
use crate::durable::image::Image;
use crate::durable::record::{CheckpointHead, Durable, Record};
use crate::follower::adopt::{Adopted, adopt};
use crate::follower::check;
use crate::follower::content::Content;
use crate::follower::journal::Journal;
use crate::follower::promises::Promises;
use crate::follower::reset;
use crate::follower::snapshot::{self, Incoming, Snapshot};
use crate::protocol::message::{
    Answer, Append, Claim, HELD_RANGES_MAX, Held, Install, Refusal, Reply, Request, Stage, Standing,
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
    promises: Promises,
    content: Content,
    incoming: Incoming,
    journal: Journal,
    /// The mark that its leader has told it last.
    leader_mark: Version,
    /// The disk has no room for what it does not hold yet.
    disk_full: bool,
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
        let mut journal = Journal::new(config.durable);
        if is_half {
            // The disk has it all still, and would be believed as soon as a leader has claimed this node.
            journal.note(|| Record::Wipe);
        }
        let content = Content::restore(mark, store, whole_from, pending, meta.promised);
        let promises = Promises::new(meta);
        let incoming = Incoming::default();
        Self { config, promises, content, incoming, journal, leader_mark: mark, disk_full: false }
    }

    /// Takes in a leader's request and answers it.
    ///
    /// The answer is a [`Refusal`] if the request was not taken.
    pub fn handle(&mut self, request: Request) -> Durable<Reply> {
        let reply = self.answer(request);
        self.journal.close(reply)
    }

    /// A write of a leader that knows no epochs: taken as long as no other leader has claimed this
    /// follower.
    pub fn adopt(&mut self, entry: &Entry) -> Durable<Adopted> {
        let Self { content, journal, .. } = self;
        let adopted = adopt(content, journal, self.promises.meta().promised, self.disk_full, entry);
        self.journal.close(adopted)
    }

    /// Drops everything it holds, as an operator wishes. It keeps its promise, and says from now on
    /// that it has lost its memory.
    pub fn reset(&mut self) -> Durable<()> {
        self.forget_all();
        self.journal.close(())
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
        self.content.local(key)
    }

    /// Everything it holds, pending entries included, in key order.
    pub fn local_scan(&self) -> impl Iterator<Item = (&str, Item<'_>)> {
        self.content.pending().scan(self.content.store())
    }

    /// Keys that begin with `prefix`, past `after` if it is given, in order, pending entries included. A
    /// key that is deleted and not forgotten yet comes without an item.
    pub fn local_range<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a str, Option<Item<'a>>)> {
        self.content.pending().range(self.content.store(), prefix, after)
    }

    /// What it knows to be committed.
    #[must_use]
    pub fn store(&self) -> &Store {
        self.content.store()
    }

    /// Its commit mark.
    #[must_use]
    pub fn mark(&self) -> Version {
        self.content.mark()
    }

    /// Its commit mark, if [`Follower::store`] shows exactly what is committed up to there. After a snapshot
    /// it shows some newer entries, until the mark has passed them.
    #[must_use]
    pub fn whole_mark(&self) -> Option<Version> {
        let mark = self.content.mark();
        (mark >= self.content.whole_from() && !self.has_diverged()).then_some(mark)
    }

    /// Its store shows nothing above this version, or above its mark.
    #[must_use]
    pub fn whole_from(&self) -> Version {
        self.content.whole_from().max(self.content.mark())
    }

    /// What it holds without a gap from version 1.
    #[must_use]
    pub fn watermark(&self) -> Version {
        self.content.held().watermark()
    }

    /// The highest epoch that it has promised; [`Epoch::ZERO`] if none.
    #[must_use]
    pub fn promised(&self) -> Epoch {
        self.promises.meta().promised
    }

    /// The commit mark of its leader, as it was told last.
    #[must_use]
    pub fn leader_mark(&self) -> Version {
        self.leader_mark
    }

    /// Entries that it holds above its mark, of any epoch.
    #[must_use]
    pub fn pending_len(&self) -> usize {
        self.content.pending().len()
    }

    /// What a checkpoint holds beside [`Follower::store`]: all records so far amount to both.
    #[must_use]
    pub fn checkpoint_head(&self) -> CheckpointHead {
        CheckpointHead {
            meta: self.promises.meta().clone(),
            mark: self.content.mark(),
            whole_from: self.content.whole_from(),
            pending: self.content.pending().above(0).cloned().collect(),
        }
    }

    /// What it would answer to an append.
    #[must_use]
    pub fn holds(&self) -> Held {
        let meta = self.promises.meta();
        let diverged = self.has_diverged();
        let ranges = if diverged { RangeSet::new() } else { self.content.held().lowest(HELD_RANGES_MAX) };
        Held {
            identity: meta.identity,
            counts: meta.counts && !diverged,
            promised: meta.promised,
            disk_full: self.disk_full,
            mark: self.content.mark(),
            ranges,
        }
    }

    /// What it would answer to a probe.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let meta = self.promises.meta();
        Standing {
            held: self.holds(),
            cluster: meta.cluster,
            promised_in: meta.promised_in,
            promised_other: meta.promised_other,
            groups: Arc::clone(&meta.groups),
            has_data: self.content.has_data(),
            diverged: meta.diverged,
        }
    }

    fn answer(&mut self, request: Request) -> Reply {
        if let Some(head) = request.head() {
            let is_claim = matches!(request, Request::Claim(_));
            check::head(&self.promises, self.content.has_data(), head, is_claim)?;
        }
        match request {
            Request::Probe => Ok(Answer::Standing(Box::new(self.standing()))),
            Request::Claim(claim) => {
                check::cluster(self.promises.meta(), self.content.has_data(), &claim)?;
                self.promise(claim);
                Ok(Answer::Standing(Box::new(self.standing())))
            }
            Request::Append(append) => {
                self.check_append(&append)?;
                self.take_in(append);
                Ok(Answer::Held(self.holds()))
            }
            Request::Install(install) => {
                self.take_chunk(install)?;
                Ok(Answer::Held(self.holds()))
            }
            Request::Pull(pull) => Ok(Answer::Chunk(snapshot::hand_over(&self.content, &pull.part))),
        }
    }

    fn promise(&mut self, claim: Claim) {
        let promised = self.promises.promise(claim, self.content.has_data());
        if promised.is_higher {
            self.incoming.give_up(); // of an older epoch: nobody will go on with it
            // What older epochs left is kept aside, but not held under this one.
            self.content.hold_those(|_| false);
            planted!(self.config, MarkOverOldEpoch, { self.content.hold_those(|_| true) });
            planted!(self.config, GroupTakenAtPromise, { _ = self.promises.adopt_groups(Stage::Serving) });
        }
        if promised.is_news {
            self.write_meta();
        }
    }

    fn check_append(&mut self, append: &Append) -> Result<(), Refusal> {
        if let Some(version) = self.promises.meta().diverged {
            return Err(Refusal::Conflict { version });
        }
        check::entries(&self.content, &self.config, append)?;
        if let Some(version) = self.content.differing(&append.entries) {
            self.promises.diverge(version);
            self.write_meta();
            return Err(Refusal::Conflict { version });
        }
        check::space(&self.content, self.disk_full, append)
    }

    fn take_in(&mut self, append: Append) {
        let Append { head, stage, counted, mark, entries } = append;
        if self.promises.reach(head.epoch, stage) && stage != Stage::Recovering {
            self.leave_older_epochs(head.epoch, stage);
        }
        planted!(self.config, LatePutApplied, {
            let late = entries.iter().take_while(|entry| entry.version() <= self.content.mark());
            late.cloned().collect::<Vec<_>>().iter().for_each(|late| self.content.put_back(late));
        });
        self.hold(entries);
        if counted && self.promises.count() {
            self.write_meta();
        }
        self.leader_mark = self.leader_mark.max(mark);
        // What the leader knows to be committed, and this node holds without a gap, is readable.
        if let Some(mark) = self.content.advance_mark(mark) {
            self.journal.note(|| Record::Mark(mark));
        }
    }

    fn hold(&mut self, entries: Vec<Entry>) {
        let mut news = Vec::new();
        for entry in entries {
            if self.content.lacks(entry.version()) {
                if self.journal.is_durable() {
                    news.push(entry.clone());
                }
                self.content.hold(entry);
            }
        }
        if !news.is_empty() {
            self.journal.note(|| Record::Entries(news));
        }
    }

    /// Its leader has got back what there was to get back: what older epochs left is of no more use.
    fn leave_older_epochs(&mut self, epoch: Epoch, stage: Stage) {
        self.content.drop_pending_of_others(epoch);
        self.journal.note(|| Record::Void(epoch));
        if self.promises.adopt_groups(stage) {
            self.write_meta();
        }
    }

    fn take_chunk(&mut self, install: Install) -> Result<(), Refusal> {
        if install.base <= self.content.mark() && !self.has_diverged() {
            return Ok(()); // it has that, and perhaps more
        }
        if self.disk_full {
            self.incoming.give_up(); // with space again, the leader begins anew
            return Err(Refusal::DiskFull);
        }
        if let Some(snapshot) = self.incoming.take(install)? {
            self.switch_over(snapshot);
        }
        Ok(())
    }

    fn switch_over(&mut self, snapshot: Snapshot) {
        let Snapshot { epoch, base, through, mut store } = snapshot;
        if self.has_diverged() {
            // Nothing that it had can be trusted: it is as if it had lost it all.
            let before = self.promises.meta().clone();
            self.forget_all();
            // But it still follows the leader that has sent this.
            self.promises.follow_again(before);
            self.write_meta();
        }
        store.prune(base);
        self.journal.note(|| {
            let entries = store.scan("", None).map(|(_, item)| item.entry.clone()).collect();
            Record::Replace { base, through, entries }
        });
        self.content.replace(base, through, store, epoch);
        planted!(self.config, SnapshotDropsHeld, {
            self.content.drop_pending_of_others(Epoch::ZERO);
            self.content.hold_those(|_| false);
        });
    }

    /// Begins a new memory, which counts for nothing yet.
    fn forget_all(&mut self) {
        self.promises.forget();
        self.content = Content::empty();
        self.incoming.give_up();
        self.leader_mark = 0;
        self.write_meta(); // first: whoever finds half of this has lost its memory
        self.journal.note(|| Record::Wipe);
    }

    fn write_meta(&mut self) {
        self.journal.note(|| Record::Meta(Arc::new(self.promises.meta().clone())));
    }

    fn has_diverged(&self) -> bool {
        self.promises.meta().diverged.is_some()
    }
}
