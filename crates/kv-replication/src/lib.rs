//! Single-leader replication with a write quorum.
//!
//! The rules live in two machines without I/O: [`Leader`] and [`Follower`]. Time and randomness are
//! arguments, so that a test, a simulator and production run the very same code. Around them:
//!
//! * [`Quorum`]: N followers of which W must acknowledge. [`RangeSet`]: what a node holds.
//! * [`DelayLaw`] and [`DelayLine`]: the simulated network delay, per entry and per follower.
//! * [`Request`] and [`Reply`]: what travels.
//! * [`Transport`]: how it travels; [`MemoryTransport`] for one process, HTTP in another crate.
//!   Every implementation passes the suite in `conformance` (a feature of that name).
//! * [`Record`] and [`Image`]: what a durable node writes down, and what that amounts to; `Storage`: where.
//! * `linearizability` (feature of that name): is what clients saw what a linearizable store shows?
//! * [`engine`] (feature `engine`): the tokio loop and the handles that an application uses.
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
mod delay;
mod follower;
mod group;
mod leader;
mod link;
mod log;
mod message;
mod overlay;
mod persist;
mod planted;
mod quorum;
mod range_set;
mod time;
mod writes;

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "engine")]
pub mod engine;
#[cfg(feature = "linearizability")]
pub mod linearizability;
#[cfg(feature = "engine")]
mod memory;
#[cfg(feature = "simulator")]
pub mod simulator;
#[cfg(feature = "engine")]
mod storage;
#[cfg(feature = "engine")]
mod transport;

pub use config::{FollowerConfig, LeaderConfig, Limits, Timing};
pub use delay::{DELAY_MAX, DelayLaw, DelayLine, InvalidDelays};
pub use follower::{Adopted, Follower};
pub use group::{GROUPS_MAX, Group};
pub use leader::{
    Committed, ConfirmError, Event, Input, Leader, Output, PersistId, Phase, ReadId, StartProblem, WriteError,
};
pub use link::{AttemptId, LinkError, LinkState, LinkStatus};
#[cfg(feature = "engine")]
pub use memory::MemoryTransport;
pub use message::{
    Answer, Append, Chunk, Claim, ClusterId, HELD_RANGES_MAX, Head, Held, Identity, Install, Part, Pull,
    Refusal, Reply, Request, Stage, Standing,
};
pub use persist::{CheckpointHead, Durable, Image, Meta, RECENT_ENTRIES_MAX, Record};
pub use planted::{Bug, Planted};
pub use quorum::{FOLLOWERS_MAX, InvalidQuorum, Quorum};
pub use range_set::RangeSet;
#[cfg(feature = "engine")]
pub use storage::{Checkpoint, Storage, StorageError};
pub use time::Time;
#[cfg(feature = "engine")]
pub use transport::{Transport, TransportError};
pub use writes::WriteId;
