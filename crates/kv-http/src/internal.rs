//! The endpoints that a leader uses.

use hyper::Request;
use hyper::body::Incoming;
use kv_replication::engine::FollowerHandle;

use crate::api::{Answer, require_type, respond};
use crate::error::ApiError;
use crate::server::{Node, Service};
use crate::{body, wire};

pub(crate) fn probe(service: &Service, request: &Request<Incoming>) -> Answer {
    let follower = follower(service)?;
    require_type(request.headers(), wire::CONTENT_TYPE)?;
    reply(follower, kv_replication::Request::Probe)
}

pub(crate) async fn append(service: &Service, request: Request<Incoming>) -> Answer {
    let follower = follower(service)?;
    require_type(request.headers(), wire::CONTENT_TYPE)?;
    let bytes_max = service.config.batch_bytes_max;
    let body = body::read(request.into_body(), bytes_max, service.config.body_timeout).await;
    let body = body.map_err(|error| ApiError::from_body(&error, bytes_max))?;
    let append = wire::decode_append(&body).map_err(|error| ApiError::InvalidBody(error.to_string()))?;
    reply(follower, kv_replication::Request::Append(append))
}

fn follower(service: &Service) -> Result<&FollowerHandle, ApiError> {
    match &service.node {
        Node::Follower(follower) => Ok(follower),
        Node::Leader(_) => Err(ApiError::NotFollower),
    }
}

fn reply(follower: &FollowerHandle, request: kv_replication::Request) -> Answer {
    let held = follower.request(request)?;
    Ok(respond(wire::CONTENT_TYPE, wire::encode_held(&held)))
}
