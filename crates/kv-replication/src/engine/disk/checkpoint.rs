//! A checkpoint, written beside the log while the node goes on.

use std::sync::PoisonError;

use kv_core::{Entry, Store, Version};

use super::{Job, Node, Shared};
use crate::durable::storage::Checkpoint;
use crate::engine::lock;

/// A part of the state.
#[derive(Debug)]
pub(in crate::engine) struct Part {
    pub(in crate::engine) entries: Vec<Entry>,
    /// The key after which the next one begins; none if this was the last.
    pub(in crate::engine) next: Option<String>,
    /// Nothing in the state is above this version by now.
    pub(in crate::engine) through: Version,
}

/// What one look at the state takes.
const PART_STEPS_MAX: usize = 1_024;
const PART_BYTES_MAX: usize = 256 << 10;

impl Part {
    /// The next part of a store that shows nothing above `through`.
    pub(in crate::engine) fn of(store: &Store, after: Option<&str>, through: Version) -> Self {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for (steps, (key, item)) in store.entries("", after).enumerate() {
            if let Some(item) = item {
                bytes += item.entry.frame().len();
                entries.push(item.entry.clone());
            }
            if steps + 1 >= PART_STEPS_MAX || bytes >= PART_BYTES_MAX {
                return Self { entries, next: Some(key.to_owned()), through };
            }
        }
        Self { entries, next: None, through }
    }
}

/// Writes the state beside the log, and hands the checkpoint over.
pub(super) fn write<N: Node>(shared: &Shared<N::Waiter>, node: &N, mut checkpoint: Box<dyn Checkpoint>) {
    let mut write = || {
        let mut after = None;
        loop {
            let part = node.part(after.as_deref());
            checkpoint.add(&part.entries)?;
            after = part.next;
            if after.is_none() {
                return Ok(part.through);
            }
            if lock(&shared.queue).is_closed {
                return Err(None); // the node ends: what is there of it counts for nothing
            }
        }
    };
    let written = write().and_then(|through| {
        if !shared.sync() {
            return Err(None);
        }
        checkpoint.finish(through).map_err(Some)
    });
    match written {
        Ok(()) => {
            let mut queue = lock(&shared.queue);
            // A node that ends leaves the rest to its next start.
            if !queue.has_ended {
                queue.add(Job::End);
                shared.wake(queue);
            }
        }
        Err(Some(error)) => shared.fail(error),
        Err(None) => {}
    }
}

impl<W> Shared<W> {
    /// Waits until all that is queued is durable; false if the node ends before.
    fn sync(&self) -> bool {
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
