//! Which path and method leads where.

use std::borrow::Cow;

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response};
use kv_core::Key;
use kv_replication::Time;
use percent_encoding::percent_decode_str;

use super::{backup, internal, parity, read, status, write};
use crate::api::list::{self, Shape};
use crate::error::ApiError;
use crate::query::{Query, SYNC, TIMEOUT, VERBOSE, escapes_are_whole};
use crate::reply::{Answer, ReplyBody, respond};
use crate::server::{Node, Service};
use crate::wire;

/// Answers one request. `arrived` is when its head had been read, on the clock of the leader.
pub(crate) async fn answer(
    service: &Service,
    request: Request<Incoming>,
    arrived: Time,
) -> Response<ReplyBody> {
    let (method, path) = (request.method(), request.uri().path());
    let is_write = match path.strip_prefix("/kv/") {
        Some(_) => matches!(*method, Method::PUT | Method::DELETE),
        None => path == "/reset" && *method == Method::POST,
    };
    route(service, request, arrived).await.unwrap_or_else(|error| error.response(is_write))
}

async fn route(service: &Service, request: Request<Incoming>, arrived: Time) -> Answer {
    let path = request.uri().path();
    if let Some(raw_key) = path.strip_prefix("/kv/") {
        let key = decode_key(raw_key)?;
        return match (request.method(), &service.node) {
            (&Method::GET, _) => read::get(service, &key, &request).await,
            (&Method::PUT, Node::Leader(leader)) => {
                write::put(service, leader, key.into_owned(), request, arrived).await
            }
            (&Method::DELETE, Node::Leader(leader)) => write::delete(leader, &key, &request, arrived).await,
            (&Method::PUT | &Method::DELETE, Node::Follower(_)) => Err(ApiError::NotLeader { allow: "GET" }),
            (_, Node::Leader(_)) => Err(ApiError::MethodNotAllowed { allow: "GET, PUT, DELETE" }),
            (_, Node::Follower(_)) => Err(ApiError::MethodNotAllowed { allow: "GET" }),
        };
    }
    let is = |method: &Method, allow| {
        if request.method() == method { Ok(()) } else { Err(ApiError::MethodNotAllowed { allow }) }
    };
    match path {
        wire::PROBE_PATH
        | wire::CLAIM_PATH
        | wire::APPEND_PATH
        | wire::INSTALL_PATH
        | wire::PULL_PATH
        | wire::DIGEST_PATH => {
            is(&Method::POST, "POST")?;
            let path = path.to_owned();
            internal::answer(service, &path, request).await
        }
        "/status" => {
            is(&Method::GET, "GET")?;
            Query::parse(request.uri().query(), &[])?;
            status::status(&service.node)
        }
        "/livez" => {
            is(&Method::GET, "GET")?;
            Query::parse(request.uri().query(), &[])?;
            Ok(respond(status::TEXT, "ok\n"))
        }
        "/readyz" => {
            is(&Method::GET, "GET")?;
            let query = Query::parse(request.uri().query(), &[VERBOSE, SYNC, TIMEOUT])?;
            Ok(status::ready(service, &query).await)
        }
        "/health" => {
            is(&Method::GET, "GET")?;
            Query::parse(request.uri().query(), &[])?;
            Ok(write::health(&service.node))
        }
        "/kv" => {
            is(&Method::GET, "GET")?;
            list::list(service, &request, Shape::Items).await
        }
        "/keys" => {
            is(&Method::GET, "GET")?;
            list::list(service, &request, Shape::Keys).await
        }
        "/backup" => {
            is(&Method::GET, "GET")?;
            backup::backup(service, &request).await
        }
        "/parity" => {
            is(&Method::GET, "GET")?;
            parity::parity(service, &request).await
        }
        "/replicate" => {
            is(&Method::POST, "POST")?;
            write::replicate(service, request).await
        }
        "/reset" => {
            is(&Method::POST, "POST")?;
            write::reset(service, &request, arrived).await
        }
        _ => Err(ApiError::NotFound),
    }
}

/// All that follows `/kv/`, percent-decoded once.
fn decode_key(raw: &str) -> Result<Cow<'_, str>, ApiError> {
    if !escapes_are_whole(raw) {
        return Err(ApiError::InvalidKeyPath("the key holds a broken percent escape"));
    }
    let key = percent_decode_str(raw).decode_utf8().map_err(|_| kv_core::InvalidKey::NotUtf8)?;
    Key::parse(&key)?;
    if key.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(ApiError::InvalidKeyPath("the key holds a . or .. segment"));
    }
    Ok(key)
}

/// Headers that would change what a request means, and that this server does not know yet.
pub(crate) fn refuse_conditions(headers: &HeaderMap, names: &[&str]) -> Result<(), ApiError> {
    for name in names {
        if headers.contains_key(*name) {
            return Err(ApiError::parameter(name, "this header is not supported yet"));
        }
    }
    Ok(())
}

/// Refuses a body that does not say it is `expected`.
pub(crate) fn require_type(headers: &HeaderMap, expected: &'static str) -> Result<(), ApiError> {
    let given = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let essence = given.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(expected.as_bytes()) {
        Ok(())
    } else {
        Err(ApiError::UnsupportedMediaType { expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded_once() {
        for (raw, key) in [
            ("a", "a"),
            ("a/b", "a/b"),
            ("a%2Fb", "a/b"),
            ("a+b", "a+b"),
            ("%2541", "%41"),
            ("%C3%B6", "ö"),
            ("a..b", "a..b"),
        ] {
            assert_eq!(decode_key(raw).as_deref(), Ok(key), "{raw}");
        }
        for raw in ["", "%", "%4", "%zz", "a%", "%ff", "a%0Ab", "..", "a/./b", "%2e%2e/x"] {
            assert_eq!(decode_key(raw).map_err(|error| error.status().1), Err("invalid_key"), "{raw}");
        }
    }
}
