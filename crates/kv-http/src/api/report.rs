//! What else the report has: `/health`, `/replicate`, `/reset`.

use std::borrow::Cow;

use hyper::Response;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use kv_core::{Command, Epoch, Key, VERSION_MAX, Version};
use kv_replication::{Adopted, Time};
use serde::{Deserialize, Serialize};

use super::service::{Answer, Service};
use crate::error::ApiError;
use crate::json::{JSON, object, to_json};
use crate::node::Node;
use crate::query::Query;
use crate::reply::{ReplyBody, respond};
use crate::request::{CONDITIONS, json_body, refuse_headers, value};

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

pub(super) fn health(node: &Node) -> Response<ReplyBody> {
    respond(JSON, format!(r#"{{"status":"ok","role":"{}"}}"#, node.engine().role()))
}

/// A write in the report's form, from a leader that knows no epochs.
pub(super) async fn replicate(service: &Service, head: &Parts, body: Incoming) -> Answer {
    let follower = service.node.as_follower()?;
    Query::parse(head.uri.query(), &[])?;
    let body = json_body(&head.headers, body, &service.config).await?;
    let body: ReplicateBody<'_> = object(&body, r#"{"key": "…", "value": "…", "version": 1}"#)?;
    if !(1..=VERSION_MAX).contains(&body.version) {
        return Err(ApiError::InvalidBody(format!("the version must be 1 to {VERSION_MAX}")));
    }
    let value = value(&body.value, &service.config)?;
    let entry = Command::put(Key::parse(&body.key)?, value)?.into_entry(Epoch::ZERO, body.version);
    match follower.adopt(&entry).await? {
        Adopted::Now(version) => Ok(respond(JSON, to_json(&Replicated { key: &body.key, version })?)),
        Adopted::Claimed { promised } => Err(ApiError::Claimed { promised }),
        Adopted::DiskFull => Err(ApiError::DiskFull),
    }
}

/// On the leader a clear, replicated like any write; a follower alone drops its copy.
pub(super) async fn reset(service: &Service, head: &Parts, arrived: Time) -> Answer {
    Query::parse(head.uri.query(), &[])?;
    refuse_headers(&head.headers, &CONDITIONS)?;
    if !service.config.enable_reset {
        return Err(ApiError::ResetDisabled);
    }
    service.node.reset(arrived).await?;
    Ok(respond(JSON, r#"{"status":"ok"}"#))
}
