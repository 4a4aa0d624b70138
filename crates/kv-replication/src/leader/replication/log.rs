//! The leader's log: the newest entries, with who has acknowledged them.

use std::collections::VecDeque;

use kv_core::{Entry, Version};

use crate::leader::ids::WriteId;

/// One entry and what the leader knows of it.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) entry: Entry,
    /// Bit i: the follower with index i has acknowledged it at the current epoch.
    pub(crate) acks: u64,
    pub(crate) committed: bool,
    /// The write that waits for its answer, and the acknowledgements that it waits for.
    pub(crate) waiter: Option<(WriteId, usize)>,
}

/// A contiguous run of versions that ends at the newest one.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    slots: VecDeque<Slot>,
    /// The version of the first slot, or the next version if there is none.
    first: Version,
    bytes: usize,
}

impl Log {
    /// An empty log whose next version is the one after `version`.
    pub(crate) fn after(version: Version) -> Self {
        Self { slots: VecDeque::new(), first: version + 1, bytes: 0 }
    }

    /// The oldest version that is still here, or the next one if none is.
    pub(crate) fn first(&self) -> Version {
        self.first
    }

    /// The newest version that was ever here.
    pub(crate) fn last(&self) -> Version {
        self.first + self.slots.len() as u64 - 1
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn push(&mut self, entry: Entry, waiter: Option<(WriteId, usize)>) {
        debug_assert_eq!(entry.version(), self.last() + 1);
        self.bytes += entry.frame().len();
        self.slots.push_back(Slot { entry, acks: 0, committed: false, waiter });
    }

    /// As [`Log::push`], for what is committed already.
    pub(crate) fn push_committed(&mut self, entry: Entry) {
        self.push(entry, None);
        self.slots.iter_mut().next_back().into_iter().for_each(|slot| slot.committed = true);
    }

    pub(crate) fn get(&self, version: Version) -> Option<&Slot> {
        self.slots.get(self.index(version)?)
    }

    pub(crate) fn get_mut(&mut self, version: Version) -> Option<&mut Slot> {
        let index = self.index(version)?;
        self.slots.get_mut(index)
    }

    /// Lets the oldest entry go, if it is at or below `mark`.
    pub(crate) fn pop_committed(&mut self, mark: Version) -> bool {
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
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().map(|slot| &slot.entry)
    }

    fn index(&self, version: Version) -> Option<usize> {
        usize::try_from(version.checked_sub(self.first)?).ok()
    }
}
