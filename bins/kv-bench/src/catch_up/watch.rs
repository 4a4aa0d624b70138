//! What `GET /status` says, and how large the leader is meanwhile.

use std::time::Duration;

use hyper::{Method, StatusCode};
use kv_http::{Address, Client};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::nodes::{Nodes, NodesError};

const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// How long one question may take; a node that does not answer is asked again.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);

/// A leader, as far as this program looks.
#[derive(Debug, Deserialize)]
pub struct LeaderView {
    pub versions: LeaderVersions,
    pub log: LogView,
    pub followers: Vec<LinkView>,
}

#[derive(Debug, Deserialize)]
pub struct LeaderVersions {
    pub assigned: u64,
    pub committed: u64,
}

#[derive(Debug, Deserialize)]
pub struct LogView {
    pub entries: u64,
    pub bytes: u64,
}

#[derive(Debug, Deserialize)]
pub struct LinkView {
    pub state: String,
    pub counts: bool,
    pub watermark: u64,
}

/// A follower, as far as this program looks.
#[derive(Debug, Deserialize)]
pub struct FollowerView {
    pub versions: FollowerVersions,
}

#[derive(Debug, Deserialize)]
pub struct FollowerVersions {
    pub watermark: u64,
}

/// The largest that the leader was in one stage.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peak {
    /// None where the system does not say.
    pub resident_bytes: Option<u64>,
    pub log_entries: u64,
    pub log_bytes: u64,
}

/// A node did not say what was asked.
#[derive(Debug, Error)]
#[error("{address} does not tell its status")]
pub struct NoStatus {
    address: Address,
}

/// Looks at one leader, and at one of its followers.
pub struct Watch {
    leader: Client,
    follower: Client,
    peak: Peak,
}

impl Watch {
    pub fn new(nodes: &Nodes, follower: usize) -> Result<Self, NodesError> {
        Ok(Self {
            leader: Client::new(nodes.leader.clone()),
            follower: Client::new(nodes.follower(follower)?.clone()),
            peak: Peak::default(),
        })
    }

    /// The leader, which must answer.
    pub async fn leader(&mut self, nodes: &Nodes) -> Result<LeaderView, NoStatus> {
        let address = self.leader.address().clone();
        let view: LeaderView = ask(&self.leader).await.ok_or(NoStatus { address })?;
        let resident = nodes.leader_resident_kib().map(|kib| kib * 1024);
        self.peak.resident_bytes = self.peak.resident_bytes.max(resident);
        self.peak.log_entries = self.peak.log_entries.max(view.log.entries);
        self.peak.log_bytes = self.peak.log_bytes.max(view.log.bytes);
        Ok(view)
    }

    /// The follower, which need not be there.
    pub async fn follower(&self) -> Option<FollowerView> {
        ask(&self.follower).await
    }

    /// The largest that the leader was since the last call.
    pub fn take_peak(&mut self) -> Peak {
        std::mem::take(&mut self.peak)
    }
}

async fn ask<View: DeserializeOwned>(client: &Client) -> Option<View> {
    let answer = tokio::time::timeout(ANSWER_PATIENCE, client.send(Method::GET, "/status", None)).await;
    let response = answer.ok()?.ok().filter(|response| response.status == StatusCode::OK)?;
    serde_json::from_slice(&response.body).ok()
}

#[expect(clippy::disallowed_methods, reason = "the pause of a poll with a deadline")]
pub async fn pause() {
    tokio::time::sleep(POLL_INTERVAL).await;
}
