//! The writes, and what else the report has: `/health`, `/replicate`, `/reset`.

use std::borrow::Cow;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Request, Response};
use kv_core::{Command, Epoch, Key, VERSION_MAX, Version};
use kv_replication::engine::Read;
use kv_replication::{Adopted, Committed, Time};
use serde::{Deserialize, Serialize};

use crate::api::route::{refuse_conditions, require_type};
use crate::body;
use crate::error::ApiError;
use crate::query::{ACKS, Query, TIMEOUT};
use crate::reply::{Answer, JSON, ReplyBody, respond};
use crate::server::{LeaderNode, Node, Service};

/// Headers that would make a write conditional.
const CONDITIONS: [&str; 3] = ["if-match", "if-none-match", "idempotency-key"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WriteBody<'a> {
    #[serde(borrow)]
    value: Cow<'a, str>,
}

#[derive(Serialize)]
struct Written<'a> {
    key: &'a str,
    value: &'a str,
    version: Version,
    acks: usize,
}

#[derive(Serialize)]
struct Deleted<'a> {
    key: &'a str,
    /// A tombstone was written. If not, there was nothing to delete, and the rest is absent.
    deleted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Version>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acks: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplicateBody<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
    version: Version,
}

#[derive(Serialize)]
struct Replicated<'a> {
    key: &'a str,
    version: Version,
}

pub(crate) fn health(node: &Node) -> Response<ReplyBody> {
    let role = match node {
        Node::Leader(_) => "leader",
        Node::Follower(_) => "follower",
    };
    respond(JSON, format!(r#"{{"status":"ok","role":"{role}"}}"#))
}

pub(crate) async fn put(
    service: &Service,
    leader: &LeaderNode,
    key: String,
    request: Request<Incoming>,
    arrived: Time,
) -> Answer {
    let query = Query::parse(request.uri().query(), &[TIMEOUT, ACKS])?;
    refuse_conditions(request.headers(), &CONDITIONS)?;
    check_acks(leader, &query)?;
    let body = json_body(service, request).await?;
    let command = {
        let body: WriteBody<'_> = object(&body, r#"{"value": "…"} with a text as value"#)?;
        command(service, &key, &body.value)?
    };
    let deadline = arrived + query.timeout.unwrap_or(leader.write_timeout);
    let Committed { entry, acks } =
        leader.handle.write_with(command, query.acks, deadline).await.map_err(ApiError::Write)?;
    let (version, read) = (entry.version(), Read::from(entry));
    Ok(respond(JSON, to_json(&Written { key: read.key(), value: text(read.value())?, version, acks })?))
}

/// The key is gone. If it was not there, nothing is written.
pub(crate) async fn delete(
    leader: &LeaderNode,
    key: &str,
    request: &Request<Incoming>,
    arrived: Time,
) -> Answer {
    let query = Query::parse(request.uri().query(), &[TIMEOUT, ACKS])?;
    refuse_conditions(request.headers(), &CONDITIONS)?;
    check_acks(leader, &query)?;
    let deadline = arrived + query.timeout.unwrap_or(leader.write_timeout);
    let deleted =
        leader.handle.delete_with(Key::parse(key)?, query.acks, deadline).await.map_err(ApiError::Write)?;
    let (version, acks) = deleted.map(|committed| (committed.entry.version(), committed.acks)).unzip();
    Ok(respond(JSON, to_json(&Deleted { key, deleted: version.is_some(), version, acks })?))
}

/// A write in the report's form, from a leader that knows no epochs.
pub(crate) async fn replicate(service: &Service, request: Request<Incoming>) -> Answer {
    let Node::Follower(follower) = &service.node else {
        return Err(ApiError::NotFollower);
    };
    Query::parse(request.uri().query(), &[])?;
    let body = json_body(service, request).await?;
    let body: ReplicateBody<'_> = object(&body, r#"{"key": "…", "value": "…", "version": 1}"#)?;
    if !(1..=VERSION_MAX).contains(&body.version) {
        return Err(ApiError::InvalidBody(format!("the version must be 1 to {VERSION_MAX}")));
    }
    let entry = command(service, &body.key, &body.value)?.into_entry(Epoch::ZERO, body.version);
    match follower.adopt(&entry).await? {
        Adopted::Now(version) => Ok(respond(JSON, to_json(&Replicated { key: &body.key, version })?)),
        Adopted::Claimed { promised } => Err(ApiError::Claimed { promised }),
        Adopted::DiskFull => Err(ApiError::DiskFull),
    }
}

/// On the leader a clear, replicated like any write; a follower alone drops its copy.
pub(crate) async fn reset(service: &Service, request: &Request<Incoming>, arrived: Time) -> Answer {
    Query::parse(request.uri().query(), &[])?;
    refuse_conditions(request.headers(), &CONDITIONS)?;
    if !service.config.enable_reset {
        return Err(ApiError::ResetDisabled);
    }
    match &service.node {
        Node::Leader(leader) => {
            let deadline = arrived + leader.write_timeout;
            leader.handle.write_until(Command::clear(), deadline).await.map_err(ApiError::Write)?;
        }
        Node::Follower(follower) => follower.reset().await?,
    }
    Ok(respond(JSON, r#"{"status":"ok"}"#))
}

/// More acknowledgements than there are followers can never come.
fn check_acks(leader: &LeaderNode, query: &Query) -> Result<(), ApiError> {
    let followers = leader.peers.addresses().count();
    match query.acks.filter(|acks| *acks > followers) {
        Some(acks) => Err(ApiError::QuorumUnsatisfiable { acks, followers }),
        None => Ok(()),
    }
}

async fn json_body(service: &Service, request: Request<Incoming>) -> Result<Bytes, ApiError> {
    require_type(request.headers(), JSON)?;
    let bytes_max = service.config.body_bytes_max;
    let read = body::read(request.into_body(), bytes_max, service.config.body_timeout).await;
    read.map_err(|error| ApiError::from_body(&error, bytes_max))
}

fn command(service: &Service, key: &str, value: &str) -> Result<Command, ApiError> {
    let bytes_max = service.config.value_bytes_max;
    if value.len() > bytes_max {
        return Err(ApiError::TooLarge { bytes_max });
    }
    Command::put(Key::parse(key)?, value.as_bytes()).map_err(|_| ApiError::TooLarge { bytes_max })
}

/// Reads a JSON object; what it may hold is the type's business.
///
/// The error says where the body went wrong, but not with its own words: they may hold a value.
fn object<'a, T: Deserialize<'a>>(body: &'a [u8], expected: &str) -> Result<T, ApiError> {
    let parsed = match body.trim_ascii_start().first() {
        Some(b'{') => serde_json::from_slice(body).map_err(|error| (error.line(), error.column())),
        _ => Err((1, 1)), // serde would take an array for the fields in their order
    };
    parsed.map_err(|(line, column)| {
        ApiError::InvalidBody(format!(
            "the body must be JSON of the form {expected}; see line {line}, column {column}"
        ))
    })
}

pub(crate) fn text(value: &[u8]) -> Result<&str, ApiError> {
    std::str::from_utf8(value).map_err(|_| ApiError::NotText)
}

pub(crate) fn to_json(answer: &impl Serialize) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(answer).map_err(|_| ApiError::NotText)
}
