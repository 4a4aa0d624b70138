//! The endpoints that a leader uses.

use bytes::Bytes;
use hyper::body::Incoming;
use kv_replication::{Answer as Said, Request};

use crate::api::route::require_type;
use crate::body;
use crate::error::ApiError;
use crate::reply::{Answer, respond};
use crate::server::{Node, Service};
use crate::wire::{self, WireError};

/// Answers a request of a leader that came to `path`.
pub(crate) async fn answer(service: &Service, path: &str, request: hyper::Request<Incoming>) -> Answer {
    let Node::Follower(follower) = &service.node else {
        return Err(ApiError::NotFollower);
    };
    require_type(request.headers(), wire::CONTENT_TYPE)?;
    let bytes_max = service.config.batch_bytes_max;
    let body = body::read(request.into_body(), bytes_max, service.config.body_timeout).await;
    let body = body.map_err(|error| ApiError::from_body(&error, bytes_max))?;
    let invalid = |error: WireError| ApiError::InvalidBody(error.to_string());
    if path == wire::DIGEST_PATH {
        let wire::DigestRequest { mark, wait } = wire::decode_digest_request(&body).map_err(invalid)?;
        let digest = follower.digest(mark, wait).await;
        return Ok(respond(wire::CONTENT_TYPE, wire::encode_digest(&digest)));
    }
    let request = decode(path, &body).map_err(invalid)?;
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
