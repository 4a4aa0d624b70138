//! What an answer carries.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use kv_core::Version;
use kv_replication::engine::Position;

use crate::api::backup::Backup;
use crate::api::list::{Aborted, Listing};
use crate::error::ApiError;
use crate::query::Consistency;

/// An answer, or why there is none.
pub(crate) type Answer = Result<Response<ReplyBody>, ApiError>;

pub(crate) const JSON: &str = "application/json";

const KV_VERSION: HeaderName = HeaderName::from_static("kv-version");
const KV_EPOCH: HeaderName = HeaderName::from_static("kv-epoch");
const KV_LAG_MS: HeaderName = HeaderName::from_static("kv-lag-ms");

/// The body of an answer: there at once, or read from the store as the client takes it.
pub(crate) enum ReplyBody {
    Whole(Full<Bytes>),
    Listing(Box<Listing>),
    Backup(Box<Backup>),
}

impl From<Bytes> for ReplyBody {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        match self.get_mut() {
            Self::Whole(whole) => match Pin::new(whole).poll_frame(context) {
                Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(|never| match never {}))),
                Poll::Pending => Poll::Pending,
            },
            Self::Listing(listing) => listing.poll_frame(context),
            Self::Backup(backup) => backup.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Listing(_) | Self::Backup(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Listing(_) | Self::Backup(_) => SizeHint::default(),
        }
    }
}

pub(crate) fn respond(content_type: &'static str, body: impl Into<Bytes>) -> Response<ReplyBody> {
    with_body(content_type, body.into().into())
}

pub(crate) fn with_body(content_type: &'static str, body: ReplyBody) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Says which version the answer shows.
pub(crate) fn tell_version(headers: &mut HeaderMap, version: Version) {
    headers.insert(KV_VERSION, version.into());
}

/// Says where the node stood: `KV-Version` (how far what it shows reaches: a leader's newest committed version,
/// a follower's watermark, or at `committed` its mark; handed on as a `min_version` it makes reads
/// monotonic, but for a follower's watermark), `KV-Epoch`
/// (`counter.node`, the node in hexadecimal digits; `0.0000000000000000` on a follower that has promised
/// none), and `KV-Lag-Ms` on a follower that has been level with a leader before: see [`Position::lag`].
pub(crate) fn tell_position(headers: &mut HeaderMap, position: &Position, consistency: Consistency) {
    let is_follower_mark = consistency == Consistency::Committed && !position.is_leader;
    let version = if is_follower_mark { position.mark } else { position.version };
    headers.insert(KV_VERSION, version.into());
    if let Ok(epoch) = HeaderValue::from_str(&position.epoch.to_string()) {
        headers.insert(KV_EPOCH, epoch);
    }
    if let Some(lag) = position.lag {
        headers.insert(KV_LAG_MS, u64::try_from(lag.as_millis()).unwrap_or(u64::MAX).into());
    }
}
