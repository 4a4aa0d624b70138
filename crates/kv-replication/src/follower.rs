//! The follower's machine.

use kv_core::{Entry, Epoch, Item, NodeId, Operation, Store, VERSION_MAX, Version};

use crate::overlay::Overlay;
use crate::{
    Append, ClusterId, FollowerConfig, HELD_RANGES_MAX, Held, Identity, RangeSet, Refusal, Reply, Request,
};

/// Holds what a leader sends, and says what it holds.
///
/// It does no I/O and reads no clock: [`Follower::handle`] takes a request in and gives the answer.
/// An answer means what it says as soon as it is given, since this node keeps nothing but memory.
#[derive(Clone, Debug)]
pub struct Follower {
    config: FollowerConfig,
    identity: Identity,
    cluster: Option<ClusterId>,
    promised: Epoch,
    mark: Version,
    /// Everything up to the mark, and what is pending under the promised epoch.
    held: RangeSet,
    pending: Overlay,
    /// Pending entries of epochs below this one have been dropped.
    void_below: Epoch,
    /// Committed entries only; and those of [`Follower::adopt`].
    store: Store,
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
}

impl Follower {
    /// A follower that has just started, without memory. `node` is drawn anew for every start.
    #[must_use]
    pub fn new(node: NodeId, config: FollowerConfig) -> Self {
        Self {
            config,
            identity: Identity { node, resets: 0 },
            cluster: None,
            promised: Epoch::ZERO,
            mark: 0,
            held: RangeSet::new(),
            pending: Overlay::default(),
            void_below: Epoch::ZERO,
            store: Store::new(),
        }
    }

    /// Takes in a leader's request and answers it.
    ///
    /// # Errors
    /// A [`Refusal`] says why nothing was taken; then nothing has changed.
    pub fn handle(&mut self, request: Request) -> Reply {
        match request {
            Request::Probe => Ok(self.holds()),
            Request::Append(append) => {
                self.check(&append)?;
                self.take_in(append);
                Ok(self.holds())
            }
        }
    }

    /// A write of a leader that knows no epochs: taken as long as no other leader has claimed this
    /// follower.
    pub fn adopt(&mut self, entry: &Entry) -> Adopted {
        let Operation::Put { key, value } = entry.operation() else {
            return Adopted::Claimed { promised: self.promised }; // that leader writes nothing else
        };
        if !self.is_claimed() {
            self.store.apply(entry);
            return Adopted::Now(self.version_of(key));
        }
        // Held already: this very write, or one that has replaced it.
        match self.local(key).filter(|_| self.held.contains(entry.version())) {
            Some(item) if item.version > entry.version() => Adopted::Now(item.version),
            Some(item) if item.version == entry.version() && item.value == value => {
                Adopted::Now(item.version)
            }
            _ => Adopted::Claimed { promised: self.promised },
        }
    }

    /// Drops everything it holds, as an operator wishes. It keeps its promise, and says from now on
    /// that it has lost its memory.
    pub fn reset(&mut self) {
        self.identity.resets += 1;
        self.cluster = None;
        self.mark = 0;
        self.held = RangeSet::new();
        self.pending = Overlay::default();
        self.store = Store::new();
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

    /// What it holds without a gap from version 1.
    #[must_use]
    pub fn watermark(&self) -> Version {
        self.held.watermark()
    }

    /// What it would answer to a probe.
    #[must_use]
    pub fn holds(&self) -> Held {
        Held {
            identity: self.identity,
            cluster: self.cluster,
            promised: self.promised,
            mark: self.mark,
            ranges: self.held.lowest(HELD_RANGES_MAX),
            has_data: self.has_data(),
        }
    }

    /// Everything that can refuse the request, before anything changes.
    fn check(&self, append: &Append) -> Result<(), Refusal> {
        if self.has_data() && self.cluster != Some(append.cluster) {
            return Err(Refusal::WrongCluster { held: self.cluster });
        }
        if append.epoch < self.promised {
            return Err(Refusal::StaleEpoch { promised: self.promised });
        }
        // The mark that this very request brings already makes room.
        let held_now = if append.epoch == self.promised { self.held.watermark() } else { self.mark };
        let mark = self.mark.max(append.mark.min(held_now));
        let last = mark.saturating_add(self.config.window_entries_max).min(VERSION_MAX);
        let mut before = 0;
        for entry in &append.entries {
            let version = entry.version();
            if entry.epoch() != append.epoch || version <= before {
                return Err(Refusal::Malformed { version });
            }
            before = version;
            if version > last {
                return Err(Refusal::BeyondWindow { version, last });
            }
            let held = self.pending.get(version);
            if held.is_some_and(|held| held.epoch() == entry.epoch() && held != entry) {
                return Err(Refusal::Conflict { version });
            }
        }
        Ok(())
    }

    fn take_in(&mut self, append: Append) {
        self.cluster = Some(append.cluster);
        if append.epoch > self.promised {
            self.promised = append.epoch;
            // What older epochs left is kept aside, but not held under this one.
            self.held = if self.mark > 0 { [1..=self.mark].into_iter().collect() } else { RangeSet::new() };
        }
        if append.recovered && self.void_below < append.epoch {
            self.void_below = append.epoch;
            self.pending.retain_epoch(append.epoch);
        }
        for entry in append.entries {
            let version = entry.version();
            if version > self.mark && !(self.held.contains(version)) {
                self.held.insert(version);
                self.pending.insert(entry);
            }
        }
        self.advance_mark(append.mark.min(self.held.watermark()));
    }

    /// What the leader knows to be committed, and this node holds without a gap, is readable.
    fn advance_mark(&mut self, to: Version) {
        if to <= self.mark {
            return;
        }
        for version in self.mark + 1..=to {
            if let Some(entry) = self.pending.take(version) {
                self.store.apply(&entry);
            }
        }
        self.mark = to;
        self.store.prune(to);
    }

    fn version_of(&self, key: &str) -> Version {
        self.local(key).map_or(0, |item| item.version)
    }

    fn is_claimed(&self) -> bool {
        self.promised > Epoch::ZERO
    }

    fn has_data(&self) -> bool {
        self.mark > 0 || !self.held.is_empty() || !self.pending.is_empty() || !self.store.is_empty()
    }
}
