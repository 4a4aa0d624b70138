//! A leader at work.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kv_core::{Epoch, NodeId, Version};
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

use super::alarm::Alarm;
use super::disk::{self, Disk, Part, Written};
use super::waits::{self, Waits};
use super::{Clock, Read, lock};
use crate::config::LeaderConfig;
use crate::durable::image::Image;
use crate::durable::record::Record;
use crate::durable::storage::{Storage, StorageError};
use crate::leader::Leader;
use crate::leader::ids::AttemptId;
use crate::leader::ids::PersistId;
use crate::leader::ids::ReadId;
use crate::leader::ids::WriteId;
use crate::leader::input::Input;
use crate::leader::links::status::LinkStatus;
use crate::leader::output::{Committed, Event, Output};
use crate::leader::phase::Phase;
use crate::leader::problem::{ConfirmError, StartProblem, WriteError};
use crate::protocol::message::{ClusterId, Request};
use crate::protocol::time::Time;
use crate::transport::Transport;

pub(super) type Answer = Result<Committed, WriteError>;

/// A [`Leader`] that runs. Clones share it; it ends with the last one.
#[derive(Clone, Debug)]
pub struct LeaderHandle {
    owner: Arc<Owner>,
}

/// A leader, for those who watch.
#[derive(Clone, Debug)]
pub struct LeaderStatus {
    /// Who it is.
    pub node: NodeId,
    /// The cluster that it leads, or would begin.
    pub cluster: ClusterId,
    /// Its epoch; the counter is 0 as long as it has not chosen one.
    pub epoch: Epoch,
    /// Where it is in its life.
    pub phase: Phase,
    /// What keeps it from serving.
    pub problem: Option<StartProblem>,
    /// The newest version that was given to a write.
    pub assigned: Version,
    /// The commit mark.
    pub mark: Version,
    /// Live keys.
    pub keys: usize,
    /// It keeps on a disk what it must not forget.
    pub durable: bool,
    /// Its own disk is full: it takes no writes.
    pub disk_full: bool,
    /// Entries in the log.
    pub log_entries: usize,
    /// Bytes of frames in the log.
    pub log_bytes: usize,
    /// N.
    pub followers: usize,
    /// W.
    pub write_quorum: usize,
    /// Since its start.
    pub uptime: Duration,
    /// Its followers, by index.
    pub links: Vec<LinkStatus>,
}

/// Ends the loop when nobody can ask the leader anything any more.
#[derive(Debug)]
struct Owner {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    core: Mutex<Core>,
    disk: Option<Disk<PersistId>>,
    /// The loop has something to do.
    wake: Arc<Notify>,
}

pub(super) struct Core {
    pub(super) leader: Leader,
    pub(super) waiters: BTreeMap<WriteId, oneshot::Sender<Answer>>,
    pub(super) readers: BTreeMap<ReadId, oneshot::Sender<Result<Version, ConfirmError>>>,
    attempts: BTreeMap<AttemptId, AbortHandle>,
    pub(super) next_write: u64,
    pub(super) next_read: u64,
    waits: Waits<Goal>,
    /// None on a node that keeps nothing but memory.
    disk: Option<Disk<PersistId>>,
    wants_checkpoint: bool,
    ended: bool,
}

/// What can be waited for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    /// The start is over: it serves, or somebody else leads.
    Started,
    /// The commit mark is there.
    Mark(Version),
    /// Nothing above the commit mark is committed.
    Whole,
}

