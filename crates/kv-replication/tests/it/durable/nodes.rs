//! A follower and a leader on such a disk, and what they are asked.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use kv_core::{Command, Entry, Epoch, Key, NodeId, Version};
use kv_replication::engine::{FollowerHandle, LeaderHandle, Stopped};
use kv_replication::{
    Answer, Append, Claim, ClusterId, FollowerConfig, Group, Head, Identity, LeaderConfig, MemoryTransport,
    Quorum, Reply, Request, Stage, WriteError,
};

use super::disk::{Disk, PATIENCE};

pub(super) const NODE: NodeId = NodeId(1);
pub(super) const LEADER: NodeId = NodeId(9);
const CLUSTER: ClusterId = ClusterId(7);
const EPOCH: Epoch = Epoch { counter: 2, node: LEADER };

pub(super) fn put(version: Version) -> Entry {
    let key = format!("key{version}");
    Command::put(Key::parse(&key).unwrap(), b"value").unwrap().into_entry(EPOCH, version)
}

pub(super) fn head() -> Head {
    Head { to: Identity { node: NODE, resets: 0 }, cluster: CLUSTER, epoch: EPOCH }
}

pub(super) fn append(versions: &[Version], mark: Version) -> Request {
    let entries = versions.iter().map(|version| put(*version)).collect();
    Request::Append(Append { head: head(), stage: Stage::Serving, counted: true, mark, entries })
}

/// A follower that has promised the epoch.
pub(super) async fn follower(disk: &Disk) -> FollowerHandle {
    let storage = disk.storage();
    let follower = FollowerHandle::restart(disk.image(NODE), FollowerConfig::default(), storage).unwrap();
    let groups = Arc::new(vec![Group { since: EPOCH, write: 1, followers: vec!["one".to_owned()] }]);
    let claim = Request::Claim(Claim { head: head(), renames: None, groups });
    assert!(matches!(in_time(follower.request(claim)).await, Ok(Ok(Answer::Standing(_)))));
    follower
}

/// A leader that serves, with one follower that keeps nothing.
pub(super) async fn leader(disk: &Disk) -> LeaderHandle {
    let transport = MemoryTransport::new(vec![FollowerHandle::new(NodeId(2), FollowerConfig::default())]);
    let config = LeaderConfig::new(Quorum::new(1, 1).unwrap());
    let storage = disk.storage();
    let leader = LeaderHandle::restart(disk.image(LEADER), CLUSTER, config, transport, storage).unwrap();
    in_time(write(&leader, "first", PATIENCE)).await.unwrap();
    leader
}

pub(super) async fn write(
    leader: &LeaderHandle,
    key: &str,
    timeout: Duration,
) -> Result<Version, WriteError> {
    let command = Command::put(Key::parse(key).unwrap(), b"value").unwrap();
    leader.write(command, timeout).await.map(|committed| committed.entry.version())
}

/// A request that is under way.
pub(super) fn begin(
    follower: &FollowerHandle,
    request: Request,
) -> tokio::task::JoinHandle<Result<Reply, Stopped>> {
    let follower = follower.clone();
    tokio::spawn(async move { follower.request(request).await })
}

pub(super) async fn in_time<R>(future: impl Future<Output = R>) -> R {
    tokio::time::timeout(PATIENCE, future).await.expect("an end in time")
}

/// Everything that could go on has gone on.
pub(super) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

pub(super) fn is_held(reply: &Result<Reply, Stopped>) -> bool {
    matches!(reply, Ok(Ok(Answer::Held(_))))
}
