//! What a request brings, read once into what cannot be wrong any more: its key, its body, its value.

use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use kv_core::{InvalidKey, Key};
use percent_encoding::percent_decode_str;

use crate::body::{CollectError, collect};
use crate::config::ServerConfig;
use crate::error::ApiError;
use crate::json::JSON;
use crate::query::escapes_are_whole;

/// Headers that would make a write conditional.
pub(crate) const CONDITIONS: [&str; 3] = ["if-match", "if-none-match", "idempotency-key"];

/// A key as it stands in a path, percent-decoded once. [`key`] says whether it is one.
pub(crate) fn decoded(raw: &str) -> Result<Cow<'_, str>, ApiError> {
    if !escapes_are_whole(raw) {
        return Err(ApiError::InvalidKeyPath("the key holds a broken percent escape"));
    }
    Ok(percent_decode_str(raw).decode_utf8().map_err(|_| InvalidKey::NotUtf8)?)
}

/// The key of a path. Everything behind this takes a [`Key`], and parses nothing.
pub(crate) fn key(decoded: &str) -> Result<Key<'_>, ApiError> {
    let key = Key::parse(decoded)?;
    if decoded.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(ApiError::InvalidKeyPath("the key holds a . or .. segment"));
    }
    Ok(key)
}

/// A value, if it is within the limit of this server.
pub(crate) fn value<'a>(text: &'a str, config: &ServerConfig) -> Result<&'a [u8], ApiError> {
    let bytes_max = config.value_bytes_max;
    if text.len() > bytes_max { Err(ApiError::TooLarge { bytes_max }) } else { Ok(text.as_bytes()) }
}

/// Headers that would change what a request means, and that this server does not know yet.
pub(crate) fn refuse_headers(headers: &HeaderMap, names: &[&str]) -> Result<(), ApiError> {
    for name in names {
        if headers.contains_key(*name) {
            return Err(ApiError::parameter(name, "this header is not supported yet"));
        }
    }
    Ok(())
}

/// The body of a client's request.
pub(crate) async fn json_body(
    headers: &HeaderMap,
    body: Incoming,
    config: &ServerConfig,
) -> Result<Bytes, ApiError> {
    require_type(headers, JSON)?;
    read(body, config.body_bytes_max, config.body_timeout).await
}

/// The body of a leader's request.
pub(crate) async fn wire_body(
    headers: &HeaderMap,
    body: Incoming,
    content_type: &'static str,
    config: &ServerConfig,
) -> Result<Bytes, ApiError> {
    require_type(headers, content_type)?;
    read(body, config.batch_bytes_max, config.body_timeout).await
}

/// Refuses a body that does not say it is `expected`.
fn require_type(headers: &HeaderMap, expected: &'static str) -> Result<(), ApiError> {
    let given = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let essence = given.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(expected.as_bytes()) {
        Ok(())
    } else {
        Err(ApiError::UnsupportedMediaType { expected })
    }
}

/// Reads the whole body, at most `bytes_max`, in at most `time_max`.
async fn read(body: Incoming, bytes_max: usize, time_max: Duration) -> Result<Bytes, ApiError> {
    let mut collecting = pin!(collect(body, bytes_max));
    // A body that came with its head is there at the second look: only a slow one is worth a timer.
    let mut looks = 0;
    let soon = poll_fn(|context| {
        looks += 1;
        match collecting.as_mut().poll(context) {
            Poll::Ready(body) => Poll::Ready(Some(body)),
            Poll::Pending if looks < 2 => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending => Poll::Ready(None),
        }
    });
    let collected = match soon.await {
        Some(collected) => collected,
        None => tokio::time::timeout(time_max, collecting).await.map_err(|_| ApiError::BodyTimeout)?,
    };
    collected.map_err(|error| match error {
        CollectError::TooLarge => ApiError::TooLarge { bytes_max },
        CollectError::Broken(_) => ApiError::BodyBroken,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded_once() {
        let parse = |raw: &str| {
            let text = decoded(raw)?;
            key(&text).map(|key| key.as_str().to_owned())
        };
        for (raw, key) in [
            ("a", "a"),
            ("a/b", "a/b"),
            ("a%2Fb", "a/b"),
            ("a+b", "a+b"),
            ("%2541", "%41"),
            ("%C3%B6", "ö"),
            ("a..b", "a..b"),
        ] {
            assert_eq!(parse(raw), Ok(key.to_owned()), "{raw}");
        }
        for raw in ["", "%", "%4", "%zz", "a%", "%ff", "a%0Ab", "..", "a/./b", "%2e%2e/x"] {
            assert_eq!(parse(raw).map_err(|error| error.status().1), Err("invalid_key"), "{raw}");
        }
    }
}
