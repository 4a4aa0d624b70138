//! What happens to disks: syncs take their time, crashes lose what was not synced, disks run full.

use std::time::Duration;

use super::cluster::Cluster;
use super::disk::Lost;
use super::event::{Event, Fault, Seat};
use super::invariants::violation::Violation;
use super::nodes::{LEADERS, LeaderNode};
use crate::leader::input::Input;
use crate::leader::machine::Leader;
use crate::testing::planted::Bug;

impl Cluster {
    pub(super) fn sync_follower(&mut self, follower: usize) {
        let (slow, life) = (self.followers[follower].slow_disk, self.followers[follower].life);
        let time = self.sync_time(slow);
        self.schedule(time, Event::FollowerSynced { follower, life });
        self.perhaps_pull_plug(Seat::Follower(follower), time);
    }

    pub(super) fn sync_leader(&mut self, leader: usize) {
        let (slow, life) = (self.leaders[leader].slow_disk, self.leaders[leader].life);
        let time = self.sync_time(slow);
        self.schedule(time, Event::LeaderSynced { leader, life });
        self.perhaps_pull_plug(Seat::Leader(leader), time);
    }

    fn sync_time(&mut self, slow: bool) -> Duration {
        self.dice.between(Duration::from_micros(100), Duration::from_millis(if slow { 900 } else { 8 }))
    }

    /// Some syncs are cut short.
    fn perhaps_pull_plug(&mut self, seat: Seat, sync: Duration) {
        if !self.settings.is_unused() && self.dice.roll(1_000) < self.shape.plugs {
            let after = self.dice.between(Duration::ZERO, sync);
            self.schedule(after, Event::Undo(Fault::Plug(seat)));
        }
    }

    /// The node dies in the middle of a sync, alone or with all others.
    pub(super) fn pull_plug(&mut self, seat: Seat) -> Result<(), Violation> {
        let lasts = self.dice.between(Duration::ZERO, Duration::from_secs(2));
        if self.dice.chance(40) {
            return self.black_out(lasts);
        }
        match seat {
            Seat::Follower(follower) => self.kill_follower(follower, lasts),
            Seat::Leader(leader) => self.kill_leader(leader, lasts)?,
        }
        Ok(())
    }

    pub(super) fn follower_synced(&mut self, follower: usize, life: u64) -> Result<(), Violation> {
        if self.followers[follower].life != life || self.followers[follower].machine.is_none() {
            return Ok(());
        }
        let (letters, more) = self.followers[follower].disk.synced();
        if more {
            self.sync_follower(follower);
        }
        for letter in letters.into_iter().filter(|letter| letter.life > 0) {
            self.send_back(follower, &letter)?;
        }
        Ok(())
    }

    pub(super) fn leader_synced(&mut self, leader: usize, life: u64) -> Result<(), Violation> {
        if self.leaders[leader].life != life || self.leaders[leader].machine.is_none() {
            return Ok(());
        }
        let (batches, more) = self.leaders[leader].disk.synced();
        if more {
            self.sync_leader(leader);
        }
        match batches.into_iter().max() {
            Some(id) => self.tell_leader(leader, life, Input::Persisted { id }),
            None => Ok(()),
        }
    }

    /// How many of the records that were not synced get there all the same: none if the power fails, all if
    /// only the process is killed, and anything in between.
    pub(super) fn survivors(&mut self, unsynced: usize) -> usize {
        match self.dice.roll(4) {
            0 => 0,
            1 => unsynced,
            _ => self.dice.pick(unsynced + 1),
        }
    }

    pub(super) fn count_lost(&mut self, lost: Lost) {
        if lost.in_sync {
            self.count("crashes in the middle of a sync");
        }
        if lost.records > 0 {
            self.count("crashes that lost unsynced writes");
        }
    }

    /// A disk is slow for a while.
    pub(super) fn slow_disk(&mut self, follower: usize, lasts: Duration) {
        let seat = match self.leaders.iter().position(LeaderNode::serves) {
            Some(leader) if self.shape.durable_leader && self.dice.chance(40) => Seat::Leader(leader),
            _ => Seat::Follower(follower),
        };
        match seat {
            Seat::Follower(follower) => self.followers[follower].slow_disk = true,
            Seat::Leader(leader) => {
                self.count("slow disks of leaders");
                self.leaders[leader].slow_disk = true;
            }
        }
        self.schedule(lasts, Event::Undo(Fault::SlowDisk(seat)));
    }

    pub(super) fn hurry_disk(&mut self, seat: Seat) {
        match seat {
            Seat::Follower(follower) => self.followers[follower].slow_disk = false,
            Seat::Leader(leader) => self.leaders[leader].slow_disk = false,
        }
    }

    /// A disk runs full for a while.
    pub(super) fn fill_disk(&mut self, follower: usize, lasts: Duration) -> Result<(), Violation> {
        let leader = self.leaders.iter().position(LeaderNode::serves);
        let leader = leader.unwrap_or_else(|| self.dice.pick(LEADERS));
        let seat = if self.shape.durable_leader && self.dice.chance(40) {
            Seat::Leader(leader)
        } else if self.shape.durable[follower] {
            Seat::Follower(follower)
        } else {
            return Ok(());
        };
        self.schedule(lasts, Event::Undo(Fault::FullDisk(seat)));
        self.note(&[11], || format!("the disk of {seat:?} is full"));
        self.set_full(seat, true)
    }

    /// The disk runs full, or has space again.
    pub(super) fn set_full(&mut self, seat: Seat, full: bool) -> Result<(), Violation> {
        match seat {
            Seat::Follower(follower) => {
                let node = &mut self.followers[follower];
                node.full_disk = full;
                let told = full && !self.planted.is(Bug::FullDiskAcknowledges);
                node.machine.iter_mut().for_each(|machine| machine.set_disk_full(told));
                if full {
                    self.count("full disks of followers");
                }
            }
            Seat::Leader(leader) => {
                let node = &mut self.leaders[leader];
                let assigned = node.machine.as_ref().map_or(0, Leader::assigned);
                node.full_at = full.then_some(assigned);
                if full {
                    self.count("full disks of leaders");
                }
                return self.tell_leader(leader, self.leaders[leader].life, Input::Disk { full });
            }
        }
        Ok(())
    }

    /// Everybody dies at the same moment, but for those who may not lose their memory now.
    pub(super) fn black_out(&mut self, lasts: Duration) -> Result<(), Violation> {
        let disks_only = self.shape.durable_leader && self.shape.durable.iter().all(|durable| *durable);
        self.count(if disks_only { "blackouts of disks only" } else { "blackouts" });
        for leader in 0..LEADERS {
            let back = self.dice.between(Duration::ZERO, lasts);
            self.kill_leader(leader, back)?;
        }
        for follower in 0..self.followers.len() {
            let back = self.dice.between(Duration::ZERO, lasts);
            self.kill_follower(follower, back);
        }
        Ok(())
    }
}
