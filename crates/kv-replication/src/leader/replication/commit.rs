//! Who has acknowledged what, and what that commits.

use std::collections::VecDeque;

use kv_core::{Entry, Key, Store, Version};

use super::cut::cut;
use super::log::{Log, Slot, Waiter};
use crate::config::LeaderConfig;
use crate::leader::ids::WriteId;
use crate::leader::output::Committed;
use crate::protocol::follower_set::{FollowerIndex, FollowerSet};
use crate::protocol::group::Need;
use crate::protocol::quorum::Quorum;

/// The log, what of it is committed, and the state that this amounts to.
///
/// After a call that may commit, the caller takes [`Replication::poll_decided`] until it is empty.
#[derive(Debug)]
pub(in crate::leader) struct Replication {
    quorum: Quorum,
    /// What a commit needs of each older configuration; empty unless the leader's own is on its way in.
    joint: Vec<Need>,
    log: Log,
    /// More of it may leave than has left so far.
    is_cut_short: bool,
    /// Committed entries only.
    store: Store,
    /// Everything up to here is committed.
    mark: Version,
    newest_committed: Version,
    /// Up to here the leader's own copy is as durable as this node promises.
    own_copy: Version,
    decided: VecDeque<(WriteId, Committed)>,
    #[cfg(feature = "simulator")]
    commits: Vec<Entry>,
}

impl Replication {
    /// What the leader's own disk had when it started: the log from some version on, the state, and up to where that
    /// counts as its own copy. Nothing is committed before a start has come to it.
    pub(in crate::leader) fn new(
        quorum: Quorum,
        log: Log,
        store: Store,
        mark: Version,
        newest_committed: Version,
        own_copy: Version,
    ) -> Self {
        Self {
            quorum,
            joint: Vec::new(),
            log,
            is_cut_short: false,
            store,
            mark,
            newest_committed,
            own_copy,
            decided: VecDeque::new(),
            #[cfg(feature = "simulator")]
            commits: Vec::new(),
        }
    }

    /// A write whose answer is decided, in the order of the decisions.
    pub(in crate::leader) fn poll_decided(&mut self) -> Option<(WriteId, Committed)> {
        self.decided.pop_front()
    }

    /// From now on a commit needs these of older configurations too.
    pub(in crate::leader) fn set_joint(&mut self, joint: Vec<Need>) {
        self.joint = joint;
    }

    /// Whether these acknowledgements commit an entry.
    pub(in crate::leader) fn is_met(&self, acks: FollowerSet) -> bool {
        self.quorum.is_met(acks.len()) && self.joint.iter().all(|need| need.is_met(acks))
    }

    /// A write, or an entry of an older epoch that is written again.
    pub(in crate::leader) fn push(&mut self, entry: Entry, waiter: Option<Waiter>) {
        self.log.push(entry, waiter);
    }

    /// The follower, a voter, holds these versions under the leader's epoch.
    pub(in crate::leader) fn count_acks(
        &mut self,
        follower: FollowerIndex,
        versions: impl Iterator<Item = Version>,
    ) {
        for version in versions {
            if let Some(slot) = self.log.get_mut(version) {
                slot.acknowledge(follower);
                self.commit_if_held(version);
            }
        }
    }

    /// The follower is not what it was: what it acknowledged no longer counts where it still matters.
    pub(in crate::leader) fn withdraw_acks(&mut self, follower: FollowerIndex) {
        for version in self.mark + 1..=self.log.last() {
            if let Some(slot) = self.log.get_mut(version) {
                slot.withdraw(follower);
            }
        }
    }

    /// The leader's own copy is durable up to `through`, or everything is as durable as is promised.
    pub(in crate::leader) fn note_own_copy(&mut self, through: Version) {
        let before = std::mem::replace(&mut self.own_copy, through);
        for version in before.saturating_add(1).max(self.log.first())..=through.min(self.log.last()) {
            self.commit_if_held(version);
        }
    }

