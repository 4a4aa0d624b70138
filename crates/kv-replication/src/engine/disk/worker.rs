//! The thread that writes and syncs.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::checkpoint;
use super::client::DiskClient;
use super::queue::{Batch, DiskQueue, Job};
use crate::durable::record::CheckpointHead;
use crate::durable::storage::{Storage, StorageError};

/// How long an idle disk is left alone before it is asked again how much space there is. One that is not
/// idle is asked after each sync, which costs far more than the question.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Starts the thread.
///
/// # Errors
/// If the system gives none.
pub(in crate::engine) fn start<N: DiskClient>(
    queue: &Arc<DiskQueue<N::Waiter>>,
    storage: Box<dyn Storage>,
    node: Arc<N>,
) -> io::Result<()> {
    let guard = PanicGuard(Arc::clone(queue));
    let run = move || {
        let mut worker =
            Worker { queue: Arc::clone(&guard.0), node, storage, is_full: false, checkpoint: None };
        if let Err(error) = worker.run() {
            worker.queue.fail(error);
        }
        guard.0.end(); // so that the checkpoint waits for nothing
        if let Some(checkpoint) = worker.checkpoint.take() {
            let _ = checkpoint.join(); // whoever uses the disk next must not find it at work
        }
    };
    queue.set_thread(thread::Builder::new().name("kv-disk".to_owned()).spawn(run)?);
    Ok(())
}

/// A thread that panics must not leave anybody waiting.
struct PanicGuard<W>(Arc<DiskQueue<W>>);

impl<W> Drop for PanicGuard<W> {
    fn drop(&mut self) {
        if thread::panicking() {
            let source = "it has panicked".into();
            self.0.fail(StorageError { what: "a thread of the disk".to_owned(), source });
        }
    }
}

struct Worker<N: DiskClient> {
    queue: Arc<DiskQueue<N::Waiter>>,
    node: Arc<N>,
    storage: Box<dyn Storage>,
    is_full: bool,
    /// The thread of the last checkpoint.
    checkpoint: Option<JoinHandle<()>>,
}

impl<N: DiskClient> Worker<N> {
    /// Until the node ends, or the disk fails.
    fn run(&mut self) -> Result<(), StorageError> {
        self.look()?;
        while let Some(batch) = self.queue.next(LOOK_INTERVAL) {
            let idle = batch.jobs.is_empty();
            self.execute(batch)?;
            self.look()?;
            if idle {
                // What nobody waits for, so that a start knows it, too.
                self.storage.sync()?;
                self.storage.rest()?;
            }
            if !self.has_checkpoint_under_way() && self.storage.wants_checkpoint() {
                self.node.want_checkpoint();
            }
        }
        if self.queue.has_failed() {
            return Ok(()); // a checkpoint has failed: nobody knows what the disk does with more
        }
        self.storage.sync()?;
        self.storage.rest()
    }

    /// Writes, syncs once if anything needs it, and then releases those who waited.
    fn execute(&mut self, batch: Batch<N::Waiter>) -> Result<(), StorageError> {
        if batch.jobs.is_empty() {
            return Ok(());
        }
        let (mut waiters, mut must_sync) = (Vec::new(), false);
        for job in batch.jobs {
            match job {
                Job::Write { records, waiter, is_firm } => {
                    self.storage.append(records)?;
                    must_sync |= is_firm;
                    waiters.extend(waiter);
                }
                Job::BeginCheckpoint(head) => self.begin_checkpoint(*head)?,
                Job::EndCheckpoint => self.storage.end_checkpoint()?,
            }
        }
        if must_sync {
            self.storage.sync()?;
        }
        if self.queue.set_done(batch.last) && !waiters.is_empty() {
            self.node.release(waiters);
        }
        Ok(())
    }

    fn begin_checkpoint(&mut self, head: CheckpointHead) -> Result<(), StorageError> {
        if self.has_checkpoint_under_way() || !self.storage.wants_checkpoint() {
            return Ok(()); // asked for twice
        }
        let begun = self.storage.begin_checkpoint(head)?;
        let (guard, node) = (PanicGuard(Arc::clone(&self.queue)), Arc::clone(&self.node));
        let write = move || checkpoint::write(&guard.0, &*node, begun);
        let thread = thread::Builder::new().name("kv-checkpoint".to_owned()).spawn(write);
        let thread = thread.map_err(|error| StorageError {
            what: "cannot start a thread for a checkpoint".to_owned(),
            source: error.into(),
        });
        self.checkpoint = Some(thread?);
        Ok(())
    }

    fn has_checkpoint_under_way(&self) -> bool {
        self.checkpoint.as_ref().is_some_and(|thread| !thread.is_finished())
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
