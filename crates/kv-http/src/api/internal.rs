//! The endpoints that a leader uses; [`PeerTransport`](crate::peer::PeerTransport) is its side of them.

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use kv_replication::{Answer as Said, Request};

use super::service::{Answer, Service};
use crate::reply::respond;
use crate::request::wire_body;
use crate::wire::{self, WireError};

/// Answers a request of a leader.
pub(super) async fn answer(service: &Service, head: &Parts, body: Incoming) -> Answer {
    let follower = service.node.as_follower()?;
    let body = wire_body(&head.headers, body, wire::CONTENT_TYPE, &service.config).await?;
    let path = head.uri.path();
    if path == wire::DIGEST_PATH {
        let wire::DigestRequest { mark, wait } = wire::decode_digest_request(&body)?;
        let digest = follower.digest(mark, wait).await;
        return Ok(respond(wire::CONTENT_TYPE, wire::encode_digest(&digest)));
    }
    let request = decode(path, &body)?;
    Ok(respond(wire::CONTENT_TYPE, encode(&follower.request(request).await??)))
}

fn decode(path: &str, body: &Bytes) -> Result<Request, WireError> {
    Ok(match path {
        wire::CLAIM_PATH => Request::Claim(wire::decode_claim(body)?),
        wire::APPEND_PATH => Request::Append(wire::decode_append(body)?),
        wire::INSTALL_PATH => Request::Install(wire::decode_install(body)?),
        wire::PULL_PATH => Request::Pull(wire::decode_pull(body)?),
        _ if body.is_empty() => Request::Probe,
        _ => return Err(WireError::Length),
    })
}

fn encode(said: &Said) -> Bytes {
    match said {
        Said::Standing(standing) => wire::encode_standing(standing),
        Said::Held(held) => wire::encode_held(held),
        Said::Chunk(chunk) => wire::encode_chunk(chunk),
    }
}
