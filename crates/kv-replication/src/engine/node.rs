//! A node, whatever its role.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::clock::Clock;
use super::follower::handle::FollowerHandle;
use super::leader::handle::LeaderHandle;
use super::moment::Moment;
use super::page::{Page, PageSize, Range};
use super::read::{Level, Position, Read, ReadError, Seen, Want};
use crate::durable::storage::StorageError;

/// A leader or a follower. Clones share it.
///
/// The methods here are those that both have. A request that only one of the two can answer asks for
/// that one: [`Node::as_leader`], [`Node::as_follower`]. No other place matches on the role.
#[derive(Clone, Debug)]
pub enum Node {
    /// It leads.
    Leader(LeaderHandle),
    /// It follows.
    Follower(FollowerHandle),
}

/// The role of a node: it is configured, and never changes while the node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It gives versions to writes and sends them to its followers.
    Leader,
    /// It holds what its leader sends.
    Follower,
}

impl Node {
    /// Its role.
    #[must_use]
    pub fn role(&self) -> Role {
        self.by_role(|_| Role::Leader, |_| Role::Follower)
    }

    /// The leader, if it is one.
    #[must_use]
    pub fn as_leader(&self) -> Option<&LeaderHandle> {
        self.by_role(Some, |_| None)
    }

    /// The follower, if it is one.
    #[must_use]
    pub fn as_follower(&self) -> Option<&FollowerHandle> {
        self.by_role(|_| None, Some)
    }

    /// Calls the function that fits the role. For a result that both roles have, but in different forms,
    /// such as a status.
    pub fn by_role<'a, R>(
        &'a self,
        leader: impl FnOnce(&'a LeaderHandle) -> R,
        follower: impl FnOnce(&'a FollowerHandle) -> R,
    ) -> R {
        match self {
            Self::Leader(handle) => leader(handle),
            Self::Follower(handle) => follower(handle),
        }
    }

    /// What `key` holds.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read(&self, key: &str, want: Want) -> Result<Seen<Option<Read>>, ReadError> {
        match self {
            Self::Leader(leader) => leader.read(key, want).await,
            Self::Follower(follower) => follower.read(key, want).await,
        }
    }

    /// The first keys of `range`, in order.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn page(&self, range: &Range, size: PageSize, want: Want) -> Result<Seen<Page>, ReadError> {
        match self {
            Self::Leader(leader) => leader.page(range, size, want).await,
            Self::Follower(follower) => follower.page(range, size, want).await,
        }
    }

    /// As [`Node::page`], without waiting for anything: for what follows the first page. On a leader every
    /// level shows the same: it shows nothing but what is committed.
    #[must_use]
    pub fn next_page(&self, range: &Range, size: PageSize, level: Level) -> Seen<Page> {
        self.by_role(
            |leader| leader.next_page(range, size),
            |follower| follower.next_page(range, size, level),
        )
    }

    /// Its whole committed state at one version.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::NotWhole`] if there was no such moment in time.
    pub async fn moment(&self, timeout: Duration) -> Result<Moment, ReadError> {
        match self {
            Self::Leader(leader) => leader.moment(timeout).await,
            Self::Follower(follower) => follower.moment(timeout).await,
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.by_role(LeaderHandle::position, FollowerHandle::position)
    }

    /// Waits until it has everything that was committed when it was asked; whether that came in time. See
    /// [`LeaderHandle::until_level`] and [`FollowerHandle::until_level`].
    pub async fn until_level(&self, timeout: Duration) -> bool {
        match self {
            Self::Leader(leader) => leader.until_level(timeout).await,
            Self::Follower(follower) => follower.until_level(timeout).await,
        }
    }

    /// What a key shows at [`Level::Local`], at once and without a position.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Read> {
        self.by_role(|leader| leader.get(key), |follower| follower.get(key))
    }

    /// Its clock: deadlines of writes are times of it.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.by_role(LeaderHandle::clock, FollowerHandle::clock)
    }

    /// From now on a leader refuses writes; those that have a version go on. A follower has nothing to do:
    /// its leader gets along without it.
    pub fn drain(&self) {
        self.by_role(LeaderHandle::drain, |_| ());
    }

    /// Its disk has run full, or has space again. The thread of its disk says so, too.
    pub fn set_disk_full(&self, full: bool) {
        self.by_role(|leader| leader.set_disk_full(full), |follower| follower.set_disk_full(full));
    }

    /// Waits until its disk has failed: from then on nothing is acknowledged any more, and the process
    /// should end. A node without a disk waits for ever.
    pub async fn disk_failed(&self) -> Arc<StorageError> {
        match self {
            Self::Leader(leader) => leader.disk_failed().await,
            Self::Follower(follower) => follower.disk_failed().await,
        }
    }

    /// Writes down what is queued, and gives the disk free. To be called when nothing is asked any more;
    /// it blocks.
    ///
    /// # Errors
    /// [`StorageError`] if the disk has failed, now or before.
    pub fn close(&self) -> Result<(), Arc<StorageError>> {
        self.by_role(LeaderHandle::close, FollowerHandle::close)
    }
}

