//! Snapshots: taken in chunk by chunk, and handed over the same way.

use kv_core::{Epoch, Store, Version};

use crate::follower::content::Content;
use crate::protocol::chunk::fill;
use crate::protocol::message::{Chunk, Install, Part, Refusal};

/// The most that one chunk holds.
const CHUNK_ENTRIES_MAX: usize = 1_024;
/// And the most bytes of frames; a single larger entry still travels, alone.
const CHUNK_BYTES_MAX: usize = 1 << 20;

/// A snapshot on its way in, if there is one. The state that is there stays as it is until the last chunk.
#[derive(Clone, Debug, Default)]
pub(super) struct Incoming {
    next_chunk: u64,
    snapshot: Option<Snapshot>,
}

/// A state that stands for everything up to its base.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    /// Of the leader that sends it.
    pub(super) epoch: Epoch,
    pub(super) base: Version,
    /// Some of it may be newer than the base, and nothing is above this version.
    pub(super) through: Version,
    pub(super) store: Store,
}

impl Incoming {
    /// Nobody will go on with it.
    pub(super) fn give_up(&mut self) {
        self.snapshot = None;
    }

    /// Takes in one chunk; the last one gives the whole.
    pub(super) fn take(&mut self, install: Install) -> Result<Option<Snapshot>, Refusal> {
        let Install { head, base, chunk, last, through, entries } = install;
        if chunk == 0 {
            self.next_chunk = 0;
            self.snapshot = Some(Snapshot { epoch: head.epoch, base, through, store: Store::new() });
        }
        let this = |snapshot: &&mut Snapshot| snapshot.epoch == head.epoch && snapshot.base == base;
        let Some(snapshot) = self.snapshot.as_mut().filter(this) else {
            return Err(Refusal::WrongChunk { expected: 0 });
        };
        // If its answer was lost, a chunk comes again, and may reach further by now: it is taken again.
        if chunk != self.next_chunk && chunk + 1 != self.next_chunk {
            return Err(Refusal::WrongChunk { expected: self.next_chunk });
        }
        self.next_chunk = chunk + 1;
        snapshot.through = snapshot.through.max(through);
        entries.iter().for_each(|entry| _ = snapshot.store.apply(entry));
        Ok(if last { self.snapshot.take() } else { None })
    }
}

/// The next part of what a follower has, for a leader that recovers.
pub(super) fn hand_over(content: &Content, part: &Part) -> Chunk {
    let mut entries = Vec::new();
    let done = match part {
        Part::State { after } => {
            let state = content.store().scan("", after.as_deref()).map(|(_, item)| item.entry);
            fill(&mut entries, state, CHUNK_ENTRIES_MAX, CHUNK_BYTES_MAX)
        }
        Part::Pending { after } => {
            fill(&mut entries, content.pending().above(*after), CHUNK_ENTRIES_MAX, CHUNK_BYTES_MAX)
        }
    };
    let mark = content.mark();
    Chunk { mark, through: mark.max(content.whole_from()), entries, done }
}

#[cfg(test)]
mod tests {
    use kv_core::{Command, Entry, Key, NodeId};

    use super::*;
    use crate::protocol::message::{ClusterId, Head, Identity};

    const EPOCH: Epoch = Epoch { counter: 1, node: NodeId(1) };

    fn put(version: Version) -> Entry {
        let key = format!("k{version}");
        Command::put(Key::parse(&key).unwrap(), b"value").unwrap().into_entry(EPOCH, version)
    }

    fn chunk(base: Version, chunk: u64, last: bool) -> Install {
        let to = Identity { node: NodeId(2), resets: 0 };
        let head = Head { to, cluster: ClusterId(1), epoch: EPOCH };
        Install { head, base, chunk, last, through: base + chunk, entries: vec![put(chunk + 1)] }
    }

    #[test]
    fn chunks_come_in_order_and_the_last_may_come_twice() {
        let wrong = |expected| Err(Refusal::WrongChunk { expected });
        let mut incoming = Incoming::default();
        let mut take =
            |install| incoming.take(install).map(|whole| whole.map(|it| (it.through, it.store.len())));
        assert_eq!(take(chunk(5, 1, false)), wrong(0), "none has begun");
        assert_eq!(take(chunk(5, 0, false)), Ok(None));
        assert_eq!(take(chunk(5, 2, false)), wrong(1), "one is missing");
        assert_eq!(take(chunk(6, 1, false)), wrong(0), "of another snapshot");
        assert_eq!(take(chunk(5, 1, false)), Ok(None));
        assert_eq!(take(chunk(5, 1, false)), Ok(None), "its answer was lost");
        assert_eq!(take(chunk(5, 2, true)), Ok(Some((7, 3))));
        assert_eq!(take(chunk(5, 3, true)), wrong(0), "it is over");
    }

    #[test]
    fn a_chunk_is_full_at_either_limit_and_takes_one_entry_of_any_size() {
        let entries: Vec<Entry> = (1..=4).map(put).collect();
        let bytes = entries[0].frame().len();
        let filled = |from: usize, entries_max, bytes_max| {
            let mut chunk = Vec::new();
            let done = fill(&mut chunk, entries[from..].iter(), entries_max, bytes_max);
            (chunk.len(), done)
        };
        assert_eq!(filled(0, 3, usize::MAX), (3, false));
        assert_eq!(filled(1, 3, usize::MAX), (3, true));
        assert_eq!(filled(0, 9, 2 * bytes), (2, false));
        assert_eq!(filled(0, 9, 1), (1, false));
        assert_eq!(filled(4, 9, 1), (0, true));
    }
}
