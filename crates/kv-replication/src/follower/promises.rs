//! Whom a follower follows: its promise, its cluster, and the groups that are in force.

use std::sync::Arc;

use kv_core::{Epoch, Version};

use crate::durable::record::Meta;
use crate::protocol::group::Group;
use crate::protocol::message::{Claim, ClusterId, Identity, Stage};

/// The small things that outlive the process, and how far the leader of the promised epoch has come.
#[derive(Clone, Debug)]
pub(super) struct Promises {
    meta: Meta,
    /// How far the leader of that epoch had come when it spoke last: what that means has been done.
    stage: (Epoch, Stage),
}

/// What a promise has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Promised {
    /// The epoch is higher than all before.
    pub(super) is_higher: bool,
    /// The small things are not what they were: they must be written down.
    pub(super) is_news: bool,
}

impl Promises {
    pub(super) fn new(meta: Meta) -> Self {
        Self { meta, stage: (Epoch::ZERO, Stage::Recovering) }
    }

    pub(super) fn meta(&self) -> &Meta {
        &self.meta
    }

    /// It was emptied, and what it had promised concerned another history: like a node that has just begun
    /// to exist, it follows whoever comes.
    pub(super) fn is_released(&self, cluster: ClusterId, has_data: bool) -> bool {
        self.meta.cluster.is_none() && !has_data && self.meta.promised_in != Some(cluster)
    }

    /// Promises what the claim asks for, which was checked.
    pub(super) fn promise(&mut self, claim: Claim, has_data: bool) -> Promised {
        let Claim { head, groups, .. } = claim;
        let before = self.meta.clone();
        if self.is_released(head.cluster, has_data) {
            self.meta.promised = Epoch::ZERO;
            self.meta.promised_other = Epoch::ZERO;
        }
        self.meta.promised_in = Some(head.cluster);
        self.meta.cluster = Some(head.cluster);
        self.meta.claimed = groups;
        if !self.meta.counts {
            // It knows nothing of its own; what is on its way in is not in force yet.
            // A late claim of a leader that has come further by now does not take that back.
            let stage = if self.stage.0 == head.epoch { self.stage.1 } else { Stage::Recovering };
            self.meta.groups = self.groups_at(stage);
        }
        let is_higher = head.epoch > self.meta.promised;
        if is_higher {
            self.meta.promise(head.epoch);
        }
        Promised { is_higher, is_news: self.meta != before }
    }

    /// Its leader has come this far, at least. Whether that is news.
    pub(super) fn reach(&mut self, epoch: Epoch, stage: Stage) -> bool {
        let is_news = self.stage < (epoch, stage);
        self.stage = self.stage.max((epoch, stage));
        is_news
    }

    /// Takes those groups that are in force at this stage of its leader. Whether they are others than before.
    pub(super) fn adopt_groups(&mut self, stage: Stage) -> bool {
        let complete = self.groups_at(Stage::Serving);
        let groups = self.groups_at(stage);
        // A restart forgets the stage: what is complete stays complete.
        let is_news = self.meta.groups != groups && self.meta.groups != complete;
        if is_news {
            self.meta.groups = groups;
        }
        is_news
    }

    /// It counts from now on. Whether that is news.
    pub(super) fn count(&mut self) -> bool {
        !std::mem::replace(&mut self.meta.counts, true)
    }

    /// Its content cannot be trusted, since this version was found to differ.
    pub(super) fn diverge(&mut self, version: Version) {
        self.meta.diverged = Some(version);
    }

    /// Begins a new memory, which counts for nothing yet, and follows nobody.
    pub(super) fn forget(&mut self) {
        let Identity { node, resets } = self.meta.identity;
        self.meta.identity = Identity { node, resets: resets + 1 };
        self.meta.counts = false;
        self.meta.cluster = None;
        self.meta.groups = Arc::default();
        self.meta.claimed = Arc::default();
        self.meta.diverged = None;
        self.meta.authoritative = None; // of another history, if it has ever led
        self.stage = (Epoch::ZERO, Stage::Recovering); // whatever it has done for its leader is undone
    }

    /// Follows again the leader that it followed `before` it forgot everything.
    pub(super) fn follow_again(&mut self, before: Meta) {
        self.meta.cluster = before.cluster;
        self.meta.groups = before.groups;
        self.meta.claimed = before.claimed;
    }

