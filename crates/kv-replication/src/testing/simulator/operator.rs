//! The operator: with which W and which followers a leader is started.

use std::sync::Arc;

use super::cluster::Cluster;
use super::shape::Setting;
use crate::protocol::group::{Group, in_force};
use crate::protocol::quorum::Quorum;

impl Cluster {
    /// How many may be without their memory, of which nodes: every group counts that may be in force, by
    /// what the operator has started, what still runs, and what nodes keep.
    pub(super) fn losses(&self) -> (usize, Vec<usize>) {
        let running = self.leaders.iter().filter(|node| node.machine.is_some()).map(|node| &node.setting);
        let settings = [&self.settings.served].into_iter().chain(&self.settings.tried).chain(running);
        let all: Vec<Setting> = settings.cloned().chain(self.kept_settings()).collect();
        let write = all.iter().map(|setting| setting.write).min().unwrap_or(0);
        (write.saturating_sub(1), all.into_iter().flat_map(|setting| setting.list).collect())
    }

    /// The operator looks for what nodes keep of a change that nobody remembers: a leader that was started
    /// long ago may have begun it. Says whether there is one.
    pub(super) fn find_forgotten(&mut self) -> bool {
        let is_known = |kept: &Setting| {
            let mut known = [&self.settings.served].into_iter().chain(&self.settings.tried);
            known.any(|setting| setting.is_same(kept))
        };
        let forgotten = self.kept_settings().into_iter().find(|kept| !is_known(kept));
        let found = forgotten.is_some();
        if found {
            self.settings.tried = forgotten;
            self.settings.goes_back = false;
        }
        found
    }

    /// What the groups that nodes keep were started with.
    fn kept_settings(&self) -> Vec<Setting> {
        let of_followers = self.followers.iter().map(|node| match &node.machine {
            Some(machine) => machine.standing().groups,
            None => Arc::clone(&node.disk.image.meta.groups),
        });
        let of_leaders = self.leaders.iter().map(|node| Arc::clone(&node.disk.image.meta.groups));
        let kept: Vec<_> = of_followers.chain(of_leaders).collect();
        let kept = in_force(&kept.iter().map(|groups| groups.as_slice()).collect::<Vec<_>>());
        let setting = |group: &Group| {
            let names = group.followers.iter().filter_map(|name| name.strip_prefix("node-"));
            let list = names.filter_map(|number| number.parse().ok()).collect();
            Setting { write: group.write, list }
        };
        kept.iter().map(setting).collect()
    }

    /// The setting of the next leader: mostly that of the last one, sometimes one step away from it.
    pub(super) fn choose_setting(&mut self) -> Setting {
        if !self.shape.regroups || self.settings.is_unused() || self.dice.chance(40) {
            return self.settings.newest().clone();
        }
        if self.settings.tried.is_some() {
            // The change goes on, or an old script is used again.
            let again = self.dice.chance(70);
            return if again { self.settings.newest().clone() } else { self.settings.served.clone() };
        }
        let next = self.step_away();
        if next != self.settings.served {
            self.count("changes of the group begun");
            self.settings.tried = Some(next.clone());
            self.settings.goes_back = false;
        }
        next
    }

    /// Another W, one follower more, or one less.
    fn step_away(&mut self) -> Setting {
        let Setting { write, mut list } = self.settings.served.clone();
        let stay = Quorum::new(list.len(), write).map_or(list.len(), |quorum| quorum.recovery().max(write));
        let unlisted: Vec<usize> = (0..self.shape.followers).filter(|node| !list.contains(node)).collect();
        match self.dice.roll(3) {
            0 if !unlisted.is_empty() => list.push(unlisted[self.dice.pick(unlisted.len())]),
            1 if list.len() > stay.max(1) => _ = list.remove(self.dice.pick(list.len())),
            _ => {}
        }
        let write = if self.dice.chance(60) { write.min(list.len()) } else { 1 + self.dice.pick(list.len()) };
        Setting { write, list }
    }
}
