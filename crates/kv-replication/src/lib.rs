//! Single-leader replication with a write quorum.
//!
//! The rules live in two machines without I/O: [`Leader`] and [`Follower`]. Time and randomness are
//! arguments, so that a test, a simulator and production run the very same code. Around them:
//!
//! * [`Quorum`]: N followers of which W must acknowledge.
//! * [`RangeSet`]: what a node holds.
//! * [`DelayLaw`] and [`DelayLine`]: the simulated network delay, per entry and per follower.
//! * [`Request`] and [`Reply`]: what travels.
//! * [`Transport`]: how it travels; [`MemoryTransport`] for one process, HTTP in another crate.
//!   Every implementation passes the suite in `conformance` (a feature of that name).
//! * [`Record`] and [`Image`]: what a durable node writes down, and what that amounts to; `Storage`: where.
//! * [`engine`] (feature `engine`): the tokio loop and the handles that an application uses.
//!
//! The files are in rooms: `protocol` (what leader and follower share), `durable`, `leader`, `follower`, `engine`
//! and `testing`. Each opens with a page of its own, and imports only those before it. The one exception is the
//! macro of planted bugs: it stands in `testing`, and is nothing without the feature `simulator`.
//!
//! ```
//! # tokio::runtime::Builder::new_multi_thread().build().unwrap().block_on(async {
//! use std::time::Duration;
//! use kv_core::{Command, Key, NodeId};
//! use kv_replication::engine::{FollowerHandle, LeaderHandle};
//! use kv_replication::{ClusterId, FollowerConfig, LeaderConfig, MemoryTransport, Quorum};
//!
//! let followers: Vec<_> =
//!     (1..=3).map(|id| FollowerHandle::new(NodeId(id), FollowerConfig::default())).collect();
//! let transport = MemoryTransport::new(followers.clone());
//! let config = LeaderConfig::new(Quorum::new(3, 2)?);
//! let leader = LeaderHandle::spawn(NodeId(9), ClusterId(1), config, transport)?;
//!
//! let command = Command::put(Key::parse("colour")?, b"red")?;
//! let committed = leader.write(command, Duration::from_secs(1)).await?;
//! assert!(committed.acks >= 2);
//! assert_eq!(leader.get("colour").ok_or("not there")?.value(), b"red");
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! # What it does not do
//!
//! It keeps nothing on a disk itself: a durable node is given a `Storage`, which is in another crate. There
//! is no election, and W and the followers change only from one leader to the next.

mod config;
mod durable;
mod follower;
mod leader;
mod protocol;
mod testing;
#[cfg(feature = "engine")]
mod transport;

#[cfg(feature = "engine")]
pub mod engine;

#[cfg(feature = "conformance")]
pub use testing::conformance;
#[cfg(feature = "simulator")]
pub use testing::simulator;

pub use config::{FollowerConfig, LeaderConfig, Limits, Timing};
pub use durable::image::{Image, RECENT_ENTRIES_MAX};
pub use durable::record::{CheckpointHead, Durable, Meta, Record};
#[cfg(feature = "engine")]
pub use durable::storage::{Checkpoint, Storage, StorageError};
#[cfg(feature = "engine")]
pub use engine::memory_transport::MemoryTransport;
pub use follower::{Adopted, Follower};
pub use leader::ids::{AttemptId, PersistId, ReadId, WriteId};
pub use leader::input::Input;
pub use leader::links::error::LinkError;
pub use leader::links::status::{LinkState, LinkStatus};
pub use leader::machine::Leader;
pub use leader::output::{Committed, Event, Output};
pub use leader::phase::Phase;
pub use leader::problem::{ConfirmError, StartProblem, WriteError};
pub use protocol::delay::{DELAY_MAX, DelayLaw, DelayLine, InvalidDelays};
pub use protocol::group::{GROUPS_MAX, Group};
pub use protocol::message::{
    Answer, Append, Chunk, Claim, ClusterId, HELD_RANGES_MAX, Head, Held, Identity, Install, Part, Pull,
    Refusal, Reply, Request, Stage, Standing,
};
pub use protocol::quorum::{FOLLOWERS_MAX, InvalidQuorum, Quorum};
pub use protocol::range_set::RangeSet;
pub use protocol::time::Time;
#[cfg(feature = "engine")]
pub use transport::{Transport, TransportError};
