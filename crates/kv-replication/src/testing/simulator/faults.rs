//! What goes wrong, and how it is made good.

use std::time::Duration;

use super::cluster::Cluster;
use super::event::{Event, Fault, Seat};
use super::invariants::violation::Violation;
use super::nodes::{LEADERS, LeaderNode};
use crate::leader::phase::Phase;
use crate::protocol::time::Time;

impl Cluster {
    /// One fault, and the time of the next.
    pub(super) fn strike(&mut self) -> Result<(), Violation> {
        let until_next = self.dice.between(Duration::from_millis(200), Duration::from_secs(16));
        if self.now + until_next < self.shape.heals_at {
            self.schedule(until_next, Event::Fault);
        }
        if self.settings.is_unused() {
            return Ok(()); // a history has to begin before it can be in danger
        }
        if self.dice.chance(self.shape.storms) {
            self.count("storms");
            for _ in 0..3 + self.dice.roll(6) {
                let after = self.dice.between(Duration::ZERO, Duration::from_millis(150));
                self.schedule(after, Event::Undo(Fault::Gust));
            }
            return Ok(());
        }
        let lasts = self.dice.between(Duration::from_millis(50), Duration::from_secs(20));
        self.one_fault(lasts)
    }

    /// Something goes wrong for so long.
    fn one_fault(&mut self, lasts: Duration) -> Result<(), Violation> {
        let follower = self.dice.pick(self.followers.len());
        let leader = self.dice.pick(LEADERS);
        match self.dice.roll(13) {
            0 | 1 => self.kill_follower(follower, lasts),
            2 => return self.kill_leader(leader, lasts / 4),
            3 | 4 => {
                let (there, back) = [(true, true), (true, false), (false, true)][self.dice.pick(3)];
                self.count("cuts");
                self.network.cut((leader, follower), there, back);
                self.schedule(lasts, Event::Undo(Fault::WireCut(leader, follower)));
            }
            5 => {
                self.count("pauses");
                self.followers[follower].paused_until = self.now + lasts / 3;
            }
            6 => self.reset(follower),
            7 => self.slow_down(follower, lasts),
            8 => self.forge(follower),
            9 | 10 => return self.fill_disk(follower, lasts / 2),
            11 => return self.black_out(lasts / 4),
            _ => return self.rival_or_astray(follower, lasts),
        }
        Ok(())
    }

    pub(super) fn undo(&mut self, fault: Fault) -> Result<(), Violation> {
        match fault {
            Fault::FollowerDies(follower) if self.followers[follower].machine.is_none() => {
                self.start_follower(follower);
            }
            Fault::LeaderDies(leader) => {
                let other_serves = self.leaders.iter().enumerate().any(|(i, node)| {
                    i != leader
                        && node
                            .machine
                            .as_ref()
                            .is_some_and(|it| !matches!(it.phase(), Phase::Deposed { .. }))
                });
                if self.leaders[leader].machine.is_none() && (self.shape.rivals || !other_serves) {
                    return self.start_leader(leader);
                }
            }
            Fault::WireCut(leader, follower) => self.network.mend((leader, follower)),
            Fault::SlowNetwork => self.network.slow = false,
            Fault::SlowDisk(seat) => self.hurry_disk(seat),
            Fault::FullDisk(seat) => return self.set_full(seat, false),
            Fault::Astray => self.network.led_astray = None,
            Fault::Gust if self.now < self.shape.heals_at => {
                let lasts = self.dice.between(Duration::ZERO, Duration::from_millis(120));
                return self.one_fault(lasts);
            }
            Fault::Interrupt(leader) if self.now < self.shape.heals_at => {
                self.count("starts interrupted");
                let lasts = self.dice.between(Duration::ZERO, Duration::from_millis(60));
                if self.dice.chance(50) {
                    return self.kill_leader(leader, lasts);
                }
                let follower = self.dice.pick(self.followers.len());
                self.kill_follower(follower, lasts / 4);
            }
            Fault::Plug(seat) if self.now < self.shape.heals_at => return self.pull_plug(seat),
            Fault::Gust | Fault::Interrupt(_) | Fault::Plug(_) => {}
            Fault::FollowerDies(_) => {}
        }
        Ok(())
    }

    /// Everything is made good; one leader is left, and starts anew.
    pub(super) fn heal(&mut self) -> Result<(), Violation> {
        self.network.heal();
        for follower in 0..self.followers.len() {
            self.followers[follower].slow_disk = false;
            self.set_full(Seat::Follower(follower), false)?;
            self.followers[follower].paused_until = Time::ZERO;
            if self.followers[follower].machine.is_none() {
                self.start_follower(follower);
            }
        }
        let keep = if self.shape.is_lone { 0 } else { self.dice.pick(LEADERS) };
        for leader in 0..LEADERS {
            self.end_leader(leader);
            self.leaders[leader].slow_disk = false;
            self.leaders[leader].full_at = None;
        }
        self.shape.rivals = false;
        self.shape.regroups = false; // whatever has been begun is brought to its end
        self.start_leader(keep)
    }

    /// The operator looks in: a change that cannot be completed, because the new list has too few of
    /// those who have kept their memory, is given up.
    pub(super) fn look(&mut self) -> Result<(), Violation> {
        self.schedule(Duration::from_secs(10), Event::Look);
        let Some(leader) = self.leaders.iter().position(|node| node.machine.is_some()) else { return Ok(()) };
        if self.leaders.iter().any(LeaderNode::serves) {
            return Ok(());
        }
        let forgotten = self.dice.chance(30) && self.find_forgotten();
        if !forgotten && !self.settings.swap() {
            return Ok(());
        }
        self.count("changes of the group given up");
        self.end_leader(leader);
        self.start_leader(leader)
    }

    fn slow_down(&mut self, follower: usize, lasts: Duration) {
        self.count("slow spells");
        if self.dice.chance(50) {
            self.network.slow = true;
            self.schedule(lasts / 2, Event::Undo(Fault::SlowNetwork));
        } else {
            self.slow_disk(follower, lasts);
        }
    }

    /// A second leader for the same followers, or an address that leads to another follower.
    fn rival_or_astray(&mut self, follower: usize, lasts: Duration) -> Result<(), Violation> {
        if self.dice.chance(40) {
            self.count("addresses led astray");
            // To one of the same list: anyone else would take its place, and have none of its memory.
            let (_, listed) = self.losses();
            let Some(to) = listed.get(self.dice.pick(listed.len())) else { return Ok(()) };
            self.network.led_astray = Some((follower, *to));
            self.schedule(lasts / 3, Event::Undo(Fault::Astray));
            return Ok(());
        }
        let Some(free) = self.leaders.iter().position(|node| node.machine.is_none()) else {
            // Two are enough: the one that has been replaced goes.
            let deposed = self.leaders.iter().position(|node| {
                node.machine.as_ref().is_some_and(|leader| matches!(leader.phase(), Phase::Deposed { .. }))
            });
            deposed.into_iter().for_each(|leader| self.end_leader(leader));
            return Ok(());
        };
        if self.shape.rivals {
            self.count("rivals started");
            return self.start_leader(free);
        }
        Ok(())
    }
}