impl LeaderHandle {
    /// Starts a leader without a disk on the current tokio runtime. Draw `node` and `cluster` anew for
    /// every start.
    ///
    /// # Errors
    /// If the system gives no thread for the timer.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn<T: Transport>(
        node: NodeId,
        cluster: ClusterId,
        config: LeaderConfig,
        transport: T,
    ) -> io::Result<Self> {
        let config = LeaderConfig { durable: false, ..config };
        Self::run(Leader::new(node, cluster, config), transport, None)
    }

    /// Starts a leader with a disk, as the node that the disk knows. Draw `cluster` anew for every start.
    /// Nothing is acknowledged before the disk has it; [`LeaderHandle::disk_failed`] tells when that can no
    /// longer be.
    ///
    /// # Errors
    /// If the system gives no thread for the timer, or for the disk.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn restart<T: Transport>(
        image: Image,
        cluster: ClusterId,
        config: LeaderConfig,
        transport: T,
        storage: Box<dyn Storage>,
    ) -> io::Result<Self> {
        let config = LeaderConfig { durable: true, ..config };
        Self::run(Leader::restart(image, cluster, config), transport, Some(storage))
    }

    fn run<T: Transport>(
        leader: Leader,
        transport: T,
        storage: Option<Box<dyn Storage>>,
    ) -> io::Result<Self> {
        let disk = storage.as_ref().map(|_| Disk::new());
        let core = Core {
            leader,
            waiters: BTreeMap::new(),
            readers: BTreeMap::new(),
            attempts: BTreeMap::new(),
            next_write: 0,
            next_read: 0,
            waits: Waits::default(),
            disk: disk.clone(),
            wants_checkpoint: false,
            ended: false,
        };
        let wake = Arc::new(Notify::new());
        let shared = Arc::new(Shared { clock: Clock::start(), core: Mutex::new(core), wake, disk });
        if let (Some(disk), Some(storage)) = (&shared.disk, storage) {
            disk.start(storage, Arc::clone(&shared))?;
        }
        let alarm = Alarm::spawn(shared.clock, Arc::clone(&shared.wake))?;
        tokio::spawn(run(Arc::clone(&shared), alarm, Arc::new(transport)));
        Ok(Self { owner: Arc::new(Owner { shared }) })
    }

    /// Waits until its disk has failed: from then on nothing is acknowledged any more, and the process
    /// should end. A node without a disk waits for ever.
    pub async fn disk_failed(&self) -> Arc<StorageError> {
        match &self.owner.shared.disk {
            Some(disk) => disk.failed().await,
            None => std::future::pending().await,
        }
    }

    /// Writes down what is queued, and gives the disk free. To be called when nothing is asked any more;
    /// it blocks.
    ///
    /// # Errors
    /// [`StorageError`] if the disk has failed, now or before.
    pub fn close(&self) -> Result<(), Arc<StorageError>> {
        self.owner.shared.disk.as_ref().map_or(Ok(()), Disk::finish)
    }

    /// From now on writes are refused; those that have a version go on.
    pub fn drain(&self) {
        self.owner.shared.handle(Input::Drain);
    }

    /// Its own disk has run full, or has space again: see [`Input::Disk`].
    pub fn set_disk_full(&self, full: bool) {
        self.owner.shared.handle(Input::Disk { full });
    }

    /// The clock of its deadlines.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.owner.shared.clock
    }

    /// What `key` holds, committed entries only; a leader that starts may not have them all back yet,
    /// which [`LeaderHandle::read`] would tell.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Read> {
        self.look(|leader| leader.store().get(key).map(|item| Read(item.entry.clone())))
    }

    /// Where it is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.look(Leader::phase)
    }

    /// Its epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.look(Leader::epoch)
    }

    /// The newest version assigned, and the commit mark.
    #[must_use]
    pub fn versions(&self) -> (Version, Version) {
        self.look(|leader| (leader.assigned(), leader.mark()))
    }

    /// Its followers, by index.
    #[must_use]
    pub fn links(&self) -> Vec<LinkStatus> {
        self.look(|leader| leader.links().collect())
    }

    /// Everything that an operator wants to see, at one moment.
    #[must_use]
    pub fn status(&self) -> LeaderStatus {
        let uptime = self.clock().now().since_origin();
        self.look(|leader| {
            let (log_entries, log_bytes) = leader.log_size();
            LeaderStatus {
                node: leader.node(),
                cluster: leader.cluster(),
                epoch: leader.epoch(),
                phase: leader.phase(),
                problem: leader.problem(),
                assigned: leader.assigned(),
                mark: leader.mark(),
                keys: leader.store().len(),
                durable: leader.config().durable,
                disk_full: leader.is_disk_full(),
                log_entries,
                log_bytes,
                followers: leader.config().quorum.followers(),
                write_quorum: leader.config().quorum.write(),
                uptime,
                links: leader.links().collect(),
            }
        })
    }

    /// Something was handed to the machine.
    pub(super) fn wake(&self) {
        self.owner.shared.wake.notify_one();
    }

    pub(super) fn core(&self) -> &Mutex<Core> {
        &self.owner.shared.core
    }

    pub(super) fn look<R>(&self, question: impl FnOnce(&Leader) -> R) -> R {
        question(&lock(self.core()).leader)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        lock(&self.shared.core).ended = true;
        self.shared.wake.notify_one();
        self.shared.disk.iter().for_each(Disk::close);
    }
}

impl waits::Core for Core {
    type Goal = Goal;

    fn waits(&mut self) -> &mut Waits<Goal> {
        &mut self.waits
    }

    fn has_reached(&self, goal: &Goal) -> bool {
        match goal {
            Goal::Started => matches!(self.leader.phase(), Phase::Serving | Phase::Deposed { .. }),
            Goal::Mark(version) => self.leader.mark() >= *version,
            Goal::Whole => self.leader.newest_committed() == self.leader.mark(),
        }
    }
}

impl Shared {
    fn handle(&self, input: Input) {
        lock(&self.core).leader.handle(self.clock.now(), input);
        self.wake.notify_one();
    }
}

impl disk::Node for Shared {
    type Waiter = PersistId;

    fn release(&self, waiters: Vec<PersistId>) {
        if let Some(id) = waiters.into_iter().max() {
            self.handle(Input::Persisted { id });
        }
    }

