//! The tokio loop around the machines, and the handles that an application uses.
//!
//! The machines [`Leader`](crate::Leader) and [`Follower`](crate::Follower) decide everything, and do nothing:
//! they have no clock, no sockets and no disk. The engine gives them these. A [`LeaderHandle`] drives a leader
//! over a [`Transport`](crate::Transport), a [`FollowerHandle`] guards a follower, and a [`Node`] is one or the
//! other. Handles are cheap to clone, and all clones are the same node.
//!
//! With a [`Storage`](crate::Storage) a node is durable: [`LeaderHandle::restart`], [`FollowerHandle::restart`].
//!
//! # The parts
//!
//! * [`Node`] (`node`): the methods that both roles have. No other place matches on the role.
//! * `leader/`: `handle` starts and ends a leader. `core` is the machine with those who wait for its answers;
//!   one lock guards it. `running` is what the handles, the loop and the disk share. `run` is the loop. `write`,
//!   `read` and `status` are the methods of the handle.
//! * `follower/`: the same, without a loop: each request does its work in the task that brought it. `durable` is
//!   a follower as the thread of its disk sees it.
//! * `disk/`: the thread that writes records down and syncs them. `queue` stands between the node and that
//!   thread, `worker` is the thread, `checkpoint` writes the state beside the log, `client` is what they ask of
//!   the node.
//! * `read`, `page`, `moment`, `digest`: a key, many keys, all keys at one version, and a hash of all keys.
//!   `freshness` says how old the answer of a follower may be.
//! * `waits`: callers that wait until a node has got somewhere. Nobody polls.
//! * `clock` is the only place that reads the time, `alarm` a timer of microseconds, `lock` the lock around a
//!   machine. `memory_transport` connects the nodes of one process.
//!
//! # The way of a write
//!
//! 1. [`LeaderHandle::write`] takes the leader's lock, notes who waits for the answer, hands the command to the
//!    machine, lets go of the lock and wakes the loop. Now the write is the leader's: a caller that drops the
//!    future loses the answer, never the write.
//! 2. The loop takes a *turn*. It runs after the tasks that woke it, so one turn serves all writes that they have
//!    brought. Under the lock it tells the machine the time, and carries out each output of the machine:
//!    `Send` becomes a task that calls the transport; `Persist` goes into the queue of the disk; `Answer` wakes
//!    the caller.
//! 3. The thread of the disk takes everything that is queued, writes it, syncs once, and tells the machine which
//!    records are durable. Requests to followers are under way meanwhile, so a write does not wait for two syncs
//!    one after the other.
//! 4. At a follower, [`FollowerHandle::request`] takes the lock, changes the machine, and queues the records
//!    under the same lock. Outside of it, the reply waits until these records and all before them are durable.
//! 5. The task of step 2 hands the reply to the leader's machine, and wakes the loop.
//! 6. When W followers have the write, and the leader's own disk too if it has one, the next turn finds the
//!    `Answer`. At its end a turn wakes those in `waits` whose goal is reached, and sets the alarm to the time at
//!    which the machine has something to do by itself, such as a request that falls due.
//!
//! # What must hold
//!
//! * A machine changes only under its lock, and the time that it is told is read under that lock: for it, time
//!   never goes backwards.
//! * Records are queued under the lock under which they came to be, so the disk has them in that order.
//! * After the disk has failed, nothing is acknowledged any more. A request to a follower ends at once
//!   ([`Stopped`]), a write at its deadline ([`WriteError::Unknown`](crate::WriteError::Unknown)), and the process
//!   should end ([`Node::disk_failed`]).
//! * A lock is held for a short look at memory, never for I/O: events are logged after it, and pages, digests and
//!   the parts of a checkpoint are read a piece at a time. The exceptions take a step for each key:
//!   [`Node::moment`] and [`FollowerHandle::dump`].
//!
//! # What it does not do
//!
//! It decides nothing: each rule about versions, acknowledgements, starts and snapshots is in the machines, where
//! the simulator runs the same code without the engine. It opens no socket and no file: that is for the
//! implementations of `Transport` and `Storage`. It never restarts a node, and never repeats a write.

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
