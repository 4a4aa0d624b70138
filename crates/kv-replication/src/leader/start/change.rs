//! Another W, or other followers, than the history has been written with: see [`group`](crate::group).

use std::sync::Arc;

use kv_core::Epoch;

use crate::leader::Leader;
use crate::leader::ids::AttemptId;
use crate::leader::links::link::Link;
use crate::leader::phase::Phase;
use crate::leader::problem::StartProblem;
use crate::leader::start::ask::Way;
use crate::protocol::group::{GROUPS_MAX, Group};
use crate::protocol::group::{Need, in_force};
use crate::protocol::message::ClusterId;
use crate::protocol::time::Time;
use crate::testing::planted::planted;

/// The groups that a leader works under.
#[derive(Debug)]
pub(in crate::leader) struct Change {
    /// As its claims name them: those in force, oldest first, and last its own.
    pub(in crate::leader) claimed: Arc<Vec<Group>>,
    /// Those in force, as far as was known when it chose its way.
    known: Vec<Group>,
    /// What a commit needs of each older group; empty unless the own one is on its way in.
    joint: Vec<Need>,
    /// How many of each older group must adopt the own one.
    needed: Vec<Need>,
    /// Appends from this one on ask to adopt it.
    since: AttemptId,
    adopted: u64,
}

impl Change {
    pub(in crate::leader) fn none(own: Group) -> Self {
        Self {
            claimed: Arc::new(vec![own]),
            known: Vec::new(),
            joint: Vec::new(),
            needed: Vec::new(),
            since: AttemptId(0),
            adopted: 0,
        }
    }

    /// The own group is on its way in.
    pub(in crate::leader) fn is_under_way(&self) -> bool {
        self.claimed.len() > 1
    }
}

impl Leader {
    /// What those who answered, and the own disk, say of the groups of this cluster.
    pub(in crate::leader) fn groups_in_force(&self, cluster: ClusterId) -> Vec<Group> {
        let own = Some(self.meta.groups.as_slice()).filter(|_| self.own_cluster == Some(cluster));
        let theirs = self.answered().filter(|(_, it)| it.cluster == Some(cluster));
        in_force(&theirs.map(|(_, it)| it.groups.as_slice()).chain(own).collect::<Vec<_>>())
    }

    /// How many promises a way needs, of each group.
    pub(in crate::leader) fn promises_needed(&self, groups: &[Group], way: Way) -> Vec<Need> {
        let (own, names) = ([self.config.group(Epoch::ZERO)], &self.config.followers);
        let of = |group: &Group| match way {
            // Somebody must be asked, also if W = 0.
            Way::OwnLog => {
                let Need { of, count } = group.write_need(names);
                Need { of, count: count.max(1).min(group.followers.len()) }
            }
            _ => group.recovery_need(names),
        };
        let mut needs: Vec<Need> = if groups.is_empty() { &own[..] } else { groups }.iter().map(of).collect();
        if planted!(self.config, RecoveryWithTooFew) {
            needs.iter_mut().for_each(|need| need.count = need.count.saturating_sub(1));
        }
        needs
    }

    /// Whether one of these groups is not the own one.
    pub(in crate::leader) fn is_changed(&self, groups: &[Group]) -> bool {
        let own = self.config.group(Epoch::ZERO);
        groups.iter().any(|group| !group.is_same(&own))
    }

    /// Whether the own group can come in at all.
    pub(in crate::leader) fn check_groups(&self, groups: &[Group]) -> Result<(), StartProblem> {
        let (own, names) = (self.config.group(Epoch::ZERO), &self.config.followers);
        let older: Vec<&Group> = groups.iter().filter(|group| !group.is_same(&own)).collect();
        if older.is_empty() {
            return Ok(());
        }
        // A claim names the own group too, and a second time if it has been begun before.
        if older.len() + 2 > GROUPS_MAX {
            return Err(StartProblem::TooManyChanges { limit: GROUPS_MAX });
        }
        let short = older.iter().map(|group| group.change_need(names)).find(|need| !need.is_met(u64::MAX));
        if let Some(need) = short {
            return Err(StartProblem::TooFewStay { stay: need.among(u64::MAX), needed: need.count });
        }
        match self.missing() {
            missing if missing.is_empty() => Ok(()),
            missing => Err(StartProblem::GroupChanged { missing }),
        }
    }

