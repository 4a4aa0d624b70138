//! The leader's machine: what it is made of, and its three kinds of methods.

use std::collections::VecDeque;

use chacha20::ChaCha8Rng;
use kv_core::{Epoch, NodeId};

use super::ids::AttemptId;
use super::input::Input;
use super::links::error::LinkError;
use super::links::set::Links;
use super::output::{Event, Output};
use super::own_copy::OwnCopy;
use super::reads::Reads;
use super::replication::commit::Replication;
use super::replication::log::Log;
use super::start::leadership::Leadership;
use super::writes::open::{Wanted, Writes};
use crate::config::LeaderConfig;
use crate::durable::image::Image;
use crate::protocol::delay::stream;
use crate::protocol::message::ClusterId;
use crate::protocol::time::Time;

/// The stream of the seed that the jitter of retries is drawn from; the low ones are the delays.
const JITTER_STREAM: u64 = u64::MAX;

/// Orders writes, hands them to the followers, and says when W of them have one.
///
/// It does no I/O and reads no clock. The caller
///
/// 1. tells it what happened, with [`Leader::handle`];
/// 2. then takes [`Leader::poll_output`] until it is empty, and does what each output says, in order;
/// 3. then asks [`Leader::poll_timeout`] and comes back with [`Input::Tick`] at that time, or with
///    anything else that happens before.
///
/// `now` must never go backwards from one call to the next.
#[derive(Debug)]
pub struct Leader {
    pub(super) config: LeaderConfig,
    pub(super) origin: Origin,
    pub(super) leadership: Leadership,
    pub(super) own: OwnCopy,
    pub(super) replication: Replication,
    pub(super) links: Links,
    pub(super) writes: Writes,
    pub(super) reads: Reads,
    pub(super) draining: bool,
    pub(super) now: Time,
    pub(super) outputs: VecDeque<Output>,
    pub(super) jitter: ChaCha8Rng,
    next_attempt: u64,
}

/// What a node brings to its start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// The id of the cluster, if it begins a new one.
    pub(super) drawn: ClusterId,
    /// The cluster that its disk knows.
    pub(super) cluster: Option<ClusterId>,
    /// What its disk has belongs to no history: somebody has put it there.
    pub(super) is_restored: bool,
}

impl Leader {
    /// A leader without memory: it first asks its followers.
    ///
    /// `node` is drawn anew by the caller for every start, and so is `cluster`, which names the history
    /// if this leader begins one.
    #[must_use]
    pub fn new(node: NodeId, cluster: ClusterId, config: LeaderConfig) -> Self {
        Self::restart(Image::new(node), cluster, config)
    }

    /// A leader that starts again with what its disk knows. It asks its followers too: somebody else
    /// may have led meanwhile.
    #[must_use]
    pub fn restart(image: Image, cluster: ClusterId, config: LeaderConfig) -> Self {
        let origin = Origin { drawn: cluster, cluster: image.meta.cluster, is_restored: image.is_restored() };
        let (own, replication) = restore(image, &config);
        let meta = own.meta();
        let epoch = Epoch { counter: 0, node: meta.identity.node };
        let mut leader = Self {
            jitter: stream(config.seed, JITTER_STREAM),
            links: Links::new(config.quorum.followers()),
            leadership: Leadership::new(epoch, meta.promised, config.group(Epoch::ZERO)),
            own,
            config,
            origin,
            replication,
            writes: Writes::default(),
            reads: Reads::default(),
            draining: false,
            now: Time::ZERO,
            outputs: VecDeque::new(),
            next_attempt: 0,
        };
        leader.go_on(Time::ZERO);
        leader
    }

    /// Takes in what happened at `now`.
    pub fn handle(&mut self, now: Time, input: Input) {
        self.now = now;
        self.expire(now);
        match input {
            Input::Write { id, command, acks, deadline } => {
                let acks = acks.unwrap_or(self.config.quorum.write());
                self.admit(now, id, Wanted { command, acks }, deadline);
            }
            Input::Confirm { id, deadline } => self.read(now, id, deadline),
            Input::Reply { attempt, reply } => self.on_reply(now, attempt, reply),
            Input::Failed { attempt, error } => self.on_failed(now, attempt, LinkError::Unreachable(error)),
            Input::Persisted { id } => self.on_persisted(now, id),
            Input::Disk { full } => self.on_own_disk(now, full),
            Input::Drain => self.drain(),
            Input::Tick => {}
        }
    }

    /// The next thing to do at `now`, if any.
    pub fn poll_output(&mut self, now: Time) -> Option<Output> {
        if let Some((id, records)) = self.own.poll_batch(self.replication.mark()) {
            self.outputs.push_back(Output::Persist { id, records });
        }
        for follower in self.links.indices() {
            if !self.outputs.is_empty() {
                break;
            }
            self.poll_link(now, follower);
        }
        self.outputs.pop_front()
    }

    /// When [`Input::Tick`] is wanted, unless something else happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let deadlines = self.writes.next_deadline().into_iter().chain(self.reads.next_deadline());
        let links = self.links.next_timeout().filter(|_| self.leadership.deposed_by().is_none());
        links.into_iter().chain(deadlines).min()
    }

    /// The name of the next attempt: it is sent later than now.
    pub(super) fn next_attempt(&self) -> AttemptId {
        AttemptId(self.next_attempt)
    }

    pub(super) fn take_attempt(&mut self) -> AttemptId {
        let id = AttemptId(self.next_attempt);
        self.next_attempt += 1;
        id
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(super) fn cancel(&mut self, attempts: Vec<AttemptId>) {
        self.outputs.extend(attempts.into_iter().map(|attempt| Output::Cancel { attempt }));
    }

    /// Everything whose time is over.
    fn expire(&mut self, now: Time) {
        for attempt in self.links.expired(now) {
            self.outputs.push_back(Output::Cancel { attempt });
            self.on_failed(now, attempt, LinkError::TimedOut);
        }
        while let Some(id) = self.writes.next_expired(now) {
            self.answer_late(id);
        }
        self.expire_reads(now);
    }
}

/// What a disk knows: the own copy, and the log with the state below it.
fn restore(image: Image, config: &LeaderConfig) -> (OwnCopy, Replication) {
    let Image { meta, mark, store, whole_from, pending, mut recent, .. } = image;
    let limits = &config.limits;
    let mut bytes: usize = recent.iter().map(|entry| entry.frame().len()).sum();
    while recent.len() > limits.log_entries_max || bytes > limits.log_bytes_max {
        bytes -= recent.pop_front().map_or(0, |oldest| oldest.frame().len());
    }
    if recent.back().is_none_or(|last| last.version() != mark) {
        recent.clear();
    }
    let mut log = Log::after(mark - recent.len() as u64);
    recent.into_iter().for_each(|entry| log.push_committed(entry));
    for (version, entry) in pending {
        if version != log.last() + 1 {
            break; // written out of order by another life of this node: not its own log
        }
        log.push(entry, None);
    }
    let own = OwnCopy::new(config.durable, meta, log.last());
    let newest = mark.max(whole_from);
    let replication = Replication::new(config.quorum, log, store, mark, newest, own.held_through());
    (own, replication)
}
