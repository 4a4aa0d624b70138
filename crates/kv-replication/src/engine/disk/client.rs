//! What the disk asks of its node.

use kv_core::{Entry, Store, Version};

/// A node, as its disk sees it.
pub(in crate::engine) trait DiskClient: Send + Sync + 'static {
    /// What waits for something to be durable.
    type Waiter: Send;

    /// These need wait no more.
    fn release(&self, waiters: Vec<Self::Waiter>);
    /// A checkpoint is wanted: `DiskQueue::begin_checkpoint`, at the next good moment.
    fn want_checkpoint(&self);
    /// A part of the state, in key order.
    fn part(&self, after: Option<&str>) -> Part;
    /// There is little space, or enough again.
    fn set_full(&self, is_full: bool);
}

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
