//! The machine of a leader, and those who wait for its answers.

use std::collections::BTreeMap;

use kv_core::{Command, Version};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::durable::record::Record;
use crate::engine::disk::queue::{DiskQueue, Written};
use crate::engine::waits::{Progress, Waits};
use crate::leader::ids::{AttemptId, PersistId, ReadId, WriteId};
use crate::leader::input::Input;
use crate::leader::machine::Leader;
use crate::leader::output::{Committed, Output};
use crate::leader::phase::Phase;
use crate::leader::problem::{ConfirmError, WriteError};
use crate::protocol::time::Time;

/// The answer to a write.
pub(super) type Answer = Result<Committed, WriteError>;
/// The answer to the question whether it still leads: the commit mark.
pub(super) type Confirmation = Result<Version, ConfirmError>;

/// What the lock of a leader guards.
pub(super) struct LeaderCore {
    leader: Leader,
    writers: BTreeMap<WriteId, oneshot::Sender<Answer>>,
    readers: BTreeMap<ReadId, oneshot::Sender<Confirmation>>,
    /// Requests under way to followers.
    attempts: BTreeMap<AttemptId, AbortHandle>,
    next_write: u64,
    next_read: u64,
    waits: Waits<LeaderGoal>,
    wants_checkpoint: bool,
    has_ended: bool,
}

/// What can be waited for.
#[derive(Clone, Copy, Debug)]
pub(super) enum LeaderGoal {
    /// The start is over: it serves, or somebody else leads.
    Started,
    /// The commit mark is there.
    Mark(Version),
    /// Nothing above the commit mark is committed.
    Whole,
}

impl LeaderCore {
    pub(super) fn new(leader: Leader) -> Self {
        Self {
            leader,
            writers: BTreeMap::new(),
            readers: BTreeMap::new(),
            attempts: BTreeMap::new(),
            next_write: 0,
            next_read: 0,
            waits: Waits::default(),
            wants_checkpoint: false,
            has_ended: false,
        }
    }

    pub(super) fn leader(&self) -> &Leader {
        &self.leader
    }

    // What happened.

    pub(super) fn handle(&mut self, now: Time, input: Input) {
        self.leader.handle(now, input);
    }

    /// Hands a write to the machine; the answer comes through [`LeaderCore::answer`].
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
        self.writers.insert(id, answer);
        self.leader.handle(now, Input::Write { id, command, acks, deadline });
        answered
    }

    /// Asks the machine whether it still leads; the answer comes through [`LeaderCore::confirm_answer`].
    pub(super) fn confirm(&mut self, now: Time, deadline: Time) -> oneshot::Receiver<Confirmation> {
        let (answer, answered) = oneshot::channel();
        let id = ReadId(self.next_read);
        self.next_read += 1;
        self.readers.insert(id, answer);
        self.leader.handle(now, Input::Confirm { id, deadline });
        answered
    }

    /// A request to a follower has come to its end.
    pub(super) fn end_attempt(&mut self, now: Time, attempt: AttemptId, input: Input) {
        self.attempts.remove(&attempt);
        self.leader.handle(now, input);
    }

    /// A checkpoint is wanted; whether that is news.
    pub(super) fn want_checkpoint(&mut self) -> bool {
        !std::mem::replace(&mut self.wants_checkpoint, true)
    }

    /// Nobody can ask it anything any more.
    pub(super) fn end(&mut self) {
        self.has_ended = true;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    // What the loop does with what the machine puts out.

    pub(super) fn poll_output(&mut self, now: Time) -> Option<Output> {
        self.leader.poll_output(now)
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.leader.poll_timeout()
    }

    /// Notes a request that is under way.
    pub(super) fn begin_attempt(&mut self, attempt: AttemptId, sending: AbortHandle) {
        self.attempts.insert(attempt, sending);
    }

    pub(super) fn cancel_attempt(&mut self, attempt: AttemptId) {
        if let Some(sending) = self.attempts.remove(&attempt) {
            sending.abort();
        }
    }

    pub(super) fn cancel_all_attempts(&self) {
        self.attempts.values().for_each(AbortHandle::abort);
    }

    /// Answers a write. Nobody may be waiting any more: the write goes on without them.
    pub(super) fn answer(&mut self, id: WriteId, result: Answer) {
        if let Some(writer) = self.writers.remove(&id) {
            let _ = writer.send(result);
        }
    }

    /// Answers one who asked whether it still leads, and may not be waiting any more.
    pub(super) fn confirm_answer(&mut self, id: ReadId, result: Confirmation) {
        if let Some(reader) = self.readers.remove(&id) {
            let _ = reader.send(result);
        }
    }

    /// Hands records over to the disk. On a leader without one there are none.
    pub(super) fn persist(
        &mut self,
        now: Time,
        disk: Option<&DiskQueue<PersistId>>,
        id: PersistId,
        records: Vec<Record>,
    ) {
        match disk.map(|disk| disk.write(records, id)) {
            None | Some(Written::Done(_)) => self.leader.handle(now, Input::Persisted { id }),
            Some(Written::Queued | Written::Never) => {}
        }
    }

    /// When every record has been handed over, a checkpoint may begin.
    pub(super) fn begin_checkpoint(&mut self, disk: Option<&DiskQueue<PersistId>>) {
        if !self.wants_checkpoint {
            return;
        }
        if let (Some(disk), Some(head)) = (disk, self.leader.checkpoint_head()) {
            self.wants_checkpoint = false;
            disk.begin_checkpoint(head);
        }
    }
}

