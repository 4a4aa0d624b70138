//! The whole state of a node at one version.
//!
//! The node waits while the entries are counted up: that is one step per key, and no copy of a value. So a
//! million keys hold it up for some tens of milliseconds.

use kv_core::{Entry, Store, Version};

use super::read::ReadError;
use super::waits::WaitError;

/// All live keys at one version.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Everything up to this version is in it, and nothing above it.
    pub mark: Version,
    /// What the keys hold, in order.
    pub entries: Vec<Entry>,
}

impl Moment {
    pub(super) fn of(store: &Store, mark: Version) -> Self {
        Self { mark, entries: store.scan("", None).map(|(_, item)| item.entry.clone()).collect() }
    }
}

pub(super) fn not_whole(error: WaitError) -> ReadError {
    match error {
        WaitError::TooMany => ReadError::TooManyWaiting,
        WaitError::TimedOut => ReadError::NotWhole,
    }
}
