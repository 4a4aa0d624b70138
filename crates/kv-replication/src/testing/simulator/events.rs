//! The loop: one event after the other, and then whether everything is level.

use std::time::Duration;

use super::cluster::Cluster;
use super::event::Event;
use super::invariants;
use super::invariants::violation::Violation;
use super::report::{Failure, Report};
use crate::leader::input::Input;
use crate::protocol::time::Time;

impl Cluster {
    pub(super) fn run(mut self) -> Result<Report, Box<Failure>> {
        let done = self.steps();
        match done {
            Ok(()) => Ok(Report { trace_hash: self.hash, counters: self.counters }),
            Err((invariant, message)) => {
                let (seed, at, trace) = (self.seed, self.now, self.trace.into());
                Err(Box::new(Failure { seed, at, invariant, message, trace }))
            }
        }
    }

    fn steps(&mut self) -> Result<(), Violation> {
        self.start_leader(0)?;
        if self.shape.is_lone {
            self.count("lone leaders");
        }
        self.schedule(Duration::from_secs(1), Event::Client);
        self.schedule(Duration::from_secs(5), Event::Fault);
        self.schedule(Duration::from_secs(5), Event::Look);
        self.schedule(self.shape.heals_at.since(Time::ZERO), Event::Heal);
        while let Some(((at, _), event)) = self.events.pop_first() {
            if at > self.shape.ends_at {
                break;
            }
            self.now = at;
            self.step(event)?;
        }
        self.check_history()?;
        let leader = self.leaders.iter().find(|node| node.machine.is_some());
        let listed = leader.map(|node| node.setting.list.as_slice()).unwrap_or_default();
        let listed = listed.iter().map(|node| self.followers[*node].machine.as_ref());
        invariants::equal_after_healing::check(leader.and_then(|node| node.machine.as_ref()), listed)
    }

    fn step(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Arrive { wire, life, attempt, request } => self.arrive(wire, life, attempt, request),
            Event::Back(letter) => self.deliver(letter),
            Event::Broken { leader, life, attempt } => {
                *self.counters.entry("attempts that broke").or_default() += 1;
                let error = "connection refused".to_owned();
                self.tell_leader(leader, life, Input::Failed { attempt, error })
            }
            Event::Tick { leader, life } => {
                if self.leaders[leader].life == life
                    && self.leaders[leader].tick_at.is_some_and(|at| at <= self.now)
                {
                    self.leaders[leader].tick_at = None;
                    return self.tell_leader(leader, life, Input::Tick);
                }
                Ok(())
            }
            Event::FollowerSynced { follower, life } => self.follower_synced(follower, life),
            Event::LeaderSynced { leader, life } => self.leader_synced(leader, life),
            Event::Client => self.client(),
            Event::Fault => self.strike(),
            Event::Undo(fault) => self.undo(fault),
            Event::Heal => self.heal(),
            Event::Look => self.look(),
        }
    }
}