    /// The leader's own copy of `version` is as durable as this node promises.
    pub(in crate::leader) fn holds(&self, version: Version) -> bool {
        version <= self.own_copy
    }

    /// Commits `version` as soon as the quorum and the leader itself hold it, and answers its write as soon as
    /// that has the acknowledgements that it wants.
    pub(in crate::leader) fn commit_if_held(&mut self, version: Version) {
        if !self.holds(version) {
            return;
        }
        let Some(slot) = self.log.get(version) else { return };
        if !slot.is_committed() && self.is_met(slot.acks()) {
            self.commit(version);
        }
        let quorum = self.quorum.write();
        let Some(slot) = self.log.get_mut(version) else { return };
        if let Some(waiter) = slot.take_answered(quorum) {
            let committed = Committed { entry: slot.entry().clone(), acks: slot.acks().len() };
            self.decided.push_back((waiter.id, committed));
        }
    }

    /// Commits what can be committed above the commit index.
    pub(in crate::leader) fn commit_tail(&mut self) {
        for version in self.mark + 1..=self.log.last() {
            self.commit_if_held(version);
        }
    }

    fn commit(&mut self, version: Version) {
        let Some(slot) = self.log.get_mut(version) else { return };
        slot.commit();
        self.newest_committed = self.newest_committed.max(version);
        self.store.apply(slot.entry());
        #[cfg(feature = "simulator")]
        self.commits.push(slot.entry().clone());
    }

    /// Moves the commit index over what is committed. True if it has moved.
    pub(in crate::leader) fn advance_mark(&mut self) -> bool {
        let before = self.mark;
        while self.log.get(self.mark + 1).is_some_and(Slot::is_committed) {
            self.mark += 1;
        }
        if self.mark > before {
            self.store.prune(self.mark);
        }
        self.mark > before
    }

    /// Nobody waits for this version any more: the acknowledgements that it has, and how many it waited for.
    pub(in crate::leader) fn give_up(&mut self, version: Version) -> (usize, usize) {
        let write = self.quorum.write();
        self.log.get_mut(version).map_or((0, write), |slot| {
            (slot.acks().len(), slot.take_waiter().map_or(write, |waiter| waiter.acks))
        })
    }

    /// Lets entries go that the log need not keep; see [`cut`].
    pub(in crate::leader) fn cut_log(&mut self, config: &LeaderConfig, is_needed: impl Fn(Version) -> bool) {
        self.is_cut_short = cut(&mut self.log, self.mark, config, is_needed);
    }

    /// The last cut has stopped before its end.
    pub(in crate::leader) fn is_cut_short(&self) -> bool {
        self.is_cut_short
    }

    /// The log of a new epoch, above the same state.
    pub(in crate::leader) fn replace_log(&mut self, log: Log) {
        self.log = log;
    }

    /// The state of a new epoch. It shows nothing above `newest_committed`.
    pub(in crate::leader) fn replace_state(
        &mut self,
        store: Store,
        mark: Version,
        newest_committed: Version,
    ) {
        self.store = store;
        self.mark = mark;
        self.newest_committed = newest_committed;
    }

    /// The state, for a new one to be built from it.
    pub(in crate::leader) fn take_store(&mut self) -> Store {
        std::mem::take(&mut self.store)
    }

    pub(in crate::leader) fn log(&self) -> &Log {
        &self.log
    }

    pub(in crate::leader) fn store(&self) -> &Store {
        &self.store
    }

    pub(in crate::leader) fn mark(&self) -> Version {
        self.mark
    }

    pub(in crate::leader) fn newest_committed(&self) -> Version {
        self.newest_committed
    }

    /// Entries above the commit index, oldest first.
    pub(in crate::leader) fn tail(&self) -> impl Iterator<Item = &Entry> {
        self.log.entries().filter(|entry| entry.version() > self.mark)
    }

    /// Whether `key` is there, or may come to be by an entry that is not committed.
    pub(in crate::leader) fn may_hold(&self, key: Key<'_>) -> bool {
        let key = key.as_str();
        if self.store.get(key).is_some() {
            return true;
        }
        let pending = (self.mark + 1..=self.log.last()).rev().filter_map(|version| self.log.get(version));
        pending.filter(|slot| !slot.is_committed()).any(|slot| slot.entry().operation().key() == Some(key))
    }

