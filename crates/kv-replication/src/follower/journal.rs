//! What the current call has to write down.

use crate::durable::record::{Durable, Record};

/// Records in the order in which they must get to the disk; none on a node without one.
#[derive(Clone, Debug)]
pub(super) struct Journal {
    durable: bool,
    records: Vec<Record>,
}

impl Journal {
    pub(super) fn new(durable: bool) -> Self {
        Self { durable, records: Vec::new() }
    }

    /// Whether anything is written down at all.
    pub(super) fn is_durable(&self) -> bool {
        self.durable
    }

    /// Builds the record only if it is to be written.
    pub(super) fn note(&mut self, record: impl FnOnce() -> Record) {
        if self.durable {
            self.records.push(record());
        }
    }

    /// The call is over, with this result: it waits for what has been noted.
    pub(super) fn close<T>(&mut self, then: T) -> Durable<T> {
        Durable { records: std::mem::take(&mut self.records), then }
    }
}
