//! What the handles of a leader, its loop and its disk share.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use kv_core::{Command, Version};
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

use crate::durable::record::Record;
use crate::engine::clock::Clock;
use crate::engine::disk::client::{Node, Part};
use crate::engine::disk::handle::Disk;
use crate::engine::disk::queue::Written;
use crate::engine::lock::lock;
use crate::engine::waits::{self, Waits};
use crate::leader::Leader;
use crate::leader::ids::{AttemptId, PersistId, ReadId, WriteId};
use crate::leader::input::Input;
use crate::leader::output::Committed;
use crate::leader::phase::Phase;
use crate::leader::problem::{ConfirmError, WriteError};
use crate::protocol::time::Time;

pub(super) type Answer = Result<Committed, WriteError>;

pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) core: Mutex<Core>,
    pub(super) disk: Option<Disk<PersistId>>,
    /// The loop has something to do.
    pub(super) wake: Arc<Notify>,
}

pub(super) struct Core {
    pub(super) leader: Leader,
    pub(super) waiters: BTreeMap<WriteId, oneshot::Sender<Answer>>,
    pub(super) readers: BTreeMap<ReadId, oneshot::Sender<Result<Version, ConfirmError>>>,
    pub(super) attempts: BTreeMap<AttemptId, AbortHandle>,
    pub(super) next_write: u64,
    pub(super) next_read: u64,
    pub(super) waits: Waits<Goal>,
    /// None on a node that keeps nothing but memory.
    pub(super) disk: Option<Disk<PersistId>>,
    pub(super) wants_checkpoint: bool,
    pub(super) ended: bool,
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

impl Shared {
    pub(super) fn handle(&self, input: Input) {
        lock(&self.core).leader.handle(self.clock.now(), input);
        self.wake.notify_one();
    }
}

impl Core {
    pub(super) fn new(leader: Leader, disk: Option<Disk<PersistId>>) -> Self {
        Self {
            leader,
            waiters: BTreeMap::new(),
            readers: BTreeMap::new(),
            attempts: BTreeMap::new(),
            next_write: 0,
            next_read: 0,
            waits: Waits::default(),
            disk,
            wants_checkpoint: false,
            ended: false,
        }
    }

    /// Hands records over to the disk. On a leader without one there are none.
    pub(super) fn persist(&mut self, now: Time, id: PersistId, records: Vec<Record>) {
        match self.disk.as_ref().map(|disk| disk.write(records, id)) {
            None | Some(Written::Done(_)) => self.leader.handle(now, Input::Persisted { id }),
            Some(Written::Queued | Written::Never) => {}
        }
    }

    /// When every record has been handed over, a checkpoint may begin.
    pub(super) fn begin_checkpoint(&mut self) {
        if !self.wants_checkpoint {
            return;
        }
        if let (Some(disk), Some(head)) = (&self.disk, self.leader.checkpoint_head()) {
            self.wants_checkpoint = false;
            disk.begin_checkpoint(head);
        }
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

impl Node for Shared {
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

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Core {
    pub(super) fn write(
        &mut self,
        now: Time,
        command: Command,
        acks: Option<usize>,
        deadline: Time,
    ) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        let id = WriteId(self.next_write);
        self.next_write += 1;
        self.waiters.insert(id, answer);
        self.leader.handle(now, Input::Write { id, command, acks, deadline });
        answered
    }
}
