//! The event loop, and what happens at each event.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use kv_core::NodeId;

use super::clients::Clients;
use super::disk::Disk;
use super::faults::Fault;
use super::invariants::commit_has_quorum::Answers;
use super::invariants::one_content_per_version::Truth;
use super::invariants::{self, Violation};
use super::network::Network;
use super::nodes::{FollowerNode, LeaderNode, Letter};
use super::settings::Settings;
use super::shape::{Dice, Shape};
use super::{Failure, Options, Report};
use crate::durable::record::Image;
use crate::follower::Follower;
use crate::leader::ids::AttemptId;
use crate::leader::input::Input;
use crate::leader::machine::Leader;
use crate::leader::output::Event as Told;
use crate::leader::output::Output;
use crate::leader::phase::Phase;
use crate::protocol::delay::stream;
use crate::protocol::message::{Answer, ClusterId, Request};
use crate::protocol::time::Time;
use crate::testing::planted::Bug;

/// The words of the trace that are kept.
const TRACE_LINES_MAX: usize = 400;
/// Leader processes at a time.
pub(super) const LEADERS: usize = 3;

/// How often what happened, by name.
pub type Counters = BTreeMap<&'static str, u64>;

#[derive(Debug)]
pub(super) enum Event {
    Arrive { wire: (usize, usize), life: u64, attempt: AttemptId, request: Request },
    Back(Letter),
    Broken { leader: usize, life: u64, attempt: AttemptId },
    Tick { leader: usize, life: u64 },
    FollowerSynced { follower: usize, life: u64 },
    LeaderSynced { leader: usize, life: u64 },
    Client,
    Fault,
    Undo(Fault),
    Heal,
    Look,
}

#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) shape: Shape,
    pub(super) options: Options,
    seed: u64,
    pub(super) now: Time,
    events: BTreeMap<(Time, u64), Event>,
    next_event: u64,
    pub(super) dice: Dice,
    pub(super) network: Network,
    pub(super) settings: Settings,
    pub(super) followers: Vec<FollowerNode>,
    pub(super) leaders: Vec<LeaderNode>,
    next_id: u64,
    pub(super) clients: Clients,
    pub(super) truth: Truth,
    answers: Answers,
    pub(super) counters: Counters,
    hash: u64,
    trace: VecDeque<String>,
}

impl Cluster {
    pub(super) fn new(seed: u64, options: Options) -> Self {
        let mut dice = Dice(stream(seed, 1 << 40));
        let shape = Shape::new(seed, options, &mut dice);
        let mut cluster = Self {
            followers: (0..shape.followers as u64).map(FollowerNode::down).collect(),
            leaders: (0..LEADERS as u64).map(|leader| LeaderNode::down(1_000 + leader)).collect(),
            settings: Settings::new(shape.first.clone()),
            shape,
            options,
            seed,
            now: Time::ZERO,
            events: BTreeMap::new(),
            next_event: 0,
            dice,
            network: Network::default(),
            next_id: 10_000,
            clients: Clients::default(),
            truth: Truth::default(),
            answers: Answers::default(),
            counters: Counters::new(),
            hash: 0xcbf2_9ce4_8422_2325,
            trace: VecDeque::new(),
        };
        (0..cluster.followers.len()).for_each(|follower| cluster.start_follower(follower));
        cluster
    }

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

    pub(super) fn schedule(&mut self, after: Duration, event: Event) {
        self.events.insert((self.now + after, self.next_event), event);
        self.next_event += 1;
    }

    pub(super) fn count(&mut self, what: &'static str) {
        *self.counters.entry(what).or_default() += 1;
    }

    /// Notes what happens: numbers for the hash (FNV-1a), words only if somebody wants to read them.
    pub(super) fn note(&mut self, numbers: &[u64], words: impl FnOnce() -> String) {
        let now = self.now.since_origin().as_nanos() as u64;
        for number in [now].iter().chain(numbers) {
            for byte in number.to_le_bytes() {
                self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        if self.options.trace {
            if self.trace.len() == TRACE_LINES_MAX {
                self.trace.pop_front();
            }
            self.trace.push_back(format!("{:?} {}", self.now, words()));
        }
    }

    pub(super) fn new_id(&mut self) -> NodeId {
        self.next_id += 1;
        NodeId(self.next_id)
    }

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
        machine.set_disk_full(node.full_disk);
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

    fn arrive(
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
        let done = machine.handle(request);
        invariants::bounded_queues::follower(machine, self.shape.window())?;
        if node.full_disk {
            invariants::full_disk_does_not_grow::follower(&done.records)?;
        }
        let refusal = done.then.as_ref().err().map(super::faults::refusal_name);
        let letter = Letter { leader, life, address, attempt, reply: done.then };
        self.note(&[3, leader as u64, follower as u64, attempt.0], || {
            format!("follower {follower} from leader {leader} #{}: {words} -> {:?}", attempt.0, letter.reply)
        });
        refusal.into_iter().for_each(|name| self.count(name));
        let careless = self.options.planted == Some(Bug::AckBeforePersist);
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

    fn deliver(&mut self, letter: Letter) -> Result<(), Violation> {
        let Letter { leader, life, attempt, reply, .. } = letter;
        self.tell_leader(leader, life, Input::Reply { attempt, reply })
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
            for (entry, _) in machine.take_commits() {
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
