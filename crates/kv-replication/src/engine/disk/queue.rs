//! The queue between a node and the thread of its disk: what is to be written, and who waits for it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::Notify;

use crate::durable::record::{CheckpointHead, Record};
use crate::durable::storage::StorageError;
use crate::engine::lock::lock;

/// Shared by a node, the thread that writes, and the one that writes a checkpoint.
pub(in crate::engine) struct DiskQueue<W> {
    state: Mutex<State<W>>,
    /// The thread has something to do.
    filled: Condvar,
    /// Something has become durable, or has failed.
    moved: Condvar,
    failed: Notify,
}

struct State<W> {
    jobs: VecDeque<Job<W>>,
    /// Jobs that were ever queued.
    queued: u64,
    /// The newest of them that must be synced.
    firm: u64,
    /// All up to this one are done, and durable if they are to be.
    done: u64,
    /// The thread waits for a job: only then it has to be woken, which costs a system call.
    rests: bool,
    /// A checkpoint waits until all is durable that was queued before.
    is_watched: bool,
    /// Nothing more comes: what is queued is done, and then the thread ends.
    is_closed: bool,
    /// What is queued from now on is never done.
    has_ended: bool,
    error: Option<Arc<StorageError>>,
    thread: Option<JoinHandle<()>>,
}

pub(super) enum Job<W> {
    Write { records: Vec<Record>, waiter: Option<W>, is_firm: bool },
    BeginCheckpoint(Box<CheckpointHead>),
    EndCheckpoint,
}

/// All jobs that were queued when the thread came for them.
pub(super) struct Batch<W> {
    pub(super) jobs: VecDeque<Job<W>>,
    /// The number of the last one.
    pub(super) last: u64,
}

/// What became of something that was to be written.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::engine) enum Written<W> {
    /// It is as durable as it has to be: nobody waits.
    Done(W),
    /// It is queued; the waiter will be released, or dropped if the disk fails.
    Queued,
    /// The node has ended, or its disk has failed: it will never be written.
    Never,
}

/// For the node.
impl<W> DiskQueue<W> {
    pub(in crate::engine) fn new() -> Self {
        let state = State {
            jobs: VecDeque::new(),
            queued: 0,
            firm: 0,
            done: 0,
            rests: false,
            is_watched: false,
            is_closed: false,
            has_ended: false,
            error: None,
            thread: None,
        };
        Self {
            state: Mutex::new(state),
            filled: Condvar::new(),
            moved: Condvar::new(),
            failed: Notify::new(),
        }
    }

    /// Queues records; `waiter` is released when they and all earlier ones are as durable as they have to
    /// be. To be called under the lock of the node, so that records are written in the order in which they
    /// came to be.
    pub(in crate::engine) fn write(&self, records: Vec<Record>, waiter: W) -> Written<W> {
        let is_firm = records.iter().any(|record| !record.is_lazy());
        let mut state = lock(&self.state);
        if state.has_ended {
            return Written::Never;
        }
        let must_wait = is_firm || state.firm > state.done;
        if records.is_empty() && !must_wait {
            return Written::Done(waiter);
        }
        let (waiter, written) =
            if must_wait { (Some(waiter), Written::Queued) } else { (None, Written::Done(waiter)) };
        state.add(Job::Write { records, waiter, is_firm });
        self.wake(state);
        written
    }

    /// A checkpoint begins here: `head` stands for all records so far. Under the lock of the node, too.
    pub(in crate::engine) fn begin_checkpoint(&self, head: CheckpointHead) {
        self.add(Job::BeginCheckpoint(Box::new(head)));
    }

    /// Waits until the disk has failed.
    pub(in crate::engine) async fn failed(&self) -> Arc<StorageError> {
        loop {
            let failed = self.failed.notified();
            if let Some(error) = &lock(&self.state).error {
                return Arc::clone(error);
            }
            failed.await;
        }
    }