impl From<LeaderHandle> for Node {
    fn from(leader: LeaderHandle) -> Self {
        Self::Leader(leader)
    }
}

impl From<FollowerHandle> for Node {
    fn from(follower: FollowerHandle) -> Self {
        Self::Follower(follower)
    }
}

impl Role {
    /// `leader` or `follower`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use kv_core::{Command, Key, NodeId};

    use super::*;
    use crate::config::{FollowerConfig, LeaderConfig};
    use crate::engine::memory_transport::MemoryTransport;
    use crate::protocol::message::ClusterId;
    use crate::protocol::quorum::Quorum;

    const LONG: Duration = Duration::from_secs(10);

    /// A leader and the one follower that it needs, after a write of `colour`.
    async fn pair() -> (Node, Node) {
        let follower = FollowerHandle::new(NodeId(1), FollowerConfig::default());
        let transport = MemoryTransport::new(vec![follower.clone()]);
        let config = LeaderConfig::new(Quorum::new(1, 1).unwrap());
        let leader = LeaderHandle::spawn(NodeId(9), ClusterId(1), config, transport).unwrap();
        leader.write(Command::put(Key::parse("colour").unwrap(), b"red").unwrap(), LONG).await.unwrap();
        (leader.into(), follower.into())
    }

    #[tokio::test]
    async fn both_roles_answer_the_same_questions() {
        let (leader, follower) = pair().await;
        let size = PageSize { entries_max: 10, bytes_max: 1 << 20 };
        let range = Range::default();
        for node in [&leader, &follower] {
            assert!(node.until_level(LONG).await, "{} is level", node.role());
            let want = Want { level: Level::Committed, min_version: 1, timeout: LONG };
            let seen = node.read("colour", want).await.unwrap();
            assert_eq!(seen.found.unwrap().value(), b"red");
            assert_eq!(seen.position.is_leader, node.role() == Role::Leader);
            assert_eq!(node.get("colour").unwrap().version(), 1);
            let first = node.page(&range, size, want).await.unwrap();
            assert_eq!(first.found.reads.len(), 1);
            assert_eq!(node.next_page(&range, size, Level::Committed).found, first.found);
            let moment = node.moment(LONG).await.unwrap();
            assert_eq!((moment.mark, moment.entries.len()), (1, 1));
            assert_eq!(node.position().mark, 1);
            node.close().unwrap();
        }
    }

    #[tokio::test]
    async fn a_node_gives_the_handle_of_its_role_and_no_other() {
        let (leader, follower) = pair().await;
        assert!(leader.as_leader().is_some() && leader.as_follower().is_none());
        assert!(follower.as_follower().is_some() && follower.as_leader().is_none());
        assert_eq!((leader.role().name(), follower.role().name()), ("leader", "follower"));
    }

    #[tokio::test]
    async fn a_drain_refuses_writes_on_a_leader_and_leaves_a_follower_as_it_is() {
        let (leader, follower) = pair().await;
        let command = || Command::put(Key::parse("colour").unwrap(), b"blue").unwrap();
        follower.drain();
        leader.as_leader().unwrap().write(command(), LONG).await.unwrap();
        leader.drain();
        leader.as_leader().unwrap().write(command(), LONG).await.unwrap_err();
        assert_eq!(leader.get("colour").unwrap().version(), 2, "it still answers reads");
    }
}
