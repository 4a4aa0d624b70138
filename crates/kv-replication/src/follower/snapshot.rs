//! Snapshots: taken in chunk by chunk, and handed over the same way.

use kv_core::{Entry, Epoch, Store, Version};

use super::Follower;
use crate::durable::record::Record;
use crate::protocol::message::{Chunk, Install, Part, Refusal};
use crate::protocol::range_set::RangeSet;
use crate::testing::planted::planted;

/// The most that one chunk holds.
const CHUNK_ENTRIES_MAX: usize = 1_024;
/// And the most bytes of frames; a single larger entry still travels, alone.
const CHUNK_BYTES_MAX: usize = 1 << 20;

/// A snapshot on its way in. The state that is there stays as it is until the last chunk.
#[derive(Clone, Debug)]
pub(super) struct Transfer {
    epoch: Epoch,
    base: Version,
    next_chunk: u64,
    through: Version,
    store: Store,
}

impl Follower {
    /// Takes in one chunk, and switches over at the last.
    pub(super) fn take_chunk(&mut self, install: Install) -> Result<(), Refusal> {
        let Install { head, base, chunk, last, through, entries } = install;
        if base <= self.mark && self.meta.diverged.is_none() {
            return Ok(()); // it has that, and perhaps more
        }
        if self.disk_full {
            self.transfer = None; // with space again, the leader begins anew
            return Err(Refusal::DiskFull);
        }
        if chunk == 0 {
            let store = Store::new();
            self.transfer = Some(Transfer { epoch: head.epoch, base, next_chunk: 0, through, store });
        }
        let this = |transfer: &&mut Transfer| transfer.epoch == head.epoch && transfer.base == base;
        let Some(transfer) = self.transfer.as_mut().filter(this) else {
            return Err(Refusal::WrongChunk { expected: 0 });
        };
        // If its answer was lost, a chunk comes again, and may reach further by now: it is taken again.
        if chunk != transfer.next_chunk && chunk + 1 != transfer.next_chunk {
            return Err(Refusal::WrongChunk { expected: transfer.next_chunk });
        }
        transfer.next_chunk = chunk + 1;
        transfer.through = transfer.through.max(through);
        entries.iter().for_each(|entry| _ = transfer.store.apply(entry));
        if last && let Some(transfer) = self.transfer.take() {
            self.switch_over(transfer);
        }
        Ok(())
    }

    /// The next part of what it has, for a leader that recovers.
    pub(super) fn hand_over(&self, part: &Part) -> Chunk {
        let mut entries = Vec::new();
        let done = match part {
            Part::State { after } => {
                let state = self.store.scan("", after.as_deref()).map(|(_, item)| item.entry);
                fill(&mut entries, state, CHUNK_ENTRIES_MAX, CHUNK_BYTES_MAX)
            }
            Part::Pending { after } => {
                fill(&mut entries, self.pending.above(*after), CHUNK_ENTRIES_MAX, CHUNK_BYTES_MAX)
            }
        };
        Chunk { mark: self.mark, through: self.mark.max(self.whole_from), entries, done }
    }

    fn switch_over(&mut self, transfer: Transfer) {
        let Transfer { epoch, base, through, mut store, .. } = transfer;
        if self.meta.diverged.is_some() {
            // Nothing that it had can be trusted: it is as if it had lost it all.
            let (cluster, groups, claimed) =
                (self.meta.cluster, self.meta.groups.clone(), self.meta.claimed.clone());
            self.forget_all();
            // But it still follows the leader that has sent this.
            self.meta.cluster = cluster;
            self.meta.groups = groups;
            self.meta.claimed = claimed;
            self.write_meta();
        }
        store.prune(base);
        if self.config.durable {
            let entries = store.scan("", None).map(|(_, item)| item.entry.clone()).collect();
            self.records.push(Record::Replace { base, through, entries });
        }
        self.store = store;
        self.mark = base;
        self.whole_from = through;
        // What is pending above the base stays, also that of older epochs: it may be somebody's last copy.
        self.pending.drop_through(base);
        if planted!(self.config, SnapshotDropsHeld) {
            self.pending.drop_through(Version::MAX);
        }
        self.pending_bytes = self.pending.bytes();
        self.held = std::iter::once(1..=base).collect::<RangeSet>();
        let under_promise = |entry: &&Entry| entry.epoch() == epoch;
        for entry in self.pending.above(base).filter(under_promise) {
            self.held.insert(entry.version());
        }
    }
}

/// Fills a chunk; whether everything has found room.
pub(crate) fn fill<'a>(
    chunk: &mut Vec<Entry>,
    entries: impl Iterator<Item = &'a Entry>,
    entries_max: usize,
    bytes_max: usize,
) -> bool {
    let mut bytes = 0;
    for entry in entries {
        bytes += entry.frame().len();
        if chunk.len() == entries_max || (bytes > bytes_max && !chunk.is_empty()) {
            return false;
        }
        chunk.push(entry.clone());
    }
    true
}
