//! The node that answers, and what HTTP adds to it.
//!
//! [`kv_replication::engine::Node`] tells leader and follower apart. Here stands what only HTTP knows: which of
//! the two a path needs, and how the other one refuses it.

use std::sync::Arc;
use std::time::Duration;

use kv_core::Command;
use kv_replication::Time;
use kv_replication::engine::{FollowerHandle, LeaderHandle, Level, Node as Engine};
use tokio::sync::Semaphore;

use crate::address::Address;
use crate::error::ApiError;
use crate::peer::PeerTransport;
use crate::query::Consistency;

/// What answers.
#[derive(Clone, Debug)]
pub struct Node {
    engine: Engine,
    /// On a leader only.
    leader: Option<LeaderNode>,
}

/// A leader, and what HTTP adds to it.
#[derive(Clone, Debug)]
pub(crate) struct LeaderNode {
    pub(crate) handle: LeaderHandle,
    /// How long a write may take that names no time-out of its own, from its arrival.
    pub(crate) write_timeout: Duration,
    /// Its followers, for questions that are no replication.
    pub(crate) peers: Arc<PeerTransport>,
    /// Who compares all nodes has one of these.
    pub(crate) comparisons: Arc<Semaphore>,
}

/// Comparisons of all nodes that run at once: each reads every key of every node.
const COMPARISONS_MAX: usize = 1;

impl LeaderNode {
    /// N.
    pub(crate) fn followers(&self) -> usize {
        self.peers.addresses().count()
    }
}

impl Node {
    /// A leader of the followers at these addresses, in the order of its configuration. A write that names no
    /// time-out of its own may take `write_timeout` from its arrival.
    #[must_use]
    pub fn leader(
        handle: LeaderHandle,
        write_timeout: Duration,
        followers: impl IntoIterator<Item = Address>,
    ) -> Self {
        let peers = Arc::new(PeerTransport::new(followers));
        let comparisons = Arc::new(Semaphore::new(COMPARISONS_MAX));
        let leader = LeaderNode { handle: handle.clone(), write_timeout, peers, comparisons };
        Self { engine: handle.into(), leader: Some(leader) }
    }

    /// A follower.
    #[must_use]
    pub fn follower(handle: FollowerHandle) -> Self {
        Self { engine: handle.into(), leader: None }
    }

    /// The node without HTTP.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The leader, for what only one can do.
    ///
    /// # Errors
    /// [`ApiError::NotLeader`] with the methods that the path has on a follower.
    pub(crate) fn as_leader(&self, allow: &'static str) -> Result<&LeaderNode, ApiError> {
        self.leader.as_ref().ok_or(ApiError::NotLeader { allow })
    }

    /// The follower, for what only one can do.
    ///
    /// # Errors
    /// [`ApiError::NotFollower`].
    pub(crate) fn as_follower(&self) -> Result<&FollowerHandle, ApiError> {
        self.engine.as_follower().ok_or(ApiError::NotFollower)
    }

    /// The methods that a key has here.
    pub(crate) fn key_methods(&self) -> &'static str {
        if self.leader.is_some() { "GET, PUT, DELETE" } else { "GET" }
    }

    /// The level at which this node answers such a read.
    ///
    /// # Errors
    /// [`ApiError::NotLeader`] if only the leader can.
    pub(crate) fn level(&self, consistency: Consistency) -> Result<Level, ApiError> {
        match consistency {
            Consistency::Local => Ok(Level::Local),
            Consistency::Committed => Ok(Level::Committed),
            Consistency::Linearizable => self.as_leader("GET").map(|_| Level::Linearizable),
        }
    }

    /// Empties the node: a leader with a write like any other that `arrived`, a follower only its own copy.
    pub(crate) async fn reset(&self, arrived: Time) -> Result<(), ApiError> {
        match &self.leader {
            Some(LeaderNode { handle, write_timeout, .. }) => {
                handle.write_until(Command::clear(), arrived + *write_timeout).await?;
            }
            None => self.as_follower()?.reset().await?,
        }
        Ok(())
    }
}
