//! What is to be written, and those who wait for it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::Notify;

use crate::durable::record::{CheckpointHead, Record};
use crate::durable::storage::StorageError;
use crate::engine::lock::lock;

/// What became of something that was to be written.
pub(in crate::engine) enum Written<W> {
    /// It is as durable as it has to be: nobody waits.
    Done(W),
    /// It is queued; the waiter will be released, or dropped if the disk fails.
    Queued,
    /// The node has ended, or its disk has failed: it will never be written.
    Never,
}

pub(super) struct Shared<W> {
    pub(super) queue: Mutex<Queue<W>>,
    /// The thread has something to do.
    pub(super) filled: Condvar,
    /// Something has become durable, or has failed.
    pub(super) moved: Condvar,
    pub(super) failed: Notify,
}

pub(super) struct Queue<W> {
    pub(super) jobs: VecDeque<Job<W>>,
    /// Jobs that were ever queued.
    pub(super) queued: u64,
    /// The newest of them that must be synced.
    pub(super) firm: u64,
    /// All up to this one are done, and durable if they are to be.
    pub(super) done: u64,
    /// The thread waits for a job: only then it has to be woken, which costs a system call.
    pub(super) rests: bool,
    /// A checkpoint waits until all is durable that was queued before.
    pub(super) is_watched: bool,
    /// Nothing more comes: what is queued is done, and then the thread ends.
    pub(super) is_closed: bool,
    /// What is queued from now on is never done.
    pub(super) has_ended: bool,
    pub(super) error: Option<Arc<StorageError>>,
    pub(super) thread: Option<JoinHandle<()>>,
}

pub(super) enum Job<W> {
    Write { records: Vec<Record>, waiter: Option<W>, is_firm: bool },
    Begin(Box<CheckpointHead>),
    End,
}

impl<W> Queue<W> {
    pub(super) fn add(&mut self, job: Job<W>) {
        self.queued += 1;
        if matches!(job, Job::Write { is_firm: true, .. }) {
            self.firm = self.queued;
        }
        self.jobs.push_back(job);
    }
}

impl<W> Shared<W> {
    pub(super) fn new() -> Self {
        let queue = Queue {
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
            queue: Mutex::new(queue),
            filled: Condvar::new(),
            moved: Condvar::new(),
            failed: Notify::new(),
        }
    }

    /// Lets go of the queue, and wakes the thread if it rests: in this order, so that it finds it free.
    pub(super) fn wake(&self, mut queue: MutexGuard<'_, Queue<W>>) {
        let rests = std::mem::take(&mut queue.rests);
        drop(queue);
        if rests {
            self.filled.notify_one();
        }
    }

    pub(super) fn fail(&self, error: StorageError) {
        let mut queue = lock(&self.queue);
        queue.error.get_or_insert_with(|| Arc::new(error));
        drop(queue);
        self.end();
        self.failed.notify_waiters();
    }

    /// Nothing is done any more: whoever waits, waits in vain, and is told.
    pub(super) fn end(&self) {
        let mut queue = lock(&self.queue);
        queue.is_closed = true;
        queue.has_ended = true;
        let jobs = std::mem::take(&mut queue.jobs);
        drop(queue);
        self.filled.notify_all();
        self.moved.notify_all();
        drop(jobs); // with their waiters, and not under the lock
    }

    /// Waits until all that is queued is durable; false if the node ends before.
    pub(super) fn sync(&self) -> bool {
        let mut queue = lock(&self.queue);
        if queue.is_closed {
            return false;
        }
        queue.add(Job::Write { records: Vec::new(), waiter: None, is_firm: true });
        queue.is_watched = true;
        let number = queue.queued;
        self.wake(queue);
        let mut queue = lock(&self.queue);
        while queue.done < number && !queue.has_ended {
            queue = self.moved.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.is_watched = false;
        queue.done >= number && queue.error.is_none()
    }
}