    /// The groups in force when its leader has come that far.
    fn groups_at(&self, stage: Stage) -> Arc<Vec<Group>> {
        match (self.meta.claimed.as_slice(), stage) {
            ([], _) => Arc::clone(&self.meta.groups),
            (_, Stage::Changing) => Arc::clone(&self.meta.claimed),
            ([_], _) => Arc::clone(&self.meta.claimed),
            ([.., own], Stage::Serving) => Arc::new(vec![own.clone()]),
            ([older @ .., _], Stage::Recovering) => Arc::new(older.to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use kv_core::NodeId;

    use super::*;
    use crate::protocol::message::Head;

    const CLUSTER: ClusterId = ClusterId(7);

    fn epoch(counter: u64) -> Epoch {
        Epoch { counter, node: NodeId(counter) }
    }

    fn group(since: u64) -> Group {
        Group { since: epoch(since), write: 1, followers: vec![format!("of {since}")] }
    }

    fn claim(promises: &Promises, counter: u64, groups: &[Group]) -> Claim {
        let head = Head { to: promises.meta().identity, cluster: CLUSTER, epoch: epoch(counter) };
        Claim { head, renames: None, groups: Arc::new(groups.to_vec()) }
    }

    /// One that has promised epoch 2, whose leader brings in its own group beside that of epoch 1.
    fn promised(counts: bool) -> Promises {
        let mut meta = Meta::new(NodeId(9));
        meta.counts = counts;
        meta.groups = Arc::new(vec![group(1)]);
        let mut promises = Promises::new(meta);
        let claim = claim(&promises, 2, &[group(1), group(2)]);
        assert_eq!(promises.promise(claim, true), Promised { is_higher: true, is_news: true });
        promises
    }

    #[test]
    fn a_group_comes_in_beside_the_old_one_and_then_alone() {
        let mut promises = promised(true);
        assert_eq!(*promises.meta().groups, [group(1)], "a promise alone changes nothing");
        assert!(!promises.reach(epoch(2), Stage::Recovering) || !promises.adopt_groups(Stage::Recovering));
        assert!(promises.reach(epoch(2), Stage::Changing) && promises.adopt_groups(Stage::Changing));
        assert_eq!(*promises.meta().groups, [group(1), group(2)]);
        assert!(promises.reach(epoch(2), Stage::Serving) && promises.adopt_groups(Stage::Serving));
        assert_eq!(*promises.meta().groups, [group(2)]);
        assert!(!promises.reach(epoch(2), Stage::Changing), "a late word takes nothing back");
        assert!(!promises.adopt_groups(Stage::Changing));
        assert_eq!(*promises.meta().groups, [group(2)]);
    }

    #[test]
    fn without_memory_it_believes_the_claim_as_far_as_its_leader_has_come() {
        let mut promises = promised(false);
        assert_eq!(*promises.meta().groups, [group(1)]);
        promises.reach(epoch(2), Stage::Changing);
        promises.adopt_groups(Stage::Changing);
        let again = claim(&promises, 2, &[group(1), group(2)]);
        assert_eq!(promises.promise(again, true), Promised { is_higher: false, is_news: false });
        assert_eq!(*promises.meta().groups, [group(1), group(2)], "a late claim takes nothing back");
    }

    #[test]
    fn it_remembers_the_last_promise_to_another_node() {
        let mut promises = promised(true);
        assert_eq!(promises.meta().promised_other, Epoch::ZERO);
        let other = claim(&promises, 3, &[group(1)]);
        promises.promise(other, true);
        assert_eq!((promises.meta().promised, promises.meta().promised_other), (epoch(3), epoch(2)));
    }

    #[test]
    fn forgetting_releases_it_from_what_another_history_was_promised() {
        let mut promises = promised(true);
        promises.forget();
        assert_eq!(promises.meta().identity, Identity { node: NodeId(9), resets: 1 });
        assert_eq!(promises.meta().promised, epoch(2), "the promise stays");
        assert!(!promises.is_released(CLUSTER, false) && promises.is_released(ClusterId(8), false));
        assert!(!promises.is_released(ClusterId(8), true), "it holds something again");
    }
}
