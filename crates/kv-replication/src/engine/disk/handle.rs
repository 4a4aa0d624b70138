//! The disk, as a node sees it.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::client::Node;
use super::queue::{Job, Shared, Written};
use super::worker;
use crate::durable::record::{CheckpointHead, Record};
use crate::durable::storage::{Storage, StorageError};
use crate::engine::lock::lock;

/// The queue of the thread. Clones share it.
pub(in crate::engine) struct Disk<W> {
    shared: Arc<Shared<W>>,
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
    pub(in crate::engine) fn new() -> Self {
        Self { shared: Arc::new(Shared::new()) }
    }

    /// Starts the thread.
    pub(in crate::engine) fn start<N: Node<Waiter = W>>(
        &self,
        storage: Box<dyn Storage>,
        node: Arc<N>,
    ) -> io::Result<()> {
        let thread = worker::spawn(Arc::clone(&self.shared), storage, node)?;
        lock(&self.shared.queue).thread = Some(thread);
        Ok(())
    }

    /// Queues records; `waiter` is released when they and all earlier ones are as durable as they have to
    /// be. To be called under the lock of the node, so that records are written in the order in which they
    /// came to be.
    pub(in crate::engine) fn write(&self, records: Vec<Record>, waiter: W) -> Written<W> {
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
    pub(in crate::engine) fn begin_checkpoint(&self, head: CheckpointHead) {
        let mut queue = lock(&self.shared.queue);
        if !queue.has_ended {
            queue.add(Job::Begin(Box::new(head)));
            self.shared.wake(queue);
        }
    }

    /// Waits until the disk has failed.
    pub(in crate::engine) async fn failed(&self) -> Arc<StorageError> {
        loop {
            let failed = self.shared.failed.notified();
            if let Some(error) = &lock(&self.shared.queue).error {
                return Arc::clone(error);
            }
            failed.await;
        }
    }

    /// Nothing more comes: the thread finishes what is queued, and ends.
    pub(in crate::engine) fn close(&self) {
        lock(&self.shared.queue).is_closed = true;
        self.shared.filled.notify_all();
        self.shared.moved.notify_all();
    }

    /// As [`Disk::close`], and waits for the end; gives the error if the disk has failed.
    pub(in crate::engine) fn finish(&self) -> Result<(), Arc<StorageError>> {
        self.close();
        let thread = lock(&self.shared.queue).thread.take();
        if let Some(thread) = thread {
            let _ = thread.join(); // a panic has left its error
        }
        lock(&self.shared.queue).error.clone().map_or(Ok(()), Err)
    }
}
