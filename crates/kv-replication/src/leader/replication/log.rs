//! The leader's log: the newest entries, with who has acknowledged them.

use std::collections::VecDeque;

use kv_core::{Entry, Version};

use crate::leader::ids::WriteId;
use crate::protocol::follower_set::{FollowerIndex, FollowerSet};

/// One entry and what the leader knows of it.
#[derive(Clone, Debug)]
pub(in crate::leader) struct Slot {
    entry: Entry,
    /// Who has acknowledged it at the current epoch.
    acks: FollowerSet,
    committed: bool,
    waiter: Option<Waiter>,
}

/// The write that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(in crate::leader) struct Waiter {
    pub(in crate::leader) id: WriteId,
    /// How many acknowledgements it waits for.
    pub(in crate::leader) acks: usize,
}

impl Slot {
    pub(in crate::leader) fn entry(&self) -> &Entry {
        &self.entry
    }

    pub(super) fn acks(&self) -> FollowerSet {
        self.acks
    }

    pub(super) fn is_committed(&self) -> bool {
        self.committed
    }

    pub(super) fn is_awaited(&self) -> bool {
        self.waiter.is_some()
    }

    pub(super) fn acknowledge(&mut self, follower: FollowerIndex) {
        self.acks.insert(follower);
    }

    /// The follower is not what it was; for a commit that does not matter any more.
    pub(super) fn withdraw(&mut self, follower: FollowerIndex) {
        if !self.committed {
            self.acks.remove(follower);
        }
    }

    pub(super) fn commit(&mut self) {
        self.committed = true;
    }

    /// The write that waits, if it waits for no more than what is there: a write that wants more than `quorum`
    /// acknowledgements is answered after the commit, and one that wants fewer before it.
    pub(super) fn take_answered(&mut self, quorum: usize) -> Option<Waiter> {
        let (acks, committed) = (self.acks.len(), self.committed);
        self.waiter.take_if(|waiter| acks >= waiter.acks && (committed || waiter.acks < quorum))
    }

    /// The write that waits does so no longer.
    pub(super) fn take_waiter(&mut self) -> Option<Waiter> {
        self.waiter.take()
    }
}

/// A contiguous run of versions that ends at the newest one.
#[derive(Clone, Debug)]
pub(in crate::leader) struct Log {
    slots: VecDeque<Slot>,
    /// The version of the first slot, or the next version if there is none.
    first: Version,
    bytes: usize,
}

impl Log {
    /// An empty log whose next version is the one after `version`.
    pub(in crate::leader) fn after(version: Version) -> Self {
        Self { slots: VecDeque::new(), first: version + 1, bytes: 0 }
    }

    /// The oldest version that is still here, or the next one if none is.
    pub(in crate::leader) fn first(&self) -> Version {
        self.first
    }

    /// The newest version that was ever here.
    pub(in crate::leader) fn last(&self) -> Version {
        self.first + self.slots.len() as u64 - 1
    }

    pub(in crate::leader) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(in crate::leader) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(in crate::leader) fn push(&mut self, entry: Entry, waiter: Option<Waiter>) {
        debug_assert_eq!(entry.version(), self.last() + 1);
        self.bytes += entry.frame().len();
        self.slots.push_back(Slot { entry, acks: FollowerSet::EMPTY, committed: false, waiter });
    }

    /// As [`Log::push`], for what is committed already.
    pub(in crate::leader) fn push_committed(&mut self, entry: Entry) {
        self.push(entry, None);
        self.slots.iter_mut().next_back().into_iter().for_each(Slot::commit);
    }

    pub(in crate::leader) fn get(&self, version: Version) -> Option<&Slot> {
        self.slots.get(self.index(version)?)
    }

    pub(super) fn get_mut(&mut self, version: Version) -> Option<&mut Slot> {
        let index = self.index(version)?;
        self.slots.get_mut(index)
    }

    /// Lets the oldest entry go, if it is at or below `mark`.
    pub(super) fn pop_committed(&mut self, mark: Version) -> bool {
        if self.first > mark {
            return false;
        }
        let Some(slot) = self.slots.pop_front() else {
            return false;
        };
        self.bytes -= slot.entry.frame().len();
        self.first += 1;
        true
    }

    /// All entries, oldest first.
    pub(in crate::leader) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().map(|slot| &slot.entry)
    }

    fn index(&self, version: Version) -> Option<usize> {
        usize::try_from(version.checked_sub(self.first)?).ok()
    }
}
