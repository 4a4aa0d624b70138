//! A checkpoint, written beside the log while the node goes on.

use super::client::DiskClient;
use super::queue::DiskQueue;
use crate::durable::storage::Checkpoint;

/// Writes the state beside the log, and hands the checkpoint over.
pub(super) fn write<N: DiskClient>(
    queue: &DiskQueue<N::Waiter>,
    node: &N,
    mut checkpoint: Box<dyn Checkpoint>,
) {
    let mut write = || {
        let mut after = None;
        loop {
            let part = node.part(after.as_deref());
            checkpoint.add(&part.entries)?;
            after = part.next;
            if after.is_none() {
                return Ok(part.through);
            }
            if queue.is_closed() {
                return Err(None); // the node ends: what is there of it counts for nothing
            }
        }
    };
    let written = write().and_then(|through| {
        if !queue.sync() {
            return Err(None);
        }
        checkpoint.finish(through).map_err(Some)
    });
    match written {
        Ok(()) => queue.end_checkpoint(),
        Err(Some(error)) => queue.fail(error),
        Err(None) => {}
    }
}
