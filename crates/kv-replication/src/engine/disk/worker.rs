//! The thread that writes and syncs.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::checkpoint;
use super::client::Node;
use super::queue::{Job, Shared};
use crate::durable::storage::{Storage, StorageError};
use crate::engine::lock::lock;

/// How long an idle disk is left alone before it is asked again how much space there is. One that is not
/// idle is asked after each sync, which costs far more than the question.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Starts the thread.
pub(super) fn spawn<N: Node>(
    shared: Arc<Shared<N::Waiter>>,
    storage: Box<dyn Storage>,
    node: Arc<N>,
) -> io::Result<JoinHandle<()>> {
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
    thread::Builder::new().name("kv-disk".to_owned()).spawn(run)
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
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
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
