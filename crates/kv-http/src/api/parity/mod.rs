//! `GET /parity`: are all nodes equal?
//!
//! The leader waits until everything that it has written is committed, takes its digest, and asks every
//! follower for its own at that mark (`round`). Digests of one mark decide; if they differ, the nodes are
//! walked through in key order for the first keys that they hold differently (`differences`). A node that
//! cannot be asked, or does not get to that mark in time, is not compared: that is an answer of its own, and
//! never "equal".

mod differences;
mod round;

use std::time::Duration;

use hyper::StatusCode;
use hyper::http::request::Parts;
use kv_core::{Digest, NodeId, Version};
use serde::Serialize;

use self::differences::Difference;
use self::round::{LEADER, Round};
use super::service::{Answer, Service};
use crate::error::{ApiError, NodeProblem};
use crate::json::{JSON, to_json};
use crate::query::{Query, TIMEOUT};
use crate::reply::respond;

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

pub(super) async fn parity(service: &Service, head: &Parts) -> Answer {
    let leader = service.node.as_leader("")?;
    let query = Query::parse(head.uri.query(), &[TIMEOUT])?;
    let _turn =
        leader.comparisons.try_acquire().map_err(|_| ApiError::Overloaded { limit: "comparisons_max" })?;
    let clock = leader.handle.clock();
    let deadline = clock.now() + query.timeout.unwrap_or(service.config.parity_timeout);
    let left = || deadline.since(clock.now());
    let round = Round::ask(leader, left).await?;
    let comparison = Comparison::of(&round, left()).await?;
    let mut response = respond(JSON, to_json(&comparison)?);
    if !comparison.parity_ok {
        *response.status_mut() = StatusCode::CONFLICT;
    }
    Ok(response)
}

impl Comparison {
    /// Digests decide; only if they differ, `left` is spent on the keys.
    async fn of(round: &Round<'_>, left: Duration) -> Result<Self, ApiError> {
        let compared: Vec<Result<Digest, String>> =
            round.followers.iter().map(|said| round.comparable(said)).collect();
        let differing: Vec<usize> = compared
            .iter()
            .enumerate()
            .filter_map(|(index, digest)| (*digest.as_ref().ok()? != round.own).then_some(index))
            .collect();
        if differing.is_empty() {
            let nodes = round.names().zip(&compared);
            let problems = nodes.filter_map(|(node, digest)| {
                let problem = digest.as_ref().err()?.clone();
                Some(NodeProblem { node, problem })
            });
            let nodes: Vec<_> = problems.collect();
            if !nodes.is_empty() {
                return Err(ApiError::CouldNotCompare { nodes });
            }
        }
        let equal = Self {
            parity_ok: true,
            detail: None,
            code: None,
            version: round.own.mark,
            nodes: views(round, &compared),
            differences: None,
            differences_complete: None,
        };
        if differing.is_empty() {
            return Ok(equal);
        }
        let (differences, complete) = differences::find(round, &differing, left).await;
        Ok(Self {
            parity_ok: false,
            detail: Some("the nodes are not equal"),
            code: Some("not_equal"),
            differences: Some(differences),
            differences_complete: Some(complete),
            ..equal
        })
    }
}

fn views(round: &Round<'_>, compared: &[Result<Digest, String>]) -> Vec<NodeView> {
    let leader = NodeView::compared(LEADER.to_owned(), round.leader.handle.status().node, round.own);
    let followers = round.names().zip(&round.followers).zip(compared);
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
