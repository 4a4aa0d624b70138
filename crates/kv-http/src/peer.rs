//! The leader's side of replication.

use bytes::Bytes;
use hyper::{Method, StatusCode};
use kv_replication::engine::PeerDigest;
use kv_replication::{Answer, Reply, Request, Transport, TransportError};

use crate::address::Address;
use crate::client::{Client, ClientError, Response};
use crate::wire::{self, refusal::refusal_from_json};

/// A [`Transport`] over HTTP: one [`Client`] per follower.
#[derive(Debug)]
pub struct PeerTransport {
    followers: Vec<Client>,
}

impl PeerTransport {
    /// Leads to these followers, in this order.
    #[must_use]
    pub fn new(followers: impl IntoIterator<Item = Address>) -> Self {
        Self { followers: followers.into_iter().map(Client::new).collect() }
    }

    /// Where they are.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.followers.iter().map(Client::address)
    }

    /// The digest of this follower at `mark`, for which it may wait.
    ///
    /// # Errors
    /// [`TransportError`], as [`Transport::send`] gives it. As there, the caller has the clock.
    pub async fn digest(
        &self,
        follower: usize,
        request: wire::DigestRequest,
    ) -> Result<PeerDigest, TransportError> {
        let client = self.followers.get(follower).ok_or(TransportError::NoSuchFollower(follower))?;
        let body = Some((wire::CONTENT_TYPE, wire::encode_digest_request(request)));
        let response = client.send(Method::POST, wire::DIGEST_PATH, body).await.map_err(broken)?;
        if response.status != StatusCode::OK {
            return Err(TransportError::Foreign(format!("it answered {}", response.status)));
        }
        wire::decode_digest(&response.body).map_err(|error| TransportError::Foreign(error.to_string()))
    }
}

impl Transport for PeerTransport {
    async fn send(&self, follower: usize, request: Request) -> Result<Reply, TransportError> {
        let client = self.followers.get(follower).ok_or(TransportError::NoSuchFollower(follower))?;
        let (path, body) = match &request {
            Request::Probe => (wire::PROBE_PATH, Bytes::new()),
            Request::Claim(claim) => (wire::CLAIM_PATH, wire::encode_claim(claim)),
            Request::Append(append) => (wire::APPEND_PATH, wire::encode_append(append)),
            Request::Install(install) => (wire::INSTALL_PATH, wire::encode_install(install)),
            Request::Pull(pull) => (wire::PULL_PATH, wire::encode_pull(pull)),
        };
        drop(request); // the entries are in the body now: they need not live as long as the call
        let response =
            client.send(Method::POST, path, Some((wire::CONTENT_TYPE, body))).await.map_err(broken)?;
        read(path, &response)
    }
}

fn read(path: &str, response: &Response) -> Result<Reply, TransportError> {
    if response.status != StatusCode::OK {
        return match refusal_from_json(&response.body) {
            Some(refusal) => Ok(Err(refusal)),
            None => Err(TransportError::Foreign(format!("it answered {}", response.status))),
        };
    }
    let answer = match path {
        wire::PROBE_PATH | wire::CLAIM_PATH => {
            wire::decode_standing(&response.body).map(|standing| Answer::Standing(Box::new(standing)))
        }
        wire::PULL_PATH => wire::decode_chunk(&response.body).map(Answer::Chunk),
        _ => wire::decode_held(&response.body).map(Answer::Held),
    };
    answer.map(Ok).map_err(|error| TransportError::Foreign(error.to_string()))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn broken(error: ClientError) -> TransportError {
    TransportError::Broken(error.to_string())
}
