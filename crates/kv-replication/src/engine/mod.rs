//! The tokio loop around the machines, and the handles that an application uses.
//!
//! [`LeaderHandle`] drives a [`Leader`](crate::Leader) over a [`Transport`](crate::Transport);
//! [`FollowerHandle`] guards a [`Follower`](crate::Follower). Both are cheap to clone.
//!
//! With a [`Storage`](crate::Storage) a node is durable: [`LeaderHandle::restart`],
//! [`FollowerHandle::restart`].
//!
//! A write belongs to the leader as soon as it is handed over: whoever drops the future of
//! [`LeaderHandle::write`] loses the answer, never the write.

mod alarm;
mod clock;
mod digest;
mod disk;
mod follower;
mod follower_reads;
mod freshness;
mod leader;
mod leader_reads;
mod leader_writes;
pub(crate) mod memory_transport;
mod moment;
mod read;
mod waits;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use clock::Clock;
pub use digest::PeerDigest;
pub use follower::{FollowerHandle, FollowerStatus, Stopped};
pub use leader::{LeaderHandle, LeaderStatus};
pub use moment::Moment;
pub use read::{Level, Page, PageSize, Position, Range, Read, ReadError, Seen, Want};
pub use waits::WAITERS_MAX;

/// A machine is never left half changed: no method of it panics on purpose, so a poisoned lock
/// still guards a machine that keeps its rules.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
