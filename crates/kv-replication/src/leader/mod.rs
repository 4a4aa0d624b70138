//! The leader's machine.

pub(crate) mod ids;
pub(crate) mod input;
pub(crate) mod links;
pub(crate) mod output;
mod own_copy;
pub(crate) mod phase;
pub(crate) mod problem;
mod reads;
mod replication;
mod replies;
mod start;
pub(crate) mod writes;

use std::collections::VecDeque;
use std::sync::Arc;

use chacha20::ChaCha8Rng;
use kv_core::{Entry, Epoch, NodeId, Store, Version};

use crate::config::LeaderConfig;
use crate::durable::image::Image;
use crate::durable::record::Meta;
use crate::leader::ids::AttemptId;
use crate::leader::input::Input;
use crate::leader::links::error::LinkError;
use crate::leader::links::link::{Asked, Attempt, Link};
use crate::leader::links::status::{LinkState, LinkStatus};
use crate::leader::output::Output;
use crate::leader::phase::Phase;
use crate::leader::problem::StartProblem;
use crate::leader::replication::log::Log;
use crate::leader::writes::open::{Wanted, Writes};
use crate::protocol::delay::stream;
use crate::protocol::message::{Append, Claim, ClusterId, Head, Request, Stage};
use crate::protocol::range_set::RangeSet;
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
    config: LeaderConfig,
    change: start::change::Change,
    meta: Meta,
    /// The id of the cluster, if it begins a new one.
    drawn: ClusterId,
    /// The cluster that its disk knows.
    own_cluster: Option<ClusterId>,
    /// What its disk had when it started belongs to no history: somebody has put it there.
    is_restored: bool,
    /// The cluster that it goes on from under a new id, by an operator's decision.
    renames: Option<ClusterId>,
    epoch: Epoch,
    phase: Phase,
    start: start::ask::Start,
    draining: bool,
    log: Log,
    /// More of it may leave than has left so far.
    log_is_cut: bool,
    /// Committed entries only.
    store: Store,
    mark: Version,
    newest_committed: Version,
    disk: own_copy::Disk,
    writes: Writes,
    reads: reads::Reads,
    links: Vec<Link>,
    /// The highest epoch that any follower has promised, as far as is known.
    promised: Epoch,
    next_attempt: u64,
    now: Time,
    jitter: ChaCha8Rng,
    outputs: VecDeque<Output>,
    #[cfg(feature = "simulator")]
    commits: Vec<(Entry, u64)>,
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
        let is_restored = image.is_restored();
        let Image { meta, mark, store, whole_from, pending, mut recent, .. } = image;
        let limits = &config.limits;
        let mut bytes: usize = recent.iter().map(|entry| entry.frame().len()).sum();
        while recent.len() > limits.log_entries_max || bytes > limits.log_bytes_max {
            bytes -= recent.pop_front().map_or(0, |oldest| oldest.frame().len());
        }
        let recent = if recent.back().is_some_and(|last| last.version() == mark) {
            recent
        } else {
            Default::default()
        };
        let mut log = Log::after(mark - recent.len() as u64);
        recent.into_iter().for_each(|entry| log.push_committed(entry));
        for (version, entry) in pending {
            if version != log.last() + 1 {
                break; // written out of order by another life of this node: not its own log
            }
            log.push(entry, None);
        }
        let mut leader = Self {
            jitter: stream(config.seed, JITTER_STREAM),
            change: start::change::Change::none(config.group(Epoch::ZERO)),
            links: (0..config.quorum.followers()).map(|_| Link::new()).collect(),
            config,
            drawn: cluster,
            renames: None,
            is_restored,
            own_cluster: meta.cluster,
            epoch: Epoch { counter: 0, node: meta.identity.node },
            promised: meta.promised,
            meta,
            phase: Phase::Asking,
            start: start::ask::Start::default(),
            draining: false,
            disk: own_copy::Disk::new(log.last()),
            log,
            log_is_cut: false,
            store,
            mark,
            newest_committed: mark.max(whole_from),
            writes: Writes::default(),
            reads: reads::Reads::default(),
            next_attempt: 0,
            now: Time::ZERO,
            outputs: VecDeque::new(),
            #[cfg(feature = "simulator")]
            commits: Vec::new(),
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
            Input::Disk { full } => self.note_own_disk(now, full),
            Input::Drain => self.drain(),
            Input::Tick => {}
        }
    }

    /// The next thing to do at `now`, if any.
    pub fn poll_output(&mut self, now: Time) -> Option<Output> {
        self.write_down();
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
        let deadlines = self.writes.next_deadline().into_iter().chain(self.reads.next_deadline());
        let links = match self.phase {
            Phase::Deposed { .. } => Default::default(),
            _ => self.links.as_slice(),
        };
        links.iter().filter_map(Link::next_timeout).chain(deadlines).min()
    }

    /// Where it is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What keeps it from serving.
    #[must_use]
    pub fn problem(&self) -> Option<StartProblem> {
        match self.phase {
            Phase::Serving | Phase::Deposed { .. } => None,
            _ => Some(self.start_problem()),
        }
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

    /// The newest version that is committed: at or above the mark. Its store shows nothing above it.
    #[must_use]
    pub fn newest_committed(&self) -> Version {
        self.newest_committed
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

    /// Its own disk is full: it takes no writes.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        self.disk.is_full()
    }

    /// Its epoch; the counter is 0 as long as it has not chosen one.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The cluster that it leads, or would begin.
    #[must_use]
    pub fn cluster(&self) -> ClusterId {
        self.meta.cluster.unwrap_or(self.drawn)
    }

    /// Who it is.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.meta.identity.node
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &LeaderConfig {
        &self.config
    }

    /// Its followers, by index, as it saw them at the last input.
    pub fn links(&self) -> impl Iterator<Item = LinkStatus> + '_ {
        self.links.iter().zip(&self.config.followers).map(|(link, name)| link.status(name, self.now))
    }

    /// The oldest version in the log, or the next one if there is none.
    #[cfg(feature = "simulator")]
    pub(crate) fn log_first(&self) -> Version {
        self.log.first()
    }

    /// What was committed since the last call, each with the followers that had acknowledged it: bit i
    /// for index i.
    #[cfg(feature = "simulator")]
    pub fn take_commits(&mut self) -> Vec<(Entry, u64)> {
        std::mem::take(&mut self.commits)
    }

    /// What one link has to send now.
    fn poll_link(&mut self, now: Time, follower: usize) {
        let Some(link) = self.links.get_mut(follower) else {
            return;
        };
        link.release_due(now);
        let (state, in_flight, next_mark) = (link.state, link.attempts.len(), link.next_mark);
        let (idle, is_asked) = (in_flight == 0, link.is_asked);
        match (state, self.phase) {
            (_, Phase::Deposed { .. }) => {}
            (LinkState::Down { retry_at }, _) if retry_at <= now => {
                link.state = LinkState::Probing;
                self.send(now, follower, Asked::Probe, |_| Some(Request::Probe));
            }
            (LinkState::Waiting, _) if self.wants_promise(follower) => self.claim(now, follower),
            (LinkState::Claiming, Phase::Claiming) if idle && self.wants_promise(follower) => {
                self.claim(now, follower);
            }
            (LinkState::Claiming, Phase::Pulling) if idle => self.pull(now, follower),
            (LinkState::Waiting, _) if idle && next_mark <= now => {
                self.send(now, follower, Asked::Probe, |_| Some(Request::Probe)); // what it said may be old news
            }
            (LinkState::Claiming, phase) if idle && phase.has_recovered() => {
                self.begin(now, follower);
                self.poll_link(now, follower);
            }
            (LinkState::Installing, _) if idle => self.push(now, follower),
            (LinkState::Full, _) if is_asked || idle && next_mark <= now => {
                self.append(now, follower, Vec::new(), RangeSet::new());
            }
            (LinkState::Streaming, _) if in_flight < self.config.limits.requests_in_flight_max => {
                self.stream(now, follower);
            }
            _ => {}
        }
    }

    fn stream(&mut self, now: Time, follower: usize) {
        let Some(link) = self.links.get_mut(follower) else { return };
        if link.ready.first().is_some_and(|first| first < self.log.first()) {
            self.begin(now, follower); // what it lacks has left the log
            return self.poll_link(now, follower);
        }
        match link.next_batch(&self.log, &self.config.limits) {
            Some((entries, versions)) => self.append(now, follower, entries, versions),
            None if link.is_asked || link.attempts.is_empty() && link.next_mark <= now => {
                self.append(now, follower, Vec::new(), RangeSet::new());
            }
            None => {}
        }
    }

    fn append(&mut self, now: Time, follower: usize, entries: Vec<Entry>, versions: RangeSet) {
        let Some(link) = self.links.get_mut(follower) else { return };
        link.next_mark = now + self.config.timing.mark_interval;
        link.is_asked = false;
        let counted = link.granted && !link.counts;
        let stage = match self.phase {
            Phase::Serving => Stage::Serving,
            Phase::Changing => Stage::Changing,
            _ => Stage::Recovering,
        };
        let mark = self.mark;
        self.send(now, follower, Asked::Append(versions), |head| {
            Some(Request::Append(Append { head: head?, stage, counted, mark, entries }))
        });
    }

    fn claim(&mut self, now: Time, follower: usize) {
        if let Some(link) = self.links.get_mut(follower) {
            link.state = LinkState::Claiming;
        }
        let groups = Arc::clone(&self.change.claimed);
        // Only those who were asked for their memory change over; a late one is refused and shown.
        let renames = self.renames.filter(|_| self.phase == Phase::Claiming);
        self.send(now, follower, Asked::Claim, |head| {
            Some(Request::Claim(Claim { head: head?, renames, groups }))
        });
    }

    fn send(
        &mut self,
        now: Time,
        follower: usize,
        asked: Asked,
        request: impl FnOnce(Option<Head>) -> Option<Request>,
    ) {
        let (cluster, epoch) = (self.cluster(), self.epoch);
        let Some(link) = self.links.get_mut(follower) else { return };
        let head = link.identity.map(|to| Head { to, cluster, epoch });
        let Some(request) = request(head) else { return };
        let id = AttemptId(self.next_attempt);
        self.next_attempt += 1;
        link.attempts.push(Attempt { id, deadline: now + self.config.timing.replication_timeout, asked });
        self.outputs.push_back(Output::Send { attempt: id, follower, request });
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
        self.expire_reads(now);
    }
}
