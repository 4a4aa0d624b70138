//! A checkpoint, written beside the log while the node goes on.

use super::client::Node;
use super::queue::{Job, Shared};
use crate::durable::storage::Checkpoint;
use crate::engine::lock::lock;

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