    /// Nothing more comes: the thread finishes what is queued, and ends.
    pub(in crate::engine) fn close(&self) {
        lock(&self.state).is_closed = true;
        self.filled.notify_all();
        self.moved.notify_all();
    }

    /// As [`DiskQueue::close`], and waits for the end; gives the error if the disk has failed.
    pub(in crate::engine) fn finish(&self) -> Result<(), Arc<StorageError>> {
        self.close();
        let thread = lock(&self.state).thread.take();
        if let Some(thread) = thread {
            let _ = thread.join(); // a panic has left its error
        }
        lock(&self.state).error.clone().map_or(Ok(()), Err)
    }
}

/// For the thread that writes.
impl<W> DiskQueue<W> {
    /// [`DiskQueue::finish`] waits for the end of this thread.
    pub(super) fn set_thread(&self, thread: JoinHandle<()>) {
        lock(&self.state).thread = Some(thread);
    }

    /// All that is queued, as soon as there is something, or nothing after `patience`; none at the end.
    pub(super) fn next(&self, patience: Duration) -> Option<Batch<W>> {
        let mut state = lock(&self.state);
        if state.jobs.is_empty() && !state.is_closed {
            state.rests = true;
            let waited = self.filled.wait_timeout(state, patience);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.rests = false;
        }
        if state.jobs.is_empty() && state.is_closed {
            state.has_ended = true; // under the same lock: nothing is queued in vain
            return None;
        }
        Some(Batch { jobs: std::mem::take(&mut state.jobs), last: state.queued })
    }

    /// All jobs up to this one are done; whether those who waited for them may be told. They may not if a
    /// checkpoint has failed meanwhile.
    #[must_use]
    pub(super) fn set_done(&self, last: u64) -> bool {
        let (has_failed, is_watched) = {
            let mut state = lock(&self.state);
            state.done = last;
            (state.error.is_some(), state.is_watched)
        };
        if is_watched {
            self.moved.notify_all();
        }
        !has_failed
    }

    /// The disk has failed: whoever waits, waits in vain, and is told.
    pub(super) fn fail(&self, error: StorageError) {
        lock(&self.state).error.get_or_insert_with(|| Arc::new(error));
        self.end();
        self.failed.notify_waiters();
    }

    /// Nothing is done any more.
    pub(super) fn end(&self) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        state.has_ended = true;
        let jobs = std::mem::take(&mut state.jobs);
        drop(state);
        self.filled.notify_all();
        self.moved.notify_all();
        drop(jobs); // with their waiters, and not under the lock
    }

    pub(super) fn has_failed(&self) -> bool {
        lock(&self.state).error.is_some()
    }
}

/// For the thread that writes a checkpoint.
impl<W> DiskQueue<W> {
    pub(super) fn is_closed(&self) -> bool {
        lock(&self.state).is_closed
    }

    /// Waits until all that is queued is durable; false if the node ends before.
    pub(super) fn sync(&self) -> bool {
        let mut state = lock(&self.state);
        if state.is_closed {
            return false;
        }
        state.add(Job::Write { records: Vec::new(), waiter: None, is_firm: true });
        state.is_watched = true;
        let number = state.queued;
        self.wake(state);
        let mut state = lock(&self.state);
        while state.done < number && !state.has_ended {
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_watched = false;
        state.done >= number && state.error.is_none()
    }

    /// The checkpoint has its name. A node that ends leaves the rest to its next start.
    pub(super) fn end_checkpoint(&self) {
        self.add(Job::EndCheckpoint);
    }
}

impl<W> DiskQueue<W> {
    /// Queues a job that nobody waits for.
    fn add(&self, job: Job<W>) {
        let mut state = lock(&self.state);
        if !state.has_ended {
            state.add(job);
            self.wake(state);
        }
    }

