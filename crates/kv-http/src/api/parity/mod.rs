//! `GET /parity`: are all nodes equal?
//!
//! The leader waits until everything that it has written is committed, takes its digest, and asks every
//! follower for its own at that mark. Digests of one mark decide; if they differ, the nodes are walked
//! through in key order for the first keys that they hold differently. A node that cannot be asked, or
//! does not get to that mark in time, is not compared: that is an answer of its own, and never "equal".

mod differences;

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use kv_core::{Digest, NodeId, Version};
use kv_replication::Phase;
use kv_replication::engine::PeerDigest;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::api::write::to_json;
use crate::error::{ApiError, NodeProblem};
use crate::query::{Query, TIMEOUT};
use crate::reply::{Answer, JSON, respond};
use crate::server::{LeaderNode, Node, Service};
use crate::wire::DigestRequest;
use differences::Difference;

/// What the leader is called among the nodes; followers are called by their addresses.
const LEADER: &str = "leader";
/// The share of the time that is left in which a follower must have come to the mark; the rest is for
/// its digest and its answer.
const WAIT_SHARE: f64 = 0.75;

#[derive(Serialize)]
struct Comparison {
    parity_ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// At which commit mark they were compared.
    version: Version,
    /// The leader first.
    nodes: Vec<NodeView>,
    /// The first keys that are not the same everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    differences: Option<Vec<Difference>>,
    /// There are no others.
    #[serde(skip_serializing_if = "Option::is_none")]
    differences_complete: Option<bool>,
}

#[derive(Serialize)]
struct NodeView {
    node: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Version>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<usize>,
    /// 128 bits in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// Why it was not compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

pub(crate) async fn parity(service: &Service, request: &Request<Incoming>) -> Answer {
    let Node::Leader(leader) = &service.node else {
        return Err(ApiError::NotLeader { allow: "" });
    };
    let query = Query::parse(request.uri().query(), &[TIMEOUT])?;
    let _turn =
        leader.comparisons.try_acquire().map_err(|_| ApiError::Overloaded { limit: "comparisons_max" })?;
    let timeout = query.timeout.unwrap_or(service.config.parity_timeout);
    let comparison = Round::compare(leader, timeout).await?;
    let mut response = respond(JSON, to_json(&comparison)?);
    if !comparison.parity_ok {
        *response.status_mut() = StatusCode::CONFLICT;
    }
    Ok(response)
}

/// All digests at one mark of the leader.
struct Round<'a> {
    leader: &'a LeaderNode,
    own: Digest,
    /// By index: what a follower says, or why it cannot be compared.
    followers: Vec<Result<PeerDigest, String>>,
}

impl Round<'_> {
    /// Asks until all are at one mark, at most for `timeout`.
    async fn compare(leader: &LeaderNode, timeout: Duration) -> Result<Comparison, ApiError> {
        let clock = leader.handle.clock();
        let deadline = clock.now() + timeout;
        let left = || deadline.since(clock.now());
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
                return round.judge(left()).await;
            }
        }
    }

    async fn judge(&self, left: Duration) -> Result<Comparison, ApiError> {
        let compared: Vec<Result<Digest, String>> =
            self.followers.iter().map(|said| self.comparable(said)).collect();
        let differing: Vec<usize> = compared
            .iter()
            .enumerate()
            .filter_map(|(index, digest)| (*digest.as_ref().ok()? != self.own).then_some(index))
            .collect();
        if differing.is_empty() {
            let nodes = self.names().zip(&compared);
            let problems = nodes.filter_map(|(node, digest)| {
                let problem = digest.as_ref().err()?.clone();
                Some(NodeProblem { node, problem })
            });
            let nodes: Vec<_> = problems.collect();
            if !nodes.is_empty() {
                return Err(ApiError::CouldNotCompare { nodes });
            }
        }
        let equal = Comparison {
            parity_ok: true,
            detail: None,
            code: None,
            version: self.own.mark,
            nodes: self.views(&compared),
            differences: None,
            differences_complete: None,
        };
        if differing.is_empty() {
            return Ok(equal);
        }
        let (differences, complete) = differences::find(self, &differing, left).await;
        Ok(Comparison {
            parity_ok: false,
            detail: Some("the nodes are not equal"),
            code: Some("not_equal"),
            differences: Some(differences),
            differences_complete: Some(complete),
            ..equal
        })
    }

    /// The digest of a follower that may be compared with the leader's.
    fn comparable(&self, said: &Result<PeerDigest, String>) -> Result<Digest, String> {
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

    fn views(&self, compared: &[Result<Digest, String>]) -> Vec<NodeView> {
        let leader = NodeView::compared(LEADER.to_owned(), self.leader.handle.status().node, self.own);
        let followers = self.names().zip(&self.followers).zip(compared);
        let followers = followers.map(|((node, said), digest)| match (said, digest) {
            (Ok(said), Ok(digest)) => NodeView::compared(node, said.identity.node, *digest),
            (_, Err(problem)) | (Err(problem), _) => NodeView {
                node,
                node_id: None,
                version: None,
                keys: None,
                digest: None,
                problem: Some(problem.clone()),
            },
        });
        std::iter::once(leader).chain(followers).collect()
    }

    /// Of the followers, by index.
    fn names(&self) -> impl Iterator<Item = String> {
        self.leader.peers.addresses().map(ToString::to_string)
    }
}

impl NodeView {
    fn compared(node: String, id: NodeId, digest: Digest) -> Self {
        Self {
            node,
            node_id: Some(id.to_string()),
            version: Some(digest.mark),
            keys: Some(digest.keys),
            digest: Some(format!("{:032x}", digest.hash)),
            problem: None,
        }
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
