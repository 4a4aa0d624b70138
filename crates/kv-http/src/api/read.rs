//! Reading one key, at the level that the client asks for.

use bytes::Bytes;
use hyper::header::{ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use kv_core::{Key, Version};
use kv_replication::engine::{Read, Seen, Want};
use serde::Serialize;

use super::service::{Answer, Service};
use crate::error::ApiError;
use crate::json::{JSON, text, to_json};
use crate::query::{CONSISTENCY, MIN_VERSION, Query, TIMEOUT};
use crate::reply::{ReplyBody, respond, tell_position};
use crate::request::refuse_headers;

/// What a read shows of a key.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    pub(super) value: &'a str,
    pub(super) version: Version,
}

pub(super) async fn get(service: &Service, key: Key<'_>, head: &Parts) -> Answer {
    let query = Query::parse(head.uri.query(), &[TIMEOUT, CONSISTENCY, MIN_VERSION])?;
    refuse_headers(&head.headers, &["if-match", "idempotency-key"])?;
    let want = want(service, &query)?;
    let Seen { position, found } = service.node.engine().read(key.as_str(), want).await?;
    // What is pending on a follower may be replaced under the same version: it gets no tag.
    let is_settled = |read: &Read| position.is_leader || read.version() <= position.mark;
    let shown =
        found.ok_or(ApiError::KeyNotFound).and_then(|read| show(&read, &head.headers, is_settled(&read)));
    let mut response = shown.unwrap_or_else(|error| error.response(false));
    tell_position(response.headers_mut(), &position, query.consistency);
    Ok(response)
}

/// What the engine is asked for.
pub(super) fn want(service: &Service, query: &Query) -> Result<Want, ApiError> {
    let level = service.node.level(query.consistency)?;
    let timeout = query.timeout.unwrap_or(service.config.read_timeout);
    Ok(Want { level, min_version: query.min_version, timeout })
}

/// The key's value; nothing but the head if the client has this version already.
fn show(read: &Read, headers: &HeaderMap, is_settled: bool) -> Answer {
    let tag = format!("\"{}\"", read.version());
    let mut response = if is_settled && has(headers, &tag) {
        let mut response = Response::new(ReplyBody::from(Bytes::new()));
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        respond(JSON, to_json(&Shown { value: text(read.value())?, version: read.version() })?)
    };
    if let Some(tag) = HeaderValue::from_str(&tag).ok().filter(|_| is_settled) {
        response.headers_mut().insert(ETAG, tag);
    }
    Ok(response)
}

/// Whether `If-None-Match` names `tag`. Weak tags are compared like strong ones, as RFC 9110 wants it
/// here; what is no tag matches nothing.
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let lists = headers.get_all(IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    let mut named = lists.flat_map(|list| list.split(',')).map(str::trim);
    named.any(|name| name == "*" || name.strip_prefix("W/").unwrap_or(name) == tag)
}