    fn want_checkpoint(&self) {
        let news = !std::mem::replace(&mut lock(&self.core).wants_checkpoint, true);
        if news {
            self.wake.notify_one();
        }
    }

    fn part(&self, after: Option<&str>) -> Part {
        let core = lock(&self.core);
        Part::of(core.leader.store(), after, core.leader.newest_committed())
    }

    fn set_full(&self, full: bool) {
        self.handle(Input::Disk { full });
    }
}

impl Core {
    /// Hands records over to the disk. On a leader without one there are none.
    fn persist(&mut self, now: Time, id: PersistId, records: Vec<Record>) {
        match self.disk.as_ref().map(|disk| disk.write(records, id)) {
            None | Some(Written::Done(_)) => self.leader.handle(now, Input::Persisted { id }),
            Some(Written::Queued | Written::Never) => {}
        }
    }

    /// When every record has been handed over, a checkpoint may begin.
    fn begin_checkpoint(&mut self) {
        if !self.wants_checkpoint {
            return;
        }
        if let (Some(disk), Some(head)) = (&self.disk, self.leader.checkpoint_head()) {
            self.wants_checkpoint = false;
            disk.begin_checkpoint(head);
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// The loop. On a runtime of one thread it runs after the tasks that woke it, so that all they have
/// brought is sent together; on several threads what has come by then is.
async fn run<T: Transport>(shared: Arc<Shared>, alarm: Alarm, transport: Arc<T>) {
    while let Some(timeout) = turn(&shared, &transport) {
        if let Some(at) = timeout {
            alarm.set(at);
        }
        shared.wake.notified().await;
    }
}

/// Does everything that there is to do now, and says when there is more; none if the leader has ended.
fn turn<T: Transport>(shared: &Arc<Shared>, transport: &Arc<T>) -> Option<Option<Time>> {
    let mut events = Vec::new();
    let mut core = lock(&shared.core);
    if core.ended {
        core.attempts.values().for_each(AbortHandle::abort);
        return None;
    }
    let now = shared.clock.now();
    core.leader.handle(now, Input::Tick);
    while let Some(output) = core.leader.poll_output(now) {
        match output {
            Output::Send { attempt, follower, request } => {
                let sending = send(Arc::clone(shared), Arc::clone(transport), attempt, follower, request);
                // The attempt ends under the lock that is held here, so after it has been noted.
                core.attempts.insert(attempt, tokio::spawn(sending).abort_handle());
            }
            Output::Cancel { attempt } => {
                if let Some(sending) = core.attempts.remove(&attempt) {
                    sending.abort();
                }
            }
            Output::Answer { id, result } => {
                // Nobody may be waiting any more: the write goes on without them.
                if let Some(waiter) = core.waiters.remove(&id) {
                    let _ = waiter.send(result);
                }
            }
            Output::Confirmed { id, result } => {
                if let Some(reader) = core.readers.remove(&id) {
                    let _ = reader.send(result); // nobody may be waiting any more
                }
            }
            Output::Persist { id, records } => core.persist(now, id, records),
            Output::Event(event) => events.push(event),
        }
    }
    core.begin_checkpoint();
    let timeout = core.leader.poll_timeout();
    waits::release(&mut *core);
    drop(core);
    // A log that blocks must not block the leader.
    events.iter().for_each(log_event);
    Some(timeout)
}

async fn send<T: Transport>(
    shared: Arc<Shared>,
    transport: Arc<T>,
    attempt: AttemptId,
    follower: usize,
    request: Request,
) {
    let result = transport.send(follower, request).await;
    let mut core = lock(&shared.core);
    core.attempts.remove(&attempt);
    let input = match result {
        Ok(reply) => Input::Reply { attempt, reply },
        Err(error) => Input::Failed { attempt, error: error.to_string() },
    };
    core.leader.handle(shared.clock.now(), input);
    drop(core);
    shared.wake.notify_one();
}

fn log_event(event: &Event) {
    match event {
        Event::Waiting { problem } => tracing::warn!(%problem, "the leader does not serve yet"),
        Event::Serving { epoch, cluster, recovered } => {
            tracing::info!(%epoch, %cluster, recovered, "the leader serves");
        }
        Event::Counted { follower } => {
            tracing::info!(
                follower = follower + 1,
                "follower counts: it has kept its memory, or has it back"
            );
        }
        Event::LinkUp { follower } => tracing::info!(follower = follower + 1, "follower is up"),
        Event::LinkDown { follower, error } => {
            tracing::warn!(follower = follower + 1, %error, "follower is down");
        }
        Event::DiskFull { full: true } => {
            tracing::error!("the disk is full: the leader takes no writes until there is space again");
        }
        Event::DiskFull { full: false } => {
            tracing::info!("the disk has space again: the leader takes writes");
        }
        Event::Deposed { by } => {
            tracing::error!(%by, "another leader has taken over: this one has stopped");
        }
    }
}
