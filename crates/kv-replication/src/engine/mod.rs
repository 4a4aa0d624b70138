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
pub(crate) mod follower;
mod freshness;
mod leader;
mod lock;
pub(crate) mod memory_transport;
mod moment;
mod node;
mod page;
mod read;
mod waits;

pub use clock::Clock;
pub use digest::PeerDigest;
pub use follower::handle::{FollowerHandle, Stopped};
pub use follower::status::FollowerStatus;
pub use leader::handle::LeaderHandle;
pub use leader::status::LeaderStatus;
pub use moment::Moment;
pub use node::{Node, Role};
pub use page::{Page, PageSize, Range};
pub use read::{Level, Position, Read, ReadError, Seen, Want};
pub use waits::WAITERS_MAX;
