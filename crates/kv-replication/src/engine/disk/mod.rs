//! The thread that writes a node's records down.
//!
//! It takes all that has been queued, writes it, syncs once, and then lets out everything that waited for
//! it: the more comes together, the less a sync costs each. A checkpoint is written by a thread of its
//! own, which reads the state part by part.
//!
//! The queue has no limit of its own. What is in it belongs to requests or writes that wait for it, and
//! those are limited: on a leader by `window_entries_max`, on a follower by what leaders may have under
//! way at once.

mod checkpoint;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::Notify;

pub(super) use checkpoint::Part;

use super::lock;
use crate::durable::record::{CheckpointHead, Record};
use crate::durable::storage::{Storage, StorageError};

/// How long an idle disk is left alone before it is asked again how much space there is. One that is not
/// idle is asked after each sync, which costs far more than the question.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// A node, as its disk sees it.
pub(super) trait Node: Send + Sync + 'static {
    /// What waits for something to be durable.
    type Waiter: Send;

    /// These need wait no more.
    fn release(&self, waiters: Vec<Self::Waiter>);
    /// A checkpoint is wanted: [`Disk::begin_checkpoint`] at the next good moment.
    fn want_checkpoint(&self);
    /// A part of the state, in key order.
    fn part(&self, after: Option<&str>) -> Part;
    /// There is little space, or enough again.
    fn set_full(&self, is_full: bool);
}

/// The queue of the thread. Clones share it.
pub(super) struct Disk<W> {
    shared: Arc<Shared<W>>,
}

struct Shared<W> {
    queue: Mutex<Queue<W>>,
    /// The thread has something to do.
    filled: Condvar,
    /// Something has become durable, or has failed.
    moved: Condvar,
    failed: Notify,
}

struct Queue<W> {
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

/// What became of something that was to be written.
pub(super) enum Written<W> {
    /// It is as durable as it has to be: nobody waits.
    Done(W),
    /// It is queued; the waiter will be released, or dropped if the disk fails.
    Queued,
    /// The node has ended, or its disk has failed: it will never be written.
    Never,
}

enum Job<W> {
    Write { records: Vec<Record>, waiter: Option<W>, is_firm: bool },
    Begin(Box<CheckpointHead>),
    End,
}

impl<W> Clone for Disk<W> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<W> fmt::Debug for Disk<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").finish_non_exhaustive()
    }
}

impl<W: Send + 'static> Disk<W> {
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
        let shared = Shared {
            queue: Mutex::new(queue),
            filled: Condvar::new(),
            moved: Condvar::new(),
            failed: Notify::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Starts the thread.
    pub(super) fn start<N: Node<Waiter = W>>(
        &self,
        storage: Box<dyn Storage>,
        node: Arc<N>,
    ) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let run = move || {
            let shared = Panicking(shared);
            let mut checkpoint = None;
            let mut worker = Worker { shared: Arc::clone(&shared.0), node, storage, is_full: false };
            if let Err(error) = worker.run(&mut checkpoint) {
                worker.shared.fail(error);
            }
            shared.0.end(); // so that the checkpoint waits for nothing
            if let Some(checkpoint) = checkpoint {
                let _ = checkpoint.join(); // whoever uses the disk next must not find it at work
            }
        };
        let thread = thread::Builder::new().name("kv-disk".to_owned()).spawn(run)?;
        lock(&self.shared.queue).thread = Some(thread);
        Ok(())
    }

    /// Queues records; `waiter` is released when they and all earlier ones are as durable as they have to
    /// be. To be called under the lock of the node, so that records are written in the order in which they
    /// came to be.
    pub(super) fn write(&self, records: Vec<Record>, waiter: W) -> Written<W> {
        let is_firm = records.iter().any(|record| !record.is_lazy());
        let mut queue = lock(&self.shared.queue);
        if queue.has_ended {
            return Written::Never;
        }
        let must_wait = is_firm || queue.firm > queue.done;
        if records.is_empty() && !must_wait {
            return Written::Done(waiter);
        }
        let (waiter, written) =
            if must_wait { (Some(waiter), Written::Queued) } else { (None, Written::Done(waiter)) };
        queue.add(Job::Write { records, waiter, is_firm });
        self.shared.wake(queue);
        written
    }

    /// A checkpoint begins here: `head` stands for all records so far. Under the lock of the node, too.
    pub(super) fn begin_checkpoint(&self, head: CheckpointHead) {
        let mut queue = lock(&self.shared.queue);
        if !queue.has_ended {
            queue.add(Job::Begin(Box::new(head)));
            self.shared.wake(queue);
        }
    }

    /// Waits until the disk has failed.
    pub(super) async fn failed(&self) -> Arc<StorageError> {
        loop {
            let failed = self.shared.failed.notified();
            if let Some(error) = &lock(&self.shared.queue).error {
                return Arc::clone(error);
            }
            failed.await;
        }
    }

    /// Nothing more comes: the thread finishes what is queued, and ends.
    pub(super) fn close(&self) {
        lock(&self.shared.queue).is_closed = true;
        self.shared.filled.notify_all();
        self.shared.moved.notify_all();
    }

    /// As [`Disk::close`], and waits for the end; gives the error if the disk has failed.
    pub(super) fn finish(&self) -> Result<(), Arc<StorageError>> {
        self.close();
        let thread = lock(&self.shared.queue).thread.take();
        if let Some(thread) = thread {
            let _ = thread.join(); // a panic has left its error
        }
        lock(&self.shared.queue).error.clone().map_or(Ok(()), Err)
    }
}

