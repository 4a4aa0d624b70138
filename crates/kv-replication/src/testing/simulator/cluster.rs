//! The cluster: who and what there is, the queue of what will happen, and the trace of what has.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use kv_core::NodeId;

use super::event::Event;
use super::invariants::commit_has_quorum::Answers;
use super::invariants::one_content_per_version::Truth;
use super::network::Network;
use super::nodes::{FollowerNode, LEADERS, LeaderNode};
use super::planted::Planted;
use super::report::{Counters, Options};
use super::sessions::Clients;
use super::settings::Settings;
use super::shape::{Dice, Shape};
use crate::protocol::delay::stream;
use crate::protocol::time::Time;

/// The words of the trace that are kept.
const TRACE_LINES_MAX: usize = 400;
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) shape: Shape,
    pub(super) options: Options,
    pub(super) seed: u64,
    pub(super) now: Time,
    pub(super) events: BTreeMap<(Time, u64), Event>,
    next_event: u64,
    pub(super) dice: Dice,
    pub(super) network: Network,
    pub(super) settings: Settings,
    pub(super) followers: Vec<FollowerNode>,
    pub(super) leaders: Vec<LeaderNode>,
    next_id: u64,
    pub(super) clients: Clients,
    pub(super) truth: Truth,
    pub(super) answers: Answers,
    pub(super) planted: Planted,
    pub(super) counters: Counters,
    pub(super) hash: u64,
    pub(super) trace: VecDeque<String>,
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
            planted: Planted::new(options.planted),
            counters: Counters::new(),
            hash: 0xcbf2_9ce4_8422_2325,
            trace: VecDeque::new(),
        };
        (0..cluster.followers.len()).for_each(|follower| cluster.start_follower(follower));
        cluster
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
}
