//! W and the list of followers, and how one group takes over from another.
//!
//! Every node keeps the groups under which entries may have been committed. A leader of another group
//! goes on like this, so that whoever starts after it, with whatever settings, finds every entry:
//!
//! 1. It asks enough followers of *each* group that is in force for their promises, and reads them.
//! 2. Until the change is complete, a commit needs W followers of each of those groups, and of its own.
//! 3. When all followers of its own group are level and count, it lets them *adopt* the group: they keep
//!    it beside the older ones. It serves when max(F, W) followers of each older group have done so:
//!    every later leader, whichever way it starts, then meets one of them.
//! 4. From then on its group alone is in force, and those who hear that forget the older ones.
//!
//! The second step is joint consensus (Ongaro, "Consensus: Bridging Theory and Practice", 2014, 4.3).

use kv_core::Epoch;

use crate::protocol::follower_set::{FollowerIndex, FollowerSet};
use crate::protocol::quorum::Quorum;

/// The most groups that a node keeps: changes that were begun and never completed.
pub const GROUPS_MAX: usize = 8;

/// W and the followers, as every node of a history knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The epoch of the leader that brought it in.
    pub since: Epoch,
    /// W.
    pub write: usize,
    /// The names (addresses) of the followers, sorted.
    pub followers: Vec<String>,
}

/// So many of these followers are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) of: FollowerSet,
    pub(crate) count: usize,
}

impl Need {
    pub(crate) fn is_met(&self, set: FollowerSet) -> bool {
        self.among(set) >= self.count
    }

    /// How many of those that are needed are in the set.
    pub(crate) fn among(&self, set: FollowerSet) -> usize {
        (set & self.of).len()
    }
}

impl Group {
    /// The same W and the same followers, whenever it came in.
    pub(crate) fn is_same(&self, other: &Group) -> bool {
        self.write == other.write && self.followers == other.followers
    }

    /// W of this group, among followers of these names.
    pub(crate) fn write_need(&self, names: &[String]) -> Need {
        Need { of: self.of(names), count: self.write }
    }

    /// F of this group.
    pub(crate) fn recovery_need(&self, names: &[String]) -> Need {
        Need { of: self.of(names), count: self.recovery() }
    }

    /// So many that every W and every F of this group meets one of them.
    pub(crate) fn change_need(&self, names: &[String]) -> Need {
        Need { of: self.of(names), count: self.recovery().max(self.write) }
    }

    fn recovery(&self) -> usize {
        // What came over the wire may be no quorum: then all are needed.
        Quorum::new(self.followers.len(), self.write).map_or(self.followers.len(), Quorum::recovery)
    }

    fn of(&self, names: &[String]) -> FollowerSet {
        let known = names.iter().enumerate().filter(|(_, name)| self.followers.contains(name));
        known.map(|(index, _)| FollowerIndex::new(index)).collect()
    }
}

/// The groups in force, oldest first, by what the nodes say: each names them oldest first, and its first
/// has put an end to all that came in before.
pub(crate) fn in_force(reports: &[&[Group]]) -> Vec<Group> {
    let newest_first = reports.iter().filter_map(|report| report.first()).map(|group| group.since).max();
    let mut groups: Vec<Group> = reports
        .iter()
        .copied()
        .flatten()
        .filter(|group| Some(group.since) >= newest_first)
        .cloned()
        .collect();
    groups.sort_by(|one, other| {
        (one.since, one.write, &one.followers).cmp(&(other.since, other.write, &other.followers))
    });
    // Begun more than once, a change is still one: the oldest says since when.
    let mut known: Vec<Group> = Vec::new();
    groups.retain(|group| {
        let is_new = !known.iter().any(|it| it.is_same(group));
        known.extend(is_new.then(|| group.clone()));
        is_new
    });
    groups
}

#[cfg(test)]
mod tests {
    use std::slice;

    use kv_core::NodeId;

    use super::*;

    fn group(since: u64, write: usize, followers: &[&str]) -> Group {
        let since = Epoch { counter: since, node: NodeId(1) };
        Group { since, write, followers: followers.iter().map(|name| (*name).to_owned()).collect() }
    }

    #[test]
    fn a_completed_change_ends_what_was_before() {
        let (old, tried, new) =
            (group(1, 2, &["a", "b", "c"]), group(2, 1, &["a"]), group(3, 1, &["a", "b"]));
        let (first, second) = ([old.clone(), tried.clone()], [old.clone(), new.clone()]);
        let (only_old, only_new) = (slice::from_ref(&old), slice::from_ref(&new));
        assert_eq!(in_force(&[]), []);
        assert_eq!(in_force(&[only_old, &[]]), only_old);
        assert_eq!(in_force(&[&second, &first, only_old]), [old.clone(), tried.clone(), new.clone()]);
        assert_eq!(in_force(&[&first, only_new, only_old]), only_new);
    }

    #[test]
    fn needs_are_counted_among_the_groups_own_followers() {
        let names: Vec<String> = ["b", "c", "x"].map(str::to_owned).to_vec();
        let old = group(1, 2, &["a", "b", "c", "d"]);
        let set = |indices: &[usize]| indices.iter().copied().map(FollowerIndex::new).collect();
        let of = set(&[0, 1]);
        assert_eq!(old.write_need(&names), Need { of, count: 2 });
        assert_eq!(old.recovery_need(&names), Need { of, count: 3 });
        assert_eq!(old.change_need(&names), Need { of, count: 3 });
        let need = old.write_need(&names);
        assert!(need.is_met(set(&[0, 1, 2])) && !need.is_met(set(&[0, 2])));
    }

    /// The naive twin: any F and any W of a group meet any max(F, W) of it.
    #[test]
    fn a_change_meets_every_quorum_of_the_group() {
        for followers in 1..=6_usize {
            for write in 0..=followers {
                let names: Vec<String> = (0..followers).map(|index| index.to_string()).collect();
                let group = Group { since: Epoch::ZERO, write, followers: names.clone() };
                let count = |need: Need| need.count;
                let change = count(group.change_need(&names));
                for other in [count(group.write_need(&names)), count(group.recovery_need(&names))] {
                    // With W = 0 there is no write quorum to meet: commits need the leader alone.
                    assert!(other == 0 || change + other > followers, "{followers} {write}");
                }
            }
        }
    }
}
