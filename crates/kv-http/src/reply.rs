//! What an answer carries.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use kv_core::Version;
use kv_replication::engine::Position;

use crate::query::Consistency;

const KV_VERSION: HeaderName = HeaderName::from_static("kv-version");
const KV_EPOCH: HeaderName = HeaderName::from_static("kv-epoch");
const KV_LAG_MS: HeaderName = HeaderName::from_static("kv-lag-ms");

/// Why a body ends before its end. The client sees its connection end; the reason is for the log.
pub(crate) type Aborted = Box<dyn Error + Send + Sync>;

/// The body of an answer: there at once, or made while the client takes it.
pub(crate) enum ReplyBody {
    /// The common case, which costs no allocation of its own.
    Whole(Full<Bytes>),
    Stream(Box<Paced<dyn Frames>>),
}

/// A body of any length, frame by frame.
pub(crate) trait Frames: Send {
    /// Nothing follows.
    fn is_done(&self) -> bool;

    /// Makes the next frame; one that is empty is not sent. Not asked again once it is done or has failed.
    fn next_frame(&mut self) -> Result<Bytes, Aborted>;
}

/// Gives everybody else a turn before each frame but the first, which is made already.
pub(crate) struct Paced<F: Frames + ?Sized> {
    first: Option<Bytes>,
    /// The others have had their turn since the last frame.
    rested: bool,
    frames: F,
}

impl<F: Frames + ?Sized> Paced<F> {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if self.frames.is_done() {
            return Poll::Ready(None);
        }
        if std::mem::take(&mut self.rested) {
            let frame = self.frames.next_frame();
            if !matches!(&frame, Ok(frame) if frame.is_empty()) {
                return Poll::Ready(Some(frame.map(Frame::data)));
            }
        }
        self.rested = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
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
            Self::Stream(stream) => stream.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// An answer that is there as a whole.
pub(crate) fn respond(content_type: &'static str, body: impl Into<Bytes>) -> Response<ReplyBody> {
    with_body(content_type, body.into().into())
}

/// An answer whose body begins with `first`, and goes on with `frames`.
pub(crate) fn respond_with(
    content_type: &'static str,
    first: Bytes,
    frames: impl Frames + 'static,
) -> Response<ReplyBody> {
    let paced = Paced { first: Some(first), rested: false, frames };
    with_body(content_type, ReplyBody::Stream(Box::new(paced)))
}

fn with_body(content_type: &'static str, body: ReplyBody) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Says which version the answer shows.
pub(crate) fn tell_version(headers: &mut HeaderMap, version: Version) {
    headers.insert(KV_VERSION, version.into());
}

/// Says where the node stood.
///
/// `KV-Version` is how far what it shows reaches: a leader's newest committed version, a follower's
/// watermark, or at `committed` its mark. Handed on as a `min_version` it makes reads monotonic, but for a
/// follower's watermark. `KV-Epoch` is `counter.node`, the node in hexadecimal digits;
/// `0.0000000000000000` on a follower that has promised none. `KV-Lag-Ms` is there on a follower that has
/// been level with a leader before: see [`Position::lag`].
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::task::Waker;

    use super::*;

    /// Frames that are there already; the end is one of them.
    struct Made(VecDeque<Result<&'static str, &'static str>>);

    impl Frames for Made {
        fn is_done(&self) -> bool {
            self.0.is_empty()
        }

        fn next_frame(&mut self) -> Result<Bytes, Aborted> {
            Ok(self.0.pop_front().unwrap()?.into())
        }
    }

    /// What each look at the body brings, as long as it is not its end.
    fn looks(frames: &[Result<&'static str, &'static str>]) -> Vec<String> {
        let made = Made(frames.iter().copied().collect());
        let mut body = respond_with("text/plain", Bytes::from("first"), made).into_body();
        let mut context = Context::from_waker(Waker::noop());
        let mut looks = Vec::new();
        loop {
            looks.push(match Pin::new(&mut body).poll_frame(&mut context) {
                Poll::Pending => "rest".to_owned(),
                Poll::Ready(Some(Ok(frame))) => {
                    String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
                }
                Poll::Ready(Some(Err(error))) => {
                    looks.push(error.to_string());
                    return looks;
                }
                Poll::Ready(None) => return looks,
            });
        }
    }

    #[test]
    fn everybody_else_has_a_turn_before_each_frame() {
        assert_eq!(looks(&[]), ["first"]);
        assert_eq!(looks(&[Ok("a"), Ok("b")]), ["first", "rest", "a", "rest", "b"]);
        assert_eq!(looks(&[Ok(""), Ok("b")]), ["first", "rest", "rest", "b"], "an empty frame is not sent");
        assert_eq!(looks(&[Ok("a"), Err("broken")]), ["first", "rest", "a", "rest", "broken"]);
    }
}
