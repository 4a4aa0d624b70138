//! The digests of all nodes, at one mark of the leader.

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
            _ if said.mark < self.own.mark => {
                let (has, lacks) = (said.mark, self.own.mark);
                Err(format!("it knows everything up to version {has} to be committed, not up to {lacks}"))
            }
            _ => Err("writes go on".to_owned()),
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
    let mut answers = vec![Err("no answer in time".to_owned()); count];
    while let Some(answer) = asking.join_next().await {
        if let Ok((follower, Ok(said))) = answer
            && let Some(slot) = answers.get_mut(follower)
        {
            *slot = said.map_err(|error| error.to_string());
        }
    }
    answers
}

fn leader_problem(leader: &LeaderNode) -> ApiError {
    let status = leader.handle.status();
    let problem = match (status.phase, status.problem) {
        (Phase::Deposed { by }, _) => format!("another leader has taken over with epoch {by}"),
        (_, Some(problem)) => format!("the leader is not ready: {problem}"),
        (_, None) => format!(
            "writes are under way: version {} is the newest, and everything up to {} is committed",
            status.assigned, status.mark
        ),
    };
    ApiError::CouldNotCompare { nodes: vec![NodeProblem { node: LEADER.to_owned(), problem }] }
}