    /// Lets go of the queue, and wakes the thread if it rests: in this order, so that it finds it free.
    fn wake(&self, mut state: MutexGuard<'_, State<W>>) {
        let rests = std::mem::take(&mut state.rests);
        drop(state);
        if rests {
            self.filled.notify_one();
        }
    }
}

impl<W> State<W> {
    fn add(&mut self, job: Job<W>) {
        self.queued += 1;
        if matches!(job, Job::Write { is_firm: true, .. }) {
            self.firm = self.queued;
        }
        self.jobs.push_back(job);
    }
}

impl<W> fmt::Debug for DiskQueue<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskQueue").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_PATIENCE: Duration = Duration::ZERO;

    fn queue() -> DiskQueue<&'static str> {
        DiskQueue::new()
    }

    fn firm() -> Vec<Record> {
        vec![Record::Wipe]
    }

    fn lazy() -> Vec<Record> {
        vec![Record::Mark(1)]
    }

    fn broken() -> StorageError {
        StorageError { what: "a test".to_owned(), source: "broken".into() }
    }

    #[test]
    fn only_what_is_firm_or_comes_after_it_waits() {
        let queue = queue();
        assert_eq!(queue.write(Vec::new(), "nothing"), Written::Done("nothing"));
        assert_eq!(queue.write(lazy(), "lazy"), Written::Done("lazy"));
        assert_eq!(queue.write(firm(), "firm"), Written::Queued);
        assert_eq!(queue.write(lazy(), "behind it"), Written::Queued);
        assert_eq!(queue.write(Vec::new(), "behind it"), Written::Queued);
        let batch = queue.next(NO_PATIENCE).unwrap();
        assert_eq!(batch.jobs.len(), 4, "what has no records and nobody waits for is no job");
        assert_eq!(queue.write(Vec::new(), "not synced yet"), Written::Queued);
        assert!(queue.set_done(batch.last));
        assert_eq!(queue.write(Vec::new(), "nothing"), Written::Done("nothing"));
    }

    #[test]
    fn what_was_queued_before_the_close_is_done_and_nothing_after_the_end() {
        let queue = queue();
        assert_eq!(queue.write(firm(), "before"), Written::Queued);
        queue.close();
        assert_eq!(queue.write(firm(), "before the end"), Written::Queued);
        assert_eq!(queue.next(NO_PATIENCE).unwrap().jobs.len(), 2);
        assert!(queue.next(NO_PATIENCE).is_none());
        assert_eq!(queue.write(firm(), "after"), Written::Never);
    }

    #[test]
    fn a_failure_lets_go_of_those_who_wait_and_nobody_is_told_success() {
        let queue = DiskQueue::new();
        let waiter = Arc::new(());
        assert!(matches!(queue.write(firm(), Arc::clone(&waiter)), Written::Queued));
        let batch = queue.next(NO_PATIENCE).unwrap();
        assert!(matches!(queue.write(firm(), Arc::clone(&waiter)), Written::Queued));
        queue.fail(broken());
        assert!(!queue.set_done(batch.last));
        drop(batch);
        assert_eq!(Arc::strong_count(&waiter), 1);
        queue.fail(StorageError { what: "later".to_owned(), source: "broken".into() });
        assert_eq!(queue.finish().unwrap_err().what, "a test", "the first error is the one that is told");
    }

    #[test]
    fn a_checkpoint_waits_for_all_that_was_queued_before_it_or_for_the_end() {
        let queue = queue();
        assert_eq!(queue.write(firm(), "before"), Written::Queued);
        std::thread::scope(|scope| {
            let synced = scope.spawn(|| queue.sync());
            let patience = Duration::from_secs(10);
            let mut jobs = 0;
            while jobs < 2 {
                let batch = queue.next(patience).unwrap();
                jobs += batch.jobs.len();
                assert!(queue.set_done(batch.last));
            }
            assert!(synced.join().unwrap());
            let synced = scope.spawn(|| queue.sync());
            assert_eq!(queue.next(patience).unwrap().jobs.len(), 1);
            queue.end();
            assert!(!synced.join().unwrap());
        });
        assert!(!queue.sync(), "after the end there is nothing to wait for");
    }
}
