//! The node that answers: leader or follower.
//!
//! This is the one place where the two are told apart. A handler calls a method that both have, or asks for
//! the [`leader`](Node::leader) or the [`follower`](Node::follower) and hands the refusal on.

use std::sync::Arc;
use std::time::Duration;

use kv_core::Command;
use kv_replication::Time;
use kv_replication::engine::{
    FollowerHandle, FollowerStatus, LeaderHandle, LeaderStatus, Level, Moment, Page, PageSize, Range, Read,
    ReadError, Seen, Want,
};
use tokio::sync::Semaphore;

use crate::address::Address;
use crate::error::ApiError;
use crate::peer::PeerTransport;
use crate::query::Consistency;

/// What answers.
#[derive(Clone, Debug)]
pub enum Node {
    /// A leader.
    Leader(LeaderNode),
    /// A follower.
    Follower(FollowerHandle),
}

/// A leader, and what HTTP adds to it.
#[derive(Clone, Debug)]
pub struct LeaderNode {
    /// The leader.
    pub handle: LeaderHandle,
    /// How long a write may take that names no time-out of its own, from its arrival.
    pub write_timeout: Duration,
    /// Its followers, for questions that are no replication.
    pub(crate) peers: Arc<PeerTransport>,
    /// Who compares all nodes has one of these.
    pub(crate) comparisons: Arc<Semaphore>,
}

/// Comparisons of all nodes that run at once: each reads every key of every node.
const COMPARISONS_MAX: usize = 1;

impl LeaderNode {
    /// A leader of the followers at these addresses, in the order of its configuration.
    #[must_use]
    pub fn new(
        handle: LeaderHandle,
        write_timeout: Duration,
        followers: impl IntoIterator<Item = Address>,
    ) -> Self {
        let peers = Arc::new(PeerTransport::new(followers));
        Self { handle, write_timeout, peers, comparisons: Arc::new(Semaphore::new(COMPARISONS_MAX)) }
    }

    /// N.
    pub(crate) fn followers(&self) -> usize {
        self.peers.addresses().count()
    }
}

/// What an operator may know of a node.
pub(crate) enum NodeStatus {
    Leader(LeaderStatus),
    Follower(FollowerStatus),
}

impl Node {
    /// The leader, for what only one can do.
    ///
    /// # Errors
    /// [`ApiError::NotLeader`] with the methods that the path has on a follower.
    pub(crate) fn leader(&self, allow: &'static str) -> Result<&LeaderNode, ApiError> {
        match self {
            Self::Leader(leader) => Ok(leader),
            Self::Follower(_) => Err(ApiError::NotLeader { allow }),
        }
    }

    /// The follower, for what only one can do.
    ///
    /// # Errors
    /// [`ApiError::NotFollower`].
    pub(crate) fn follower(&self) -> Result<&FollowerHandle, ApiError> {
        match self {
            Self::Leader(_) => Err(ApiError::NotFollower),
            Self::Follower(follower) => Ok(follower),
        }
    }

    pub(crate) fn role(&self) -> &'static str {
        match self {
            Self::Leader(_) => "leader",
            Self::Follower(_) => "follower",
        }
    }

    /// The methods that a key has here.
    pub(crate) fn key_methods(&self) -> &'static str {
        match self {
            Self::Leader(_) => "GET, PUT, DELETE",
            Self::Follower(_) => "GET",
        }
    }

    /// The time on the clock that deadlines are of; a follower has none.
    pub(crate) fn now(&self) -> Time {
        match self {
            Self::Leader(leader) => leader.handle.clock().now(),
            Self::Follower(_) => Time::ZERO,
        }
    }

    /// A leader takes no new writes from now on.
    pub(crate) fn drain(&self) {
        match self {
            Self::Leader(leader) => leader.handle.drain(),
            Self::Follower(_) => {}
        }
    }

    /// The level at which this node answers such a read.
    ///
    /// # Errors
    /// [`ApiError::NotLeader`] if only the leader can.
    pub(crate) fn level(&self, consistency: Consistency) -> Result<Level, ApiError> {
        match consistency {
            Consistency::Local => Ok(Level::Local),
            Consistency::Committed => Ok(Level::Committed),
            Consistency::Linearizable => self.leader("GET").map(|_| Level::Linearizable),
        }
    }

    pub(crate) async fn read(&self, key: &str, want: Want) -> Result<Seen<Option<Read>>, ReadError> {
        match self {
            Self::Leader(leader) => leader.handle.read(key, want).await,
            Self::Follower(follower) => follower.read(key, want).await,
        }
    }

    pub(crate) async fn page(
        &self,
        range: &Range,
        size: PageSize,
        want: Want,
    ) -> Result<Seen<Page>, ReadError> {
        match self {
            Self::Leader(leader) => leader.handle.page(range, size, want).await,
            Self::Follower(follower) => follower.page(range, size, want).await,
        }
    }

    /// As [`Node::page`], without waiting for anything. A leader shows the same at each level.
    pub(crate) fn next_page(&self, range: &Range, size: PageSize, level: Level) -> Seen<Page> {
        match self {
            Self::Leader(leader) => leader.handle.next_page(range, size),
            Self::Follower(follower) => follower.next_page(range, size, level),
        }
    }

    /// The whole state at one version.
    pub(crate) async fn moment(&self, timeout: Duration) -> Result<Moment, ReadError> {
        match self {
            Self::Leader(leader) => leader.handle.moment(timeout).await,
            Self::Follower(follower) => follower.moment(timeout).await,
        }
    }

    /// Whether the node was level in time.
    pub(crate) async fn until_level(&self, timeout: Duration) -> bool {
        match self {
            Self::Leader(leader) => leader.handle.until_level(timeout).await,
            Self::Follower(follower) => follower.until_level(timeout).await,
        }
    }

    /// Empties the node: a leader with a write like any other that `arrived`, a follower only its own copy.
    pub(crate) async fn reset(&self, arrived: Time) -> Result<(), ApiError> {
        match self {
            Self::Leader(leader) => {
                let deadline = arrived + leader.write_timeout;
                leader.handle.write_until(Command::clear(), deadline).await?;
            }
            Self::Follower(follower) => follower.reset().await?,
        }
        Ok(())
    }

    pub(crate) fn status(&self) -> NodeStatus {
        match self {
            Self::Leader(leader) => NodeStatus::Leader(leader.handle.status()),
            Self::Follower(follower) => NodeStatus::Follower(follower.status()),
        }
    }
}
