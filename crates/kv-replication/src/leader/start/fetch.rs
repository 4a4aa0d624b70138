//! How a leader reads what its followers have: the state of the one with the highest commit index, and of all
//! of them what lies above it.

use std::collections::BTreeMap;

use kv_core::{Entry, Store, Version};

use crate::protocol::follower_set::FollowerIndex;
use crate::protocol::message::{Chunk, Part};

/// What has been read so far.
#[derive(Debug)]
pub(in crate::leader) struct Fetch {
    /// Whom the state is read from; none once all of it is there.
    source: Option<FollowerIndex>,
    /// By follower: how far its pending entries have been read; none once all are.
    pending: BTreeMap<FollowerIndex, Version>,
    /// The last key that was read.
    after: Option<String>,
    fetched: Fetched,
}

/// What the followers have together.
#[derive(Debug, Default)]
pub(in crate::leader) struct Fetched {
    state: State,
    /// Of each version above the state the entry of the highest epoch.
    union: BTreeMap<Version, Entry>,
}

/// A committed state.
#[derive(Debug, Default)]
pub(in crate::leader) struct State {
    /// Everything up to here is in the store.
    pub(in crate::leader) mark: Version,
    /// Nothing in the store is above this version.
    pub(in crate::leader) through: Version,
    pub(in crate::leader) store: Store,
}

/// The state came from a follower that has moved on: what was read does not belong together.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::leader) struct Moved;

impl Fetch {
    /// Reads these followers, of which the commit indexes are known. The first with the highest gives the state.
    pub(in crate::leader) fn new(members: &BTreeMap<FollowerIndex, Version>) -> Self {
        let mark = members.values().copied().max().unwrap_or(0);
        let source = members.iter().find(|(_, its)| **its == mark).map(|(follower, _)| *follower);
        let pending = members.keys().map(|follower| (*follower, mark)).collect();
        let state = State { mark, ..State::default() };
        let fetched = Fetched { state, ..Fetched::default() };
        Self { source, pending, after: None, fetched }
    }

    pub(in crate::leader) fn is_done(&self) -> bool {
        self.source.is_none() && self.pending.is_empty()
    }

    /// From whom there is more to read.
    pub(in crate::leader) fn waiting(&self) -> Vec<usize> {
        let mut followers: Vec<usize> =
            self.pending.keys().copied().chain(self.source).map(FollowerIndex::get).collect();
        followers.sort_unstable();
        followers.dedup();
        followers
    }

    /// The next part to ask this follower for; the state is read before what is pending.
    pub(in crate::leader) fn next_part(&self, follower: FollowerIndex) -> Option<Part> {
        if self.source == Some(follower) {
            return Some(Part::State { after: self.after.clone() });
        }
        self.pending.get(&follower).map(|after| Part::Pending { after: *after })
    }

    /// A chunk of the state of the source.
    ///
    /// # Errors
    /// [`Moved`] if its commit index is not what it was: only a higher epoch can have moved it.
    pub(in crate::leader) fn take_state(&mut self, chunk: &Chunk) -> Result<(), Moved> {
        let state = &mut self.fetched.state;
        if chunk.mark != state.mark {
            return Err(Moved);
        }
        state.through = state.through.max(chunk.through);
        chunk.entries.iter().for_each(|entry| _ = state.store.apply(entry));
        self.after = chunk.entries.last().and_then(|entry| entry.operation().key().map(str::to_owned));
        self.source = self.source.filter(|_| !chunk.done);
        Ok(())
    }

    /// A chunk of what a follower has above the state.
    pub(in crate::leader) fn take_pending(&mut self, follower: FollowerIndex, chunk: &Chunk) {
        chunk.entries.iter().for_each(|entry| self.fetched.add(entry));
        match chunk.entries.last().filter(|_| !chunk.done) {
            Some(last) => _ = self.pending.insert(follower, last.version()),
            None => _ = self.pending.remove(&follower),
        }
    }

    /// Everything that was read.
    pub(in crate::leader) fn take(&mut self) -> Fetched {
        std::mem::take(&mut self.fetched)
    }
}

impl Fetched {
    /// The leader's own state, if nothing was fetched.
    pub(in crate::leader) fn of(state: State, tail: impl Iterator<Item = Entry>) -> Self {
        Self { state, union: tail.map(|entry| (entry.version(), entry)).collect() }
    }

    /// The version up to which the state goes.
    pub(in crate::leader) fn mark(&self) -> Version {
        self.state.mark
    }

    /// The leader's own state goes further than that of the followers.
    pub(in crate::leader) fn set_state(&mut self, state: State) {
        self.state = state;
    }

    /// The state, without what is forgotten at its commit index, and the entries above it.
    pub(in crate::leader) fn into_parts(mut self) -> (State, BTreeMap<Version, Entry>) {
        self.state.store.prune(self.state.mark);
        (self.state, self.union)
    }

    /// An entry that somebody holds: that of the highest epoch may have been committed.
    pub(in crate::leader) fn add(&mut self, entry: &Entry) {
        let known = self.union.get(&entry.version());
        if known.is_none_or(|known| known.epoch() < entry.epoch()) {
            self.union.insert(entry.version(), entry.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use kv_core::{Command, Epoch, Key, NodeId};

    use super::*;

    fn entry(counter: u64, version: Version) -> Entry {
        let epoch = Epoch { counter, node: NodeId(1) };
        Command::put(Key::parse("key").unwrap(), b"value").unwrap().into_entry(epoch, version)
    }

    fn chunk(mark: Version, entries: Vec<Entry>, done: bool) -> Chunk {
        Chunk { mark, through: mark, entries, done }
    }

    const ONE: FollowerIndex = FollowerIndex::new(0);
    const TWO: FollowerIndex = FollowerIndex::new(1);

    #[test]
    fn the_state_comes_from_the_highest_commit_index_and_the_rest_from_everybody() {
        let mut fetch = Fetch::new(&BTreeMap::from([(ONE, 3), (TWO, 5)]));
        assert_eq!(fetch.next_part(TWO), Some(Part::State { after: None }));
        assert_eq!(fetch.next_part(ONE), Some(Part::Pending { after: 5 }));
        fetch.take_pending(ONE, &chunk(3, vec![entry(2, 6), entry(2, 7)], true));
        assert_eq!(fetch.take_state(&chunk(5, vec![entry(1, 5)], false)), Ok(()));
        assert_eq!(fetch.next_part(TWO), Some(Part::State { after: Some("key".to_owned()) }));
        assert_eq!(fetch.take_state(&chunk(5, Vec::new(), true)), Ok(()));
        assert_eq!((fetch.is_done(), fetch.waiting()), (false, vec![1]));
        fetch.take_pending(TWO, &chunk(5, vec![entry(1, 6)], true));
        assert!(fetch.is_done());
        let (state, union) = fetch.take().into_parts();
        assert_eq!((state.mark, state.through, state.store.len()), (5, 5, 1));
        let epochs: Vec<_> = union.values().map(|it| (it.version(), it.epoch().counter)).collect();
        assert_eq!(epochs, [(6, 2), (7, 2)]); // of two entries in one place the higher epoch
    }

    #[test]
    fn a_source_that_has_moved_on_gives_no_state() {
        let mut fetch = Fetch::new(&BTreeMap::from([(ONE, 3)]));
        assert_eq!(fetch.take_state(&chunk(4, Vec::new(), true)), Err(Moved));
    }

    #[test]
    fn with_nobody_to_read_it_is_done_at_once() {
        assert!(Fetch::new(&BTreeMap::new()).is_done());
    }
}
