//! The operator: with which W and which followers a leader is started.

use super::cluster::Cluster;
use super::shape::Setting;
use crate::Quorum;

/// What leaders have been started with, as far as it still matters.
#[derive(Debug)]
pub(super) struct Settings {
    /// That of the leader that served last.
    served: Setting,
    /// One that has been tried since, and may be half in force.
    tried: Option<Setting>,
    /// The change is given up, for now.
    goes_back: bool,
    /// Nobody has served yet.
    is_unused: bool,
}

impl Settings {
    pub(super) fn new(first: Setting) -> Self {
        Self { served: first, tried: None, goes_back: false, is_unused: true }
    }

    /// No history has begun: there is nothing that could be lost.
    pub(super) fn is_unused(&self) -> bool {
        self.is_unused
    }

    /// What brings a half finished change to its end.
    pub(super) fn newest(&self) -> &Setting {
        self.tried.as_ref().filter(|_| !self.goes_back).unwrap_or(&self.served)
    }

    /// W of the leader that served last: as long as no other one serves, it is in force.
    pub(super) fn served_write(&self) -> usize {
        self.served.write
    }

    /// Takes the other setting for the newest, if there are two.
    pub(super) fn swap(&mut self) -> bool {
        self.goes_back = !self.goes_back;
        self.tried.is_some()
    }

    /// A leader serves with this setting. Says whether that is another one than before.
    pub(super) fn note_served(&mut self, setting: &Setting) -> bool {
        let is_new = self.served != *setting;
        self.served = setting.clone();
        self.tried = None;
        self.goes_back = false;
        self.is_unused = false;
        is_new
    }

    /// How many may be without their memory, of which nodes.
    pub(super) fn losses(&self) -> (usize, Vec<usize>) {
        let all = || [&self.served].into_iter().chain(&self.tried);
        let write = all().map(|setting| setting.write).min().unwrap_or(0);
        (write.saturating_sub(1), all().flat_map(|setting| setting.list.clone()).collect())
    }
}

impl Cluster {
    /// The setting of the next leader: mostly that of the last one, sometimes one step away from it.
    pub(super) fn choose_setting(&mut self) -> Setting {
        if !self.shape.regroups || self.settings.is_unused || self.dice.chance(40) {
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
