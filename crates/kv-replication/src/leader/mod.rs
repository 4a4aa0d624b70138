//! The leader's machine.

mod admission;
mod commit;
mod io;
mod replies;
mod start;

use std::collections::VecDeque;

use chacha20::ChaCha8Rng;
use kv_core::{Entry, Epoch, NodeId, Store, Version};

pub use io::{Committed, Event, Input, Output, Phase, StartProblem, WriteError};

use crate::delay::stream;
use crate::link::{Attempt, Link};
use crate::log::Log;
use crate::writes::Writes;
use crate::{
    Append, AttemptId, ClusterId, LeaderConfig, LinkError, LinkState, LinkStatus, RangeSet, Request, Time,
};

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
    config: LeaderConfig,
    node: NodeId,
    cluster: ClusterId,
    epoch: Epoch,
    phase: Phase,
    draining: bool,
    log: Log,
    /// Committed entries only.
    store: Store,
    mark: Version,
    writes: Writes,
    links: Vec<Link>,
    /// The highest epoch that any follower has promised, as far as is known.
    promised: Epoch,
    next_attempt: u64,
    jitter: ChaCha8Rng,
    outputs: VecDeque<Output>,
}

impl Leader {
    /// A leader that has just started, without memory: it first asks its followers.
    ///
    /// `node` and `cluster` are drawn anew by the caller for every start.
    #[must_use]
    pub fn new(node: NodeId, cluster: ClusterId, config: LeaderConfig) -> Self {
        let links = (0..config.quorum.followers()).map(|_| Link::new()).collect();
        let mut leader = Self {
            jitter: stream(config.seed, JITTER_STREAM),
            config,
            node,
            cluster,
            epoch: Epoch { counter: 0, node },
            phase: Phase::Starting,
            draining: false,
            log: Log::new(),
            store: Store::new(),
            mark: 0,
            writes: Writes::default(),
            links,
            promised: Epoch::ZERO,
            next_attempt: 0,
            outputs: VecDeque::new(),
        };
        leader.try_start(Time::ZERO);
        leader
    }

    /// Takes in what happened at `now`.
    pub fn handle(&mut self, now: Time, input: Input) {
        self.expire(now);
        match input {
            Input::Write { id, command, deadline } => self.admit(now, id, command, deadline),
            Input::Reply { attempt, reply } => self.on_reply(now, attempt, reply),
            Input::Failed { attempt, error } => self.on_failed(now, attempt, LinkError::Unreachable(error)),
            Input::Drain => self.drain(),
            Input::Tick => {}
        }
    }

    /// The next thing to do at `now`, if any.
    pub fn poll_output(&mut self, now: Time) -> Option<Output> {
        for follower in 0..self.links.len() {
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
        let links = match self.phase {
            Phase::Deposed { .. } => Default::default(),
            _ => self.links.as_slice(),
        };
        links.iter().filter_map(Link::next_timeout).chain(self.writes.next_deadline()).min()
    }

    /// Where it is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Everything that is committed, and nothing else.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The commit mark.
    #[must_use]
    pub fn mark(&self) -> Version {
        self.mark
    }

    /// The newest version that was given to a write.
    #[must_use]
    pub fn assigned(&self) -> Version {
        self.log.last()
    }

    /// Entries and bytes of frames in the log.
    #[must_use]
    pub fn log_size(&self) -> (usize, usize) {
        (self.log.len(), self.log.bytes())
    }

    /// Its epoch; the counter is 0 as long as it has not chosen one.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Its followers, by index.
    pub fn links(&self) -> impl Iterator<Item = LinkStatus> + '_ {
        self.links.iter().map(Link::status)
    }

    /// What one link has to send now.
    fn poll_link(&mut self, now: Time, follower: usize) {
        let Some(link) = self.links.get_mut(follower) else {
            return;
        };
        link.release_due(now);
        match (link.state, self.phase) {
            (_, Phase::Deposed { .. }) => {}
            (LinkState::Down { retry_at }, _) if retry_at <= now => {
                link.state = LinkState::Probing;
                self.send(now, follower, Request::Probe, RangeSet::new());
            }
            (LinkState::Streaming, _) if link.attempts.len() < self.config.limits.requests_in_flight_max => {
                match link.next_batch(&self.log, &self.config.limits) {
                    Ok(Some((entries, versions))) => self.append(now, follower, entries, versions),
                    Ok(None) if link.attempts.is_empty() && link.next_mark <= now => {
                        self.append(now, follower, Vec::new(), RangeSet::new());
                    }
                    Ok(None) => {}
                    Err(error) => self.link_failed(now, follower, error),
                }
            }
            _ => {}
        }
    }

    fn append(&mut self, now: Time, follower: usize, entries: Vec<Entry>, versions: RangeSet) {
        if let Some(link) = self.links.get_mut(follower) {
            link.next_mark = now + self.config.timing.mark_interval;
        }
        let append = Append {
            cluster: self.cluster,
            epoch: self.epoch,
            recovered: self.phase == Phase::Serving,
            mark: self.mark,
            entries,
        };
        self.send(now, follower, Request::Append(append), versions);
    }

    fn send(&mut self, now: Time, follower: usize, request: Request, versions: RangeSet) {
        let attempt = AttemptId(self.next_attempt);
        self.next_attempt += 1;
        if let Some(link) = self.links.get_mut(follower) {
            link.attempts.push(Attempt {
                id: attempt,
                deadline: now + self.config.timing.replication_timeout,
                versions,
                probe: matches!(request, Request::Probe),
            });
        }
        self.outputs.push_back(Output::Send { attempt, follower, request });
    }

    /// Everything whose time is over.
    fn expire(&mut self, now: Time) {
        let expired: Vec<AttemptId> = self
            .links
            .iter()
            .flat_map(|link| &link.attempts)
            .filter(|attempt| attempt.deadline <= now)
            .map(|attempt| attempt.id)
            .collect();
        for attempt in expired {
            self.outputs.push_back(Output::Cancel { attempt });
            self.on_failed(now, attempt, LinkError::TimedOut);
        }
        while let Some(id) = self.writes.next_expired(now) {
            self.answer_late(id);
        }
    }
}
