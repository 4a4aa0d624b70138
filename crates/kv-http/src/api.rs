//! Which path and method leads where.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response};
use kv_core::Key;
use kv_replication::Time;
use percent_encoding::percent_decode_str;

use crate::error::ApiError;
use crate::server::{Node, Service};
use crate::{internal, kv, status, wire};

pub(crate) type Answer = Result<Response<Full<Bytes>>, ApiError>;

/// The longest time that a client may ask a write to take.
const TIMEOUT_MS_MAX: u64 = 600_000;
/// The one parameter that there is so far.
pub(crate) const TIMEOUT: &str = "timeout_ms";

/// Answers one request. `arrived` is when its head had been read, on the clock of the leader.
pub(crate) async fn answer(
    service: &Service,
    request: Request<Incoming>,
    arrived: Time,
) -> Response<Full<Bytes>> {
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
            (&Method::GET, node) => kv::get(node, &key, &request),
            (&Method::PUT, Node::Leader(leader)) => {
                kv::put(service, leader, key.into_owned(), request, arrived).await
            }
            (&Method::DELETE, Node::Leader(leader)) => kv::delete(leader, &key, &request, arrived).await,
            (&Method::PUT | &Method::DELETE, Node::Follower(_)) => Err(ApiError::NotLeader { allow: "GET" }),
            (_, Node::Leader(_)) => Err(ApiError::MethodNotAllowed { allow: "GET, PUT, DELETE" }),
            (_, Node::Follower(_)) => Err(ApiError::MethodNotAllowed { allow: "GET" }),
        };
    }
    let is = |method: &Method, allow| {
        if request.method() == method { Ok(()) } else { Err(ApiError::MethodNotAllowed { allow }) }
    };
    match path {
        wire::PROBE_PATH | wire::CLAIM_PATH | wire::APPEND_PATH | wire::INSTALL_PATH | wire::PULL_PATH => {
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
            let verbose = match request.uri().query().unwrap_or_default() {
                "" => false,
                "verbose" | "verbose=" | "verbose=true" => true,
                _ => return Err(ApiError::parameter("readyz", "only verbose is known here")),
            };
            Ok(status::ready(service, verbose))
        }
        "/health" => {
            is(&Method::GET, "GET")?;
            Query::parse(request.uri().query(), &[])?;
            Ok(kv::health(&service.node))
        }
        "/kv" => {
            is(&Method::GET, "GET")?;
            Query::parse(request.uri().query(), &[])?;
            kv::dump(&service.node)
        }
        "/replicate" => {
            is(&Method::POST, "POST")?;
            kv::replicate(service, request).await
        }
        "/reset" => {
            is(&Method::POST, "POST")?;
            kv::reset(service, &request, arrived).await
        }
        _ => Err(ApiError::NotFound),
    }
}

/// All that follows `/kv/`, percent-decoded once.
fn decode_key(raw: &str) -> Result<Cow<'_, str>, ApiError> {
    let is_escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if raw.split('%').skip(1).any(|rest| !is_escape(rest)) {
        return Err(ApiError::InvalidKeyPath("the key holds a broken percent escape"));
    }
    let key = percent_decode_str(raw).decode_utf8().map_err(|_| kv_core::InvalidKey::NotUtf8)?;
    Key::parse(&key)?;
    if key.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(ApiError::InvalidKeyPath("the key holds a . or .. segment"));
    }
    Ok(key)
}

/// Checked query parameters.
#[derive(Debug, Default)]
pub(crate) struct Query {
    pub(crate) timeout: Option<Duration>,
}

impl Query {
    /// Reads the query; only `known` parameters may be there, each once.
    pub(crate) fn parse(query: Option<&str>, known: &[&str]) -> Result<Self, ApiError> {
        let mut parsed = Self::default();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if name != TIMEOUT || !known.contains(&name) {
                return Err(ApiError::parameter(name, "no such parameter here, or not supported yet"));
            }
            if parsed.timeout.is_some() {
                return Err(ApiError::parameter(name, "given twice"));
            }
            let ms = value.parse().ok().filter(|ms| (1..=TIMEOUT_MS_MAX).contains(ms));
            let ms =
                ms.ok_or_else(|| ApiError::parameter(name, "must be whole milliseconds, 1 to 600000"))?;
            parsed.timeout = Some(Duration::from_millis(ms));
        }
        Ok(parsed)
    }
}

/// Headers that would change what a request means, and that this server does not know yet.
pub(crate) fn refuse_conditions(headers: &HeaderMap) -> Result<(), ApiError> {
    for name in ["if-match", "if-none-match", "idempotency-key"] {
        if headers.contains_key(name) {
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

pub(crate) fn respond(content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
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

    #[test]
    fn a_query_holds_only_what_works() {
        let parse = |query| Query::parse(Some(query), &["timeout_ms"]).map(|query| query.timeout);
        assert_eq!(parse("timeout_ms=250"), Ok(Some(Duration::from_millis(250))));
        assert_eq!(parse(""), Ok(None));
        for bad in [
            "w=3",
            "timeout_ms=0",
            "timeout_ms=",
            "timeout_ms=-1",
            "timeout_ms=600001",
            "timeout_ms=1&timeout_ms=1",
            "cas",
        ] {
            assert_eq!(parse(bad).map_err(|error| error.status().1), Err("invalid_parameter"), "{bad}");
        }
    }
}
