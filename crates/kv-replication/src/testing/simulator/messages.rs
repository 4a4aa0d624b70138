//! Requests, answers and outputs: how they travel, and what nodes make of them.

use std::time::Duration;

use super::cluster::Cluster;
use super::event::Event;
use super::invariants;
use super::invariants::violation::Violation;
use super::names::refusal_name;
use super::nodes::Letter;
use crate::leader::ids::AttemptId;
use crate::leader::input::Input;
use crate::leader::machine::Leader;
use crate::leader::output::{Event as Told, Output};
use crate::leader::phase::Phase;
use crate::protocol::message::{Answer, Request};
use crate::testing::planted::Bug;

impl Cluster {
    pub(super) fn arrive(
        &mut self,
        wire: (usize, usize),
        life: u64,
        attempt: AttemptId,
        request: Request,
    ) -> Result<(), Violation> {
        let (leader, address) = wire;
        let follower = self.network.resolve(address);
        let node = &mut self.followers[follower];
        if node.paused_until > self.now {
            let wait = node.paused_until.since(self.now);
            self.schedule(wait, Event::Arrive { wire, life, attempt, request });
            return Ok(());
        }
        let Some(machine) = &mut node.machine else {
            self.schedule(Duration::from_millis(1), Event::Broken { leader, life, attempt });
            return Ok(());
        };
        let words = if self.options.trace { format!("{request:?}") } else { String::new() };
        let request = self.planted.bend_request(request);
        let asked = self.planted.note_asked(&request, machine, follower != address);
        let mut done = machine.handle(request);
        self.planted.bend_records(asked.as_ref(), node.full_disk, &mut done.records);
        invariants::bounded_queues::follower(machine, self.shape.window())?;
        if node.full_disk {
            invariants::full_disk_does_not_grow::follower(&done.records)?;
        }
        let refusal = done.then.as_ref().err().map(refusal_name);
        let mark = self.leaders[leader].machine.as_ref().map_or(0, Leader::mark);
        let bent = asked.and_then(|asked| self.planted.bend_reply(&asked, machine, &done.then, mark));
        let letter = Letter { leader, life, address, attempt, reply: done.then, bent };
        self.note(&[3, leader as u64, follower as u64, attempt.0], || {
            format!("follower {follower} from leader {leader} #{}: {words} -> {:?}", attempt.0, letter.reply)
        });
        refusal.into_iter().for_each(|name| self.count(name));
        let careless = self.planted.is(Bug::AckBeforePersist);
        let node = &mut self.followers[follower];
        let waits = done.records.iter().any(|record| !record.is_lazy()) || !node.disk.is_idle();
        if done.records.is_empty() && !waits {
            return self.send_back(follower, &letter);
        }
        if waits && !careless {
            if node.disk.write(done.records, letter) {
                self.sync_follower(follower);
            }
            return Ok(());
        }
        // Nothing must be waited for; the records are written all the same.
        if node.disk.write(done.records, Letter::to_nobody()) {
            self.sync_follower(follower);
        }
        self.send_back(follower, &letter)
    }

    pub(super) fn send_back(&mut self, follower: usize, letter: &Letter) -> Result<(), Violation> {
        let held = match &letter.reply {
            Ok(Answer::Held(held)) => Some(held),
            Ok(Answer::Standing(standing)) => Some(&standing.held),
            _ => None,
        };
        let node = &mut self.followers[follower];
        if let Some(held) = held {
            node.has_counted |= held.counts;
            let disk = self.shape.durable[follower].then_some(&node.disk.image);
            invariants::marks_never_fall::check(&mut node.shown_mark, held)?;
            self.answers.note(held, disk)?;
        }
        let wire = (letter.leader, letter.address);
        for delay in self.network.back(wire, &self.shape, &mut self.dice) {
            self.schedule(delay, Event::Back(letter.clone()));
        }
        Ok(())
    }

    pub(super) fn deliver(&mut self, letter: Letter) -> Result<(), Violation> {
        let Letter { leader, life, attempt, reply, bent, .. } = letter;
        self.tell_leader(leader, life, Input::Reply { attempt, reply: bent.unwrap_or(reply) })
    }

    /// Hands an input to a leader, and does what it says.
    pub(super) fn tell_leader(&mut self, leader: usize, life: u64, input: Input) -> Result<(), Violation> {
        let node = &mut self.leaders[leader];
        if node.life != life {
            return Ok(());
        }
        let Some(machine) = &mut node.machine else { return Ok(()) };
        machine.handle(self.now, input);
        let own = node.setting.write;
        loop {
            let Some(machine) = &mut self.leaders[leader].machine else { return Ok(()) };
            let output = machine.poll_output(self.now);
            let write =
                if machine.phase() == Phase::Serving { own } else { own.max(self.settings.served_write()) };
            for entry in machine.take_commits() {
                self.counters.entry("commits").and_modify(|count| *count += 1).or_insert(1);
                let disk = self.shape.durable_leader.then_some(&self.leaders[leader].disk.image);
                self.answers.check(&entry, write, disk)?;
                self.truth.commit(entry)?;
            }
            match output {
                Some(output) => self.obey(leader, life, output)?,
                None => break,
            }
        }
        let node = &mut self.leaders[leader];
        let Some(machine) = &node.machine else { return Ok(()) };
        invariants::bounded_queues::leader(machine)?;
        invariants::full_disk_does_not_grow::leader(machine, node.full_at)?;
        invariants::uncommitted_is_in_the_log::check(machine)?;
        if let Some(at) = machine.poll_timeout()
            && node.tick_at.is_none_or(|set| at < set)
        {
            let at = at.max(self.now).max(node.paused_until);
            node.tick_at = Some(at);
            self.schedule(at.since(self.now), Event::Tick { leader, life });
        }
        Ok(())
    }

    fn obey(&mut self, leader: usize, life: u64, output: Output) -> Result<(), Violation> {
        match output {
            Output::Send { attempt, follower, request } => {
                match &request {
                    Request::Install(_) => self.count("snapshot chunks pushed"),
                    Request::Pull(_) => self.count("chunks pulled"),
                    _ => {}
                }
                let wire = (leader, self.leaders[leader].setting.list[follower]);
                for delay in self.network.there(wire, &self.shape, &mut self.dice) {
                    self.schedule(delay, Event::Arrive { wire, life, attempt, request: request.clone() });
                }
            }
            Output::Cancel { .. } => self.count("attempts given up"),
            Output::Persist { id, records } => {
                if self.leaders[leader].disk.write(records, id) {
                    self.sync_leader(leader);
                }
                if self.planted.is(Bug::LeaderCommitsBeforePersist) {
                    self.tell_leader(leader, life, Input::Persisted { id })?;
                }
            }
            Output::Answer { id, result } => self.answered(id, result)?,
            Output::Confirmed { id, result } => self.confirmed(leader, id, result)?,
            Output::Event(event) => {
                self.note(&[5, leader as u64], || format!("leader {leader}: {event:?}"));
                if let Told::Serving { recovered, .. } = event {
                    self.count(if recovered == 0 { "fresh starts" } else { "recoveries" });
                    if self.settings.note_served(&self.leaders[leader].setting) {
                        self.count("changes of the group completed");
                    }
                    if let Some(machine) = &self.leaders[leader].machine {
                        invariants::no_acknowledged_write_lost::check(&self.truth, machine)?;
                    }
                }
            }
        }
        Ok(())
    }
}
