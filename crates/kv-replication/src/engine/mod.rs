//! The tokio loop around the machines, and the handles that an application uses.
//!
//! [`LeaderHandle`] drives a [`Leader`](crate::Leader) over a [`Transport`](crate::Transport);
//! [`FollowerHandle`] guards a [`Follower`](crate::Follower). Both are cheap to clone.
//!
//! A write belongs to the leader as soon as it is handed over: whoever drops the future of
//! [`LeaderHandle::write`] loses the answer, never the write.

mod alarm;
mod clock;
mod follower;
mod leader;
mod waits;

use std::sync::{Mutex, MutexGuard, PoisonError};

use kv_core::{Entry, Operation, Version};

pub use clock::Clock;
pub use follower::{FollowerHandle, FollowerStatus};
pub use leader::{LeaderHandle, LeaderStatus};
pub use waits::WAITERS_MAX;

/// What a key holds. Shares the memory of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read(Entry);

impl Read {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        match self.0.operation() {
            Operation::Put { key, .. } | Operation::Delete { key } => key,
            Operation::Clear | Operation::NoOp => "",
        }
    }

    /// The value: any bytes.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        match self.0.operation() {
            Operation::Put { value, .. } => value,
            Operation::Delete { .. } | Operation::Clear | Operation::NoOp => &[],
        }
    }

    /// The version of the put that wrote it.
    #[must_use]
    pub fn version(&self) -> Version {
        self.0.version()
    }
}

/// The read that shows what `entry` wrote.
impl From<Entry> for Read {
    fn from(entry: Entry) -> Self {
        Self(entry)
    }
}

/// A machine is never left half changed: no method of it panics on purpose, so a poisoned lock
/// still guards a machine that keeps its rules.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
