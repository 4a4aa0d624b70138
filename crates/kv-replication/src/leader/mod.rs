//! The leader's machine.

mod admission;
mod commit;
mod replies;
mod start;

use std::collections::VecDeque;

use chacha20::ChaCha8Rng;
use kv_core::{Command, Entry, Epoch, NodeId, Store, Version};
use thiserror::Error;

use crate::delay::stream;
use crate::link::{Attempt, Link};
use crate::log::Log;
use crate::writes::Writes;
use crate::{
    Append, AttemptId, ClusterId, LeaderConfig, LinkError, LinkState, LinkStatus, RangeSet, Reply, Request,
    Time, WriteId,
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

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A client wants `command`; it gets exactly one [`Output::Answer`], by its deadline.
    Write {
        /// The caller's name for it.
        id: WriteId,
        /// What it wants.
        command: Command,
        /// When the answer must be there, whatever it is.
        deadline: Time,
    },
    /// A request was answered.
    Reply {
        /// Which one.
        attempt: AttemptId,
        /// The answer.
        reply: Reply,
    },
    /// A request got no answer.
    Failed {
        /// Which one.
        attempt: AttemptId,
        /// What is known of the reason, for people.
        error: String,
    },
    /// The node is going down: no new writes.
    Drain,
    /// The time of [`Leader::poll_timeout`] has come.
    Tick,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send `request`, and tell how it went with [`Input::Reply`] or [`Input::Failed`].
    Send {
        /// Names the attempt.
        attempt: AttemptId,
        /// The index of the follower, from 0.
        follower: usize,
        /// What to send.
        request: Request,
    },
    /// Nobody waits for this attempt any more; whether it arrived does not matter.
    Cancel {
        /// Which one.
        attempt: AttemptId,
    },
    /// The client's answer.
    Answer {
        /// Which write.
        id: WriteId,
        /// What became of it.
        result: Result<Committed, WriteError>,
    },
    /// Something that an operator wants to know.
    Event(Event),
}

/// A write that is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The write with its version.
    pub entry: Entry,
    /// Acknowledgements when the answer was decided; at least W.
    pub acks: usize,
}

/// Why a write has no success to report. All but [`WriteError::Unknown`] and
/// [`WriteError::Stopped`] mean that nothing was
/// written, and that it is safe to try again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WriteError {
    /// Too few followers can be reached.
    #[error("{up} of the {required} followers that a write needs can be reached")]
    NoQuorum {
        /// Followers that are up.
        up: usize,
        /// W.
        required: usize,
    },
    /// Another leader has taken over.
    #[error("another leader has taken over with epoch {by}")]
    Deposed {
        /// Its epoch.
        by: Epoch,
        /// W.
        required: usize,
    },
    /// The leader does not serve yet.
    #[error("the leader is not ready: {0}")]
    Recovering(StartProblem),
    /// The node is going down.
    #[error("the node is going down")]
    Draining,
    /// A limit is reached.
    #[error("too much at once: {limit} is reached")]
    Overloaded {
        /// The name of the limit.
        limit: &'static str,
    },
    /// The write has a version, and may still commit.
    #[error(
        "{acks} of {required} acknowledgements before the deadline; version {version} may still be committed"
    )]
    Unknown {
        /// Its version.
        version: Version,
        /// Acknowledgements so far.
        acks: usize,
        /// W.
        required: usize,
    },
    /// The engine has ended under the write, which may or may not have been written.
    #[error("the leader has stopped")]
    Stopped,
}

/// Why a leader does not serve yet.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StartProblem {
    /// These followers (indices from 0) have not answered yet.
    #[error("waiting for followers {}", numbers(followers))]
    Waiting {
        /// Which ones.
        followers: Vec<usize>,
    },
    /// This follower answers, but not as a new history needs it.
    #[error("follower {}: {error}", follower + 1)]
    Unfit {
        /// Its index from 0.
        follower: usize,
        /// What is wrong with it.
        error: LinkError,
    },
}

/// Where the leader is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Asks the followers what they hold.
    Starting,
    /// Asks them to promise its epoch.
    Claiming,
    /// Takes writes.
    Serving,
    /// Has met a higher epoch, and has stopped.
    Deposed {
        /// That epoch.
        by: Epoch,
    },
}

/// Something that an operator wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The leader takes writes from now on.
    Serving {
        /// Under this epoch.
        epoch: Epoch,
        /// As this cluster.
        cluster: ClusterId,
    },
    /// A follower is up.
    LinkUp {
        /// Its index from 0.
        follower: usize,
    },
    /// A follower is down, for a reason that is new.
    LinkDown {
        /// Its index from 0.
        follower: usize,
        /// Why.
        error: LinkError,
    },
    /// Another leader has taken over.
    Deposed {
        /// Its epoch.
        by: Epoch,
    },
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

fn numbers(indices: &[usize]) -> String {
    indices.iter().map(|index| (index + 1).to_string()).collect::<Vec<_>>().join(", ")
}
