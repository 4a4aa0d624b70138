//! The digests of all nodes, at one mark of the leader.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use kv_core::{Digest, Version};
use kv_replication::Phase;
use kv_replication::engine::PeerDigest;
use tokio::task::JoinSet;

use crate::error::{ApiError, NodeProblem};
use crate::node::LeaderNode;
use crate::wire::DigestRequest;

/// What the leader is called among the nodes; followers are called by their addresses.
pub(super) const LEADER: &str = "leader";
/// The share of the time that is left in which a follower must have come to the mark; the rest is for
/// its digest and its answer.
const WAIT_SHARE: f64 = 0.75;

/// All digests at one mark of the leader.
pub(super) struct Round<'a> {
    pub(super) leader: &'a LeaderNode,
    pub(super) own: Digest,
    /// By index: what a follower says, or why it cannot be compared.
    pub(super) followers: Vec<Result<PeerDigest, String>>,
}

impl<'a> Round<'a> {
    /// Asks until all are at one mark, at most until `left` says that no time is left.
    pub(super) async fn ask(leader: &'a LeaderNode, left: impl Fn() -> Duration) -> Result<Self, ApiError> {
        loop {
            let level = leader.handle.until_level(left()).await;
            if !level || left().is_zero() || leader.handle.phase() != Phase::Serving {
                return Err(leader_problem(leader));
            }
            let digest = tokio::time::timeout(left(), leader.handle.digest()).await;
            let Some(own) = digest.map_err(|_| leader_problem(leader))? else {
                tokio::task::yield_now().await; // a write came in between
                continue;
            };
            let followers = ask_all(leader, own.mark, left()).await;
            let round = Round { leader, own, followers };
            // One that is further than the leader was: a write came in between.
            if left().is_zero() || !round.followers.iter().flatten().any(|said| said.mark > own.mark) {
                return Ok(round);
            }
        }
    }

    /// The digest of a follower that may be compared with the leader's.
    pub(super) fn comparable(&self, said: &Result<PeerDigest, String>) -> Result<Digest, String> {
        let said = said.as_ref().map_err(String::clone)?;
        let status = self.leader.handle.status();
        if said.cluster != Some(status.cluster) {
            return Err("it does not belong to the leader's cluster".to_owned());
        }
        if said.promised != status.epoch {
            return Err(format!("it has promised epoch {}, not {}", said.promised, status.epoch));
        }
        match said.digest {
            Some(digest) if digest.mark == self.own.mark => Ok(digest),
            _ => Err(without_digest(said.mark, self.own.mark)),
        }
    }

    /// Of the followers, by index.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.leader.peers.addresses().map(ToString::to_string)
    }
}

/// Every follower's digest at `mark`, all at the same time.
async fn ask_all(leader: &LeaderNode, mark: Version, left: Duration) -> Vec<Result<PeerDigest, String>> {
    let wait = left.mul_f64(WAIT_SHARE);
    let count = leader.peers.addresses().count();
    let mut asking = JoinSet::new();
    for follower in 0..count {
        let peers = Arc::clone(&leader.peers);
        asking.spawn(async move {
            let digest = peers.digest(follower, DigestRequest { mark, wait });
            let said = tokio::time::timeout(left, digest).await;
            (follower, said)
        });
    }
    let mut answers = vec![Err("it was not asked to the end".to_owned()); count];
    while let Some(asked) = asking.join_next().await {
        if let Ok((follower, answer)) = asked
            && let Some(slot) = answers.get_mut(follower)
        {
            *slot = match answer {
                Ok(said) => said.map_err(|error| error.to_string()),
                Err(_) => Err("no answer in time".to_owned()),
            };
        }
    }
    answers
}

fn leader_problem(leader: &LeaderNode) -> ApiError {
    let status = leader.handle.status();
    let problem = match (status.phase, status.obstacle()) {
        (_, None) => unsettled(status.assigned, status.mark),
        (Phase::Deposed { .. }, Some(obstacle)) => obstacle,
        (_, Some(obstacle)) => format!("the leader is not ready: {obstacle}"),
    };
    ApiError::CouldNotCompare { nodes: vec![NodeProblem { node: LEADER.to_owned(), problem }] }
}

/// Why a leader that serves was not compared.
fn unsettled(assigned: Version, mark: Version) -> String {
    if assigned > mark {
        format!(
            "writes are under way: version {assigned} is the newest, and everything up to {mark} is committed"
        )
    } else {
        format!("its digest at version {mark} was not there within the time-out")
    }
}

/// Why a follower whose commit mark is `mark` gave no digest at `asked`.
fn without_digest(mark: Version, asked: Version) -> String {
    match mark.cmp(&asked) {
        Ordering::Less => {
            format!("it knows everything up to version {mark} to be committed, not up to {asked}")
        }
        Ordering::Equal => format!("it gave no digest at version {asked}"),
        Ordering::Greater => "writes go on".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_named_only_if_there_are_any() {
        assert!(unsettled(7, 5).starts_with("writes are under way: version 7 is the newest"));
        assert_eq!(unsettled(5, 5), "its digest at version 5 was not there within the time-out");
        assert_eq!(without_digest(6, 5), "writes go on");
        assert_eq!(without_digest(5, 5), "it gave no digest at version 5");
        assert!(without_digest(4, 5).contains("up to version 4"));
    }
}