    #[cfg(feature = "simulator")]
    pub(in crate::leader) fn take_commits(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.commits)
    }
}

#[cfg(test)]
mod tests {
    use kv_core::{Command, Epoch};

    use super::*;

    const EPOCH: Epoch = Epoch::ZERO;

    /// A leader of three followers with W = 2, and `entries` writes; write n waits for `wants` acknowledgements.
    fn replication(entries: u64, wants: usize) -> Replication {
        let quorum = Quorum::new(3, 2).unwrap();
        let mut replication = Replication::new(quorum, Log::after(0), Store::new(), 0, 0, Version::MAX);
        for version in 1..=entries {
            let command = Command::put(Key::parse("key").unwrap(), version.to_string().as_bytes()).unwrap();
            let waiter = Waiter { id: WriteId(version), acks: wants };
            replication.push(command.into_entry(EPOCH, version), Some(waiter));
        }
        replication
    }

    fn follower(index: usize) -> FollowerIndex {
        FollowerIndex::new(index)
    }

    fn decided(replication: &mut Replication) -> Vec<(u64, usize)> {
        std::iter::from_fn(|| replication.poll_decided()).map(|(id, it)| (id.0, it.acks)).collect()
    }

    #[test]
    fn a_later_version_commits_first_and_the_commit_index_waits_for_the_gap() {
        let mut replication = replication(2, 2);
        replication.count_acks(follower(0), 2..=2);
        replication.count_acks(follower(1), 2..=2);
        assert!(!replication.advance_mark());
        assert_eq!((replication.mark(), replication.newest_committed()), (0, 2));
        replication.count_acks(follower(0), 1..=1);
        replication.count_acks(follower(2), 1..=1);
        assert!(replication.advance_mark());
        assert_eq!((replication.mark(), decided(&mut replication)), (2, vec![(2, 2), (1, 2)]));
    }

    #[test]
    fn the_leaders_own_copy_is_part_of_every_commit() {
        let mut replication = replication(1, 2);
        replication.note_own_copy(0);
        replication.count_acks(follower(0), 1..=1);
        replication.count_acks(follower(1), 1..=1);
        assert!(!replication.advance_mark() && decided(&mut replication).is_empty());
        replication.note_own_copy(1);
        assert!(replication.advance_mark());
        assert_eq!(decided(&mut replication), [(1, 2)]);
    }

    #[test]
    fn a_write_that_wants_more_than_the_quorum_is_answered_after_its_commit() {
        let mut replication = replication(1, 3);
        replication.count_acks(follower(0), 1..=1);
        replication.count_acks(follower(1), 1..=1);
        assert!(replication.advance_mark() && decided(&mut replication).is_empty());
        replication.count_acks(follower(2), 1..=1);
        assert_eq!(decided(&mut replication), [(1, 3)]);
    }

    #[test]
    fn a_withdrawn_acknowledgement_does_not_commit() {
        let mut replication = replication(1, 1);
        replication.count_acks(follower(0), 1..=1);
        assert_eq!(decided(&mut replication), [(1, 1)]); // one was enough for this write
        replication.withdraw_acks(follower(0));
        replication.count_acks(follower(1), 1..=1);
        assert!(!replication.advance_mark());
        assert_eq!(replication.give_up(1), (1, 2));
    }

    #[test]
    fn while_a_configuration_comes_in_both_must_be_met() {
        let mut replication = replication(1, 2);
        let old = [follower(0)].into_iter().collect();
        replication.set_joint(vec![Need { of: old, count: 1 }]);
        replication.count_acks(follower(1), 1..=1);
        replication.count_acks(follower(2), 1..=1);
        assert!(!replication.advance_mark());
        replication.count_acks(follower(0), 1..=1);
        assert!(replication.advance_mark());
    }
}