impl Progress for LeaderCore {
    type Goal = LeaderGoal;

    fn waits(&mut self) -> &mut Waits<LeaderGoal> {
        &mut self.waits
    }

    fn has_reached(&self, goal: &LeaderGoal) -> bool {
        match goal {
            LeaderGoal::Started => matches!(self.leader.phase(), Phase::Serving | Phase::Deposed { .. }),
            LeaderGoal::Mark(version) => self.leader.mark() >= *version,
            LeaderGoal::Whole => self.leader.newest_committed() == self.leader.mark(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_core::{Key, NodeId};

    use super::*;
    use crate::config::LeaderConfig;
    use crate::protocol::message::ClusterId;
    use crate::protocol::quorum::Quorum;

    fn core() -> LeaderCore {
        let config = LeaderConfig::new(Quorum::new(1, 1).unwrap());
        LeaderCore::new(Leader::new(NodeId(1), ClusterId(1), config))
    }

    #[test]
    fn each_answer_goes_to_the_one_who_asked() {
        let mut core = core();
        let deadline = Time::ZERO + Duration::from_secs(1);
        let mut write = || {
            let command = Command::put(Key::parse("k").unwrap(), b"v").unwrap();
            core.write(Time::ZERO, command, None, deadline)
        };
        let (mut first, gone, mut third) = (write(), write(), write());
        drop(gone);
        let mut confirmed = core.confirm(Time::ZERO, deadline);
        core.answer(WriteId(1), Err(WriteError::Draining));
        core.answer(WriteId(2), Err(WriteError::DiskFull));
        core.answer(WriteId(2), Err(WriteError::Draining));
        core.confirm_answer(ReadId(0), Ok(7));
        assert!(first.try_recv().is_err(), "nothing was said to the first");
        assert!(matches!(third.try_recv(), Ok(Err(WriteError::DiskFull))));
        assert_eq!(confirmed.try_recv().unwrap().ok(), Some(7));
    }

    #[test]
    fn a_leader_without_a_disk_has_written_its_records_at_once() {
        let mut core = core();
        core.handle(Time::ZERO, Input::Tick);
        while let Some(output) = core.poll_output(Time::ZERO) {
            if let Output::Persist { id, records } = output {
                assert_eq!(records, []);
                core.persist(Time::ZERO, None, id, records);
            }
        }
        assert!(core.want_checkpoint());
        assert!(!core.want_checkpoint(), "that is no news");
        core.begin_checkpoint(None);
        assert!(!core.want_checkpoint(), "it is wanted still");
    }

    #[tokio::test]
    async fn the_end_of_a_leader_aborts_what_is_under_way() {
        let mut core = core();
        let tasks: Vec<_> = (0..3).map(|_| tokio::spawn(std::future::pending::<()>())).collect();
        for (attempt, task) in (0..).zip(&tasks) {
            core.begin_attempt(AttemptId(attempt), task.abort_handle());
        }
        core.end_attempt(Time::ZERO, AttemptId(0), Input::Tick);
        core.cancel_attempt(AttemptId(1));
        core.end();
        assert!(core.has_ended());
        core.cancel_all_attempts();
        let mut tasks = tasks.into_iter();
        let ended = tasks.next().unwrap();
        for task in tasks {
            assert!(task.await.unwrap_err().is_cancelled());
        }
        assert!(!ended.is_finished(), "one that has come to its end is left alone");
        ended.abort();
    }
}