impl<W> Queue<W> {
    fn add(&mut self, job: Job<W>) {
        self.queued += 1;
        if matches!(job, Job::Write { is_firm: true, .. }) {
            self.firm = self.queued;
        }
        self.jobs.push_back(job);
    }
}

impl<W> Shared<W> {
    /// Lets go of the queue, and wakes the thread if it rests: in this order, so that it finds it free.
    fn wake(&self, mut queue: MutexGuard<'_, Queue<W>>) {
        let rests = std::mem::take(&mut queue.rests);
        drop(queue);
        if rests {
            self.filled.notify_one();
        }
    }

    fn fail(&self, error: StorageError) {
        let mut queue = lock(&self.queue);
        queue.error.get_or_insert_with(|| Arc::new(error));
        drop(queue);
        self.end();
        self.failed.notify_waiters();
    }

    /// Nothing is done any more: whoever waits, waits in vain, and is told.
    fn end(&self) {
        let mut queue = lock(&self.queue);
        queue.is_closed = true;
        queue.has_ended = true;
        let jobs = std::mem::take(&mut queue.jobs);
        drop(queue);
        self.filled.notify_all();
        self.moved.notify_all();
        drop(jobs); // with their waiters, and not under the lock
    }
}

/// A thread that panics must not leave anybody waiting.
struct Panicking<W>(Arc<Shared<W>>);

impl<W> Drop for Panicking<W> {
    fn drop(&mut self) {
        if thread::panicking() {
            let source = "it has panicked".into();
            self.0.fail(StorageError { what: "a thread of the disk".to_owned(), source });
        }
    }
}

struct Worker<N: Node> {
    shared: Arc<Shared<N::Waiter>>,
    node: Arc<N>,
    storage: Box<dyn Storage>,
    is_full: bool,
}

impl<N: Node> Worker<N> {
    /// Until the node ends, or the disk fails.
    fn run(&mut self, checkpoint: &mut Option<JoinHandle<()>>) -> Result<(), StorageError> {
        self.look()?;
        while let Some((jobs, last)) = self.next_jobs() {
            let idle = jobs.is_empty();
            self.execute(jobs, last, checkpoint)?;
            self.look()?;
            if idle {
                // What nobody waits for, so that a start knows it, too.
                self.storage.sync()?;
                self.storage.rest()?;
            }
            if !is_busy(checkpoint) && self.storage.wants_checkpoint() {
                self.node.want_checkpoint();
            }
        }
        if lock(&self.shared.queue).error.is_some() {
            return Ok(()); // a checkpoint has failed: nobody knows what the disk does with more
        }
        self.storage.sync()?;
        self.storage.rest()
    }

    /// All that is queued, as soon as there is something, or nothing after a while; none at the end.
    fn next_jobs(&self) -> Option<(VecDeque<Job<N::Waiter>>, u64)> {
        let mut queue = lock(&self.shared.queue);
        if queue.jobs.is_empty() && !queue.is_closed {
            queue.rests = true;
            let waited = self.shared.filled.wait_timeout(queue, LOOK_INTERVAL);
            queue = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
            queue.rests = false;
        }
        if queue.jobs.is_empty() && queue.is_closed {
            queue.has_ended = true; // under the same lock: nothing is queued in vain
            return None;
        }
        Some((std::mem::take(&mut queue.jobs), queue.queued))
    }

    fn execute(
        &mut self,
        jobs: VecDeque<Job<N::Waiter>>,
        last: u64,
        checkpoint: &mut Option<JoinHandle<()>>,
    ) -> Result<(), StorageError> {
        if jobs.is_empty() {
            return Ok(());
        }
        let (mut waiters, mut must_sync) = (Vec::new(), false);
        for job in jobs {
            match job {
                Job::Write { records, waiter, is_firm } => {
                    self.storage.append(records)?;
                    must_sync |= is_firm;
                    waiters.extend(waiter);
                }
                Job::Begin(_) if is_busy(checkpoint) || !self.storage.wants_checkpoint() => {} // asked for twice
                Job::Begin(head) => {
                    let (shared, node) = (Arc::clone(&self.shared), Arc::clone(&self.node));
                    let begun = self.storage.begin_checkpoint(*head)?;
                    let write = move || {
                        let shared = Panicking(shared);
                        checkpoint::write(&shared.0, &*node, begun);
                    };
                    let thread = thread::Builder::new().name("kv-checkpoint".to_owned()).spawn(write);
                    let thread = thread.map_err(|error| StorageError {
                        what: "cannot start a thread for a checkpoint".to_owned(),
                        source: error.into(),
                    });
                    *checkpoint = Some(thread?);
                }
                Job::End => self.storage.end_checkpoint()?,
            }
        }
        if must_sync {
            self.storage.sync()?;
        }
        let (has_failed, is_watched) = {
            let mut queue = lock(&self.shared.queue);
            queue.done = last;
            (queue.error.is_some(), queue.is_watched) // failed meanwhile, by a checkpoint
        };
        if is_watched {
            self.shared.moved.notify_all();
        }
        if !has_failed && !waiters.is_empty() {
            self.node.release(waiters);
        }
        Ok(())
    }

    /// Asks how much space there is, and tells the node if that is news.
    fn look(&mut self) -> Result<(), StorageError> {
        let is_full = self.storage.is_low()?;
        if is_full != self.is_full {
            self.is_full = is_full;
            self.node.set_full(is_full);
        }
        Ok(())
    }
}

fn is_busy(checkpoint: &Option<JoinHandle<()>>) -> bool {
    checkpoint.as_ref().is_some_and(|thread| !thread.is_finished())
}