    /// Goes on under these groups, which are in force, and brings in its own.
    pub(in crate::leader) fn take_groups(&mut self, mut groups: Vec<Group>) {
        let mut own = self.config.group(self.epoch);
        self.change.known.clone_from(&groups);
        if groups.iter().all(|group| group.is_same(&own)) {
            own = groups.pop().unwrap_or(own); // nothing changes
        }
        let names = &self.config.followers;
        self.change.joint = groups.iter().map(|group| group.write_need(names)).collect();
        self.change.needed = groups.iter().map(|group| group.change_need(names)).collect();
        self.change.adopted = 0;
        groups.push(own);
        self.change.claimed = Arc::new(groups);
    }

    /// Whether those who promised know of a group that was not known when they were asked.
    pub(in crate::leader) fn groups_have_changed(&self) -> bool {
        let known = &self.change.known;
        let members = self.answered().filter(|(follower, _)| self.start.members & (1 << follower) != 0);
        let theirs = members.map(|(_, standing)| standing.groups.as_slice());
        in_force(&theirs.chain([known.as_slice()]).collect::<Vec<_>>()) != *known
    }

    /// Whether these acknowledgements commit an entry: bit i for the follower with index i.
    pub(in crate::leader) fn is_met(&self, acks: u64) -> bool {
        let joint = self.change.joint.iter().all(|need| need.is_met(acks));
        self.config.quorum.is_met(acks.count_ones() as usize)
            && (joint || planted!(self.config, ChangeNotJoint))
    }

    /// All followers are level: they are to adopt the own group.
    pub(in crate::leader) fn start_changing(&mut self, now: Time) {
        self.phase = Phase::Changing;
        self.change.since = self.next_attempt();
        self.change.adopted = 0;
        self.meta.groups = Arc::clone(&self.change.claimed);
        self.note_meta();
        for link in &mut self.links {
            link.next_mark = now;
        }
        self.try_complete(now);
    }

    /// A follower has answered an append.
    pub(in crate::leader) fn note_adopted(&mut self, follower: usize, attempt: AttemptId) {
        if self.phase == Phase::Changing && attempt >= self.change.since {
            self.change.adopted |= 1 << follower;
        }
    }

    /// A follower is not what it was.
    pub(in crate::leader) fn forget_adopted(&mut self, follower: usize) {
        self.change.adopted &= !(1 << follower);
    }

    /// Serves as soon as enough followers of each older group have adopted the own one.
    pub(in crate::leader) fn try_complete(&mut self, now: Time) {
        let adopted = self.adopted();
        if !self.disk.has_meta() || !self.change.needed.iter().all(|need| need.is_met(adopted)) {
            return;
        }
        let own = self.change.claimed.last().cloned();
        self.change = own.map_or_else(|| Change::none(self.config.group(self.epoch)), Change::none);
        self.serve(now);
    }

    /// Who has adopted it, and counts.
    fn adopted(&self) -> u64 {
        let counting = self.counting().fold(0, |set, (follower, _): (usize, &Link)| set | (1 << follower));
        self.change.adopted & counting
    }

    pub(in crate::leader) fn change_problem(&self) -> StartProblem {
        let adopted = self.adopted();
        let needs =
            self.change.needed.iter().find(|need| !need.is_met(adopted)).or(self.change.needed.first());
        let (adopted, needed) = needs.map_or((0, 0), |need| (need.among(adopted), need.count));
        StartProblem::Adopting { adopted, needed }
    }
}
