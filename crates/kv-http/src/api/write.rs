//! Writes of one key: `PUT` and `DELETE` of `/kv/{key}`.

use std::borrow::Cow;

use hyper::body::Incoming;
use hyper::http::request::Parts;
use kv_core::{Command, Key, Version};
use kv_replication::engine::Read;
use kv_replication::{Committed, Time};
use serde::{Deserialize, Serialize};

use super::service::{Answer, Service};
use crate::error::ApiError;
use crate::json::{JSON, object, text, to_json};
use crate::node::LeaderNode;
use crate::query::{ACKS, Query, TIMEOUT};
use crate::reply::respond;
use crate::request::{CONDITIONS, json_body, refuse_headers, value};

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

pub(super) async fn put(
    service: &Service,
    leader: &LeaderNode,
    key: Key<'_>,
    head: &Parts,
    body: Incoming,
    arrived: Time,
) -> Answer {
    let query = write_query(leader, head)?;
    let body = json_body(&head.headers, body, &service.config).await?;
    let command = {
        let body: WriteBody<'_> = object(&body, r#"{"value": "…"} with a text as value"#)?;
        Command::put(key, value(&body.value, &service.config)?)?
    };
    let deadline = deadline(leader, &query, arrived);
    let Committed { entry, acks } = leader.handle.write_with(command, query.acks, deadline).await?;
    let (version, read) = (entry.version(), Read::from(entry));
    Ok(respond(JSON, to_json(&Written { key: read.key(), value: text(read.value())?, version, acks })?))
}

/// The key is gone. If it was not there, nothing is written.
pub(super) async fn delete(leader: &LeaderNode, key: Key<'_>, head: &Parts, arrived: Time) -> Answer {
    let query = write_query(leader, head)?;
    let deadline = deadline(leader, &query, arrived);
    let deleted = leader.handle.delete_with(key, query.acks, deadline).await?;
    let (version, acks) = deleted.map(|committed| (committed.entry.version(), committed.acks)).unzip();
    Ok(respond(JSON, to_json(&Deleted { key: key.as_str(), deleted: version.is_some(), version, acks })?))
}

/// What a write may ask for, beside its key and value.
fn write_query(leader: &LeaderNode, head: &Parts) -> Result<Query, ApiError> {
    let query = Query::parse(head.uri.query(), &[TIMEOUT, ACKS])?;
    refuse_headers(&head.headers, &CONDITIONS)?;
    // More acknowledgements than there are followers can never come.
    let followers = leader.followers();
    match query.acks.filter(|acks| *acks > followers) {
        Some(acks) => Err(ApiError::QuorumUnsatisfiable { acks, followers }),
        None => Ok(query),
    }
}

fn deadline(leader: &LeaderNode, query: &Query, arrived: Time) -> Time {
    arrived + query.timeout.unwrap_or(leader.write_timeout)
}
