//! How nodes start and die, and which of them may lose their memory.

use std::time::Duration;

use kv_core::NodeId;

use super::cluster::Cluster;
use super::disk::Disk;
use super::event::{Event, Fault};
use super::invariants::violation::Violation;
use super::nodes::Letter;
use crate::durable::image::Image;
use crate::follower::Follower;
use crate::leader::input::Input;
use crate::leader::machine::Leader;
use crate::protocol::message::{ClusterId, Identity};
use crate::protocol::time::Time;
use crate::testing::planted::Bug;

impl Cluster {
    pub(super) fn start_follower(&mut self, follower: usize) {
        let config = self.shape.follower(follower);
        let id = self.new_id();
        let node = &mut self.followers[follower];
        let blank = node.disk.image.meta.promised == kv_core::Epoch::ZERO;
        let image = if config.durable && !blank { node.disk.image.clone() } else { Image::new(id) };
        node.life += 1;
        node.paused_until = Time::ZERO;
        node.disk = Disk::new(image.clone());
        let mut machine = Follower::restart(image, config);
        machine.set_disk_full(node.full_disk && !self.planted.is(Bug::FullDiskAcknowledges));
        let held = machine.holds();
        node.shown_mark = (held.identity.resets, held.mark);
        node.machine = Some(machine);
        self.note(&[1, follower as u64], || format!("follower {follower} starts"));
    }

    pub(super) fn start_leader(&mut self, leader: usize) -> Result<(), Violation> {
        let (id, cluster, setting) = (self.new_id(), self.new_id().0, self.choose_setting());
        let Some(config) = self.shape.leader(id.0, &setting) else { return Ok(()) };
        let node = &mut self.leaders[leader];
        let blank = node.disk.image.meta.promised == kv_core::Epoch::ZERO;
        let image = if config.durable && !blank { node.disk.image.clone() } else { Image::new(id) };
        node.life += 1;
        node.paused_until = Time::ZERO;
        node.tick_at = None;
        node.setting = setting;
        node.disk = Disk::new(image.clone());
        let machine = Leader::restart(image, ClusterId(cluster), config);
        node.full_at = node.full_at.map(|_| machine.assigned());
        let first = if node.full_at.is_some() { Input::Disk { full: true } } else { Input::Tick };
        node.machine = Some(machine);
        let life = node.life;
        let words = format!("leader {leader} starts as {id:?} with {:?}", node.setting);
        self.note(&[2, leader as u64], || words);
        if !self.settings.is_unused() && self.dice.chance(self.shape.interrupts) {
            let after = self.dice.between(Duration::ZERO, Duration::from_millis(80));
            self.schedule(after, Event::Undo(Fault::Interrupt(leader)));
        }
        self.tell_leader(leader, life, first)
    }

    pub(super) fn kill_follower(&mut self, follower: usize, lasts: Duration) {
        let durable = self.shape.durable[follower];
        if self.followers[follower].machine.is_none() || (!durable && !self.may_lose(follower)) {
            return;
        }
        self.count(if durable { "crashes with a disk" } else { "crashes without memory" });
        self.note(&[6, follower as u64], || format!("follower {follower} dies"));
        self.crash_follower(follower);
        self.schedule(lasts, Event::Undo(Fault::FollowerDies(follower)));
    }

    /// Some are asked to stop first, and may still get a write.
    pub(super) fn kill_leader(&mut self, leader: usize, lasts: Duration) -> Result<(), Violation> {
        if self.leaders[leader].machine.is_none() {
            return Ok(());
        }
        if self.dice.chance(20) {
            self.tell_leader(leader, self.leaders[leader].life, Input::Drain)?;
            self.write_to(leader)?;
        }
        self.count("leaders killed");
        self.end_leader(leader);
        self.schedule(lasts, Event::Undo(Fault::LeaderDies(leader)));
        Ok(())
    }

    pub(super) fn end_leader(&mut self, leader: usize) {
        self.note(&[7, leader as u64], || format!("leader {leader} dies"));
        self.crash_leader(leader);
    }

    pub(super) fn reset(&mut self, follower: usize) {
        if self.followers[follower].machine.is_none() || !self.may_lose(follower) {
            return;
        }
        self.count("resets");
        self.note(&[8, follower as u64], || format!("follower {follower} is reset"));
        let node = &mut self.followers[follower];
        let Some(machine) = &mut node.machine else { return };
        let records = machine.reset().records;
        if !records.is_empty() && node.disk.write(records, Letter::to_nobody()) {
            self.sync_follower(follower);
        }
    }

    /// The follower is gone, and with it what it has not synced.
    fn crash_follower(&mut self, follower: usize) {
        let survive = self.survivors(self.followers[follower].disk.unsynced());
        let node = &mut self.followers[follower];
        node.machine = None;
        node.life += 1;
        let disk = std::mem::replace(&mut node.disk, Disk::new(Image::new(NodeId(0))));
        let (image, lost) = disk.crash(survive);
        node.disk = Disk::new(image);
        self.count_lost(lost);
    }

    /// The same of a leader.
    fn crash_leader(&mut self, leader: usize) {
        let survive = self.survivors(self.leaders[leader].disk.unsynced());
        let node = &mut self.leaders[leader];
        node.machine = None;
        node.life += 1;
        node.tick_at = None;
        let disk = std::mem::replace(&mut node.disk, Disk::new(Image::new(NodeId(0))));
        let (image, lost) = disk.crash(survive);
        node.disk = Disk::new(image);
        self.count_lost(lost);
    }

    /// Whether one more follower may be without its memory.
    pub(super) fn may_lose(&self, follower: usize) -> bool {
        let (most, listed) = self.losses();
        let without = self.followers.iter().enumerate().filter(|(index, node)| {
            let durable = self.shape.durable[*index];
            // What its disk does not know yet, a crash would undo.
            let meta = &node.disk.image.meta;
            let on_disk = |identity: Option<Identity>| {
                let same_memory = identity.is_none_or(|identity| identity == meta.identity);
                durable && meta.counts && meta.diverged.is_none() && same_memory
            };
            let counts = match node.machine.as_ref().map(Follower::holds) {
                Some(held) => held.counts && (!durable || on_disk(Some(held.identity))),
                None => on_disk(None),
            };
            *index == follower || (!counts && node.has_counted && listed.contains(index))
        });
        without.count() <= most || !listed.contains(&follower)
    }
}
