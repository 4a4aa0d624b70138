//! Several leaders and their followers, where a test says who reaches whom.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use kv_core::{Command, Key, NodeId};
use kv_replication::{
    AttemptId, ClusterId, Follower, FollowerConfig, Input, Leader, LeaderConfig, Output, Phase, Quorum,
    Request, Time, WriteId,
};

/// More steps than any schedule needs.
const STEPS_MAX: usize = 5_000;

pub(crate) struct Lab {
    now: Time,
    pub(crate) followers: Vec<Follower>,
    leaders: BTreeMap<u64, Seat>,
    ids: u64,
}

type Loss = Box<dyn Fn(usize, &Request) -> bool>;

/// A leader, what it has sent, and whom it reaches.
struct Seat {
    machine: Leader,
    reach: BTreeSet<usize>,
    is_lost: Loss,
    flights: VecDeque<(AttemptId, usize, Request)>,
}

/// For `followers` followers, called by their numbers.
pub(crate) fn config(followers: usize, write: usize) -> LeaderConfig {
    LeaderConfig::new(Quorum::new(followers, write).unwrap())
}

impl Lab {
    pub(crate) fn new(followers: usize) -> Self {
        let follower = |id| Follower::new(NodeId(id), FollowerConfig::default());
        let followers = (1..=followers as u64).map(follower).collect();
        Self { now: Time::ZERO, followers, leaders: BTreeMap::new(), ids: 100 }
    }

    /// A leader without memory of all followers, with this W.
    pub(crate) fn start(&mut self, leader: u64, write: usize, reach: &[usize]) {
        let config = config(self.followers.len(), write);
        self.seat(leader, Leader::new(NodeId(1_000 + leader), ClusterId(leader), config), reach);
    }

    pub(crate) fn seat(&mut self, leader: u64, machine: Leader, reach: &[usize]) {
        let reach = reach.iter().copied().collect();
        let seat = Seat { machine, reach, is_lost: Box::new(|_, _| false), flights: VecDeque::new() };
        self.leaders.insert(leader, seat);
        self.collect(leader);
    }

    /// Starts a leader and lets it serve.
    pub(crate) fn serving(&mut self, leader: u64, write: usize, reach: &[usize]) {
        self.start(leader, write, reach);
        self.until(leader, |lab| lab.phase(leader) == Phase::Serving);
        self.settle(leader);
    }

    pub(crate) fn end(&mut self, leader: u64) {
        self.leaders.remove(&leader);
    }

    pub(crate) fn reach(&mut self, leader: u64, reach: &[usize]) {
        self.leaders.get_mut(&leader).unwrap().reach = reach.iter().copied().collect();
    }

    /// What of a leader's requests does not arrive, besides those to whom it does not reach.
    pub(crate) fn lose(&mut self, leader: u64, is_lost: impl Fn(usize, &Request) -> bool + 'static) {
        self.leaders.get_mut(&leader).unwrap().is_lost = Box::new(is_lost);
    }

    /// A follower restarts without memory.
    pub(crate) fn crash(&mut self, follower: usize) {
        self.ids += 1;
        self.followers[follower] = Follower::new(NodeId(self.ids), FollowerConfig::default());
    }

    /// The leader is told to write `value` under `k`.
    pub(crate) fn write(&mut self, leader: u64, value: &str) {
        self.ids += 1;
        let command = Command::put(Key::parse("k").unwrap(), value.as_bytes()).unwrap();
        let deadline = self.now + Duration::from_secs(2);
        self.tell(leader, Input::Write { id: WriteId(self.ids), command, acks: None, deadline });
    }

    /// What the leader has committed under `k`.
    pub(crate) fn value(&self, leader: u64) -> Option<String> {
        let item = self.leaders[&leader].machine.store().get("k");
        item.map(|item| String::from_utf8_lossy(item.value).into_owned())
    }

    pub(crate) fn leader(&self, leader: u64) -> &Leader {
        &self.leaders[&leader].machine
    }

    pub(crate) fn phase(&self, leader: u64) -> Phase {
        self.leader(leader).phase()
    }

    /// Delivers what the leader has sent until it is so; the clock goes on where nothing travels.
    pub(crate) fn until(&mut self, leader: u64, is_so: impl Fn(&Lab) -> bool) {
        for _ in 0..STEPS_MAX {
            if is_so(self) {
                return;
            }
            if !self.step(leader) {
                self.tick(leader);
            }
        }
        panic!("never: {:?}, {:?}", self.phase(leader), self.leader(leader).problem());
    }

    pub(crate) fn settle(&mut self, leader: u64) {
        assert!((0..STEPS_MAX).any(|_| !self.step(leader)), "it never comes to rest");
    }

    pub(crate) fn run(&mut self, leader: u64, ms: u64) {
        for _ in 0..ms / 10 {
            self.tick(leader);
            self.settle(leader);
        }
    }

    /// One request arrives and is answered, or fails. False if there is none.
    fn step(&mut self, leader: u64) -> bool {
        self.collect(leader);
        let seat = self.leaders.get_mut(&leader).unwrap();
        let Some((attempt, follower, request)) = seat.flights.pop_front() else { return false };
        let arrives = seat.reach.contains(&follower) && !(seat.is_lost)(follower, &request);
        let input = if arrives {
            let reply = self.followers[follower].handle(request).then;
            Input::Reply { attempt, reply }
        } else {
            Input::Failed { attempt, error: "cut".to_owned() }
        };
        self.tell(leader, input);
        true
    }

    fn tick(&mut self, leader: u64) {
        self.now = self.now + Duration::from_millis(10);
        self.tell(leader, Input::Tick);
    }

    fn tell(&mut self, leader: u64, input: Input) {
        let now = self.now;
        self.leaders.get_mut(&leader).unwrap().machine.handle(now, input);
        self.collect(leader);
    }

    fn collect(&mut self, leader: u64) {
        let now = self.now;
        let seat = self.leaders.get_mut(&leader).unwrap();
        while let Some(output) = seat.machine.poll_output(now) {
            match output {
                Output::Send { attempt, follower, request } => {
                    seat.flights.push_back((attempt, follower, request));
                }
                Output::Persist { id, .. } => seat.machine.handle(now, Input::Persisted { id }),
                _ => {}
            }
        }
    }
}
