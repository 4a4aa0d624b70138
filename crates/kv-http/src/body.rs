//! Reading a body, within its limits.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

/// Why a body was not read.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// It is longer than allowed, as announced or as found.
    TooLarge,
    /// It did not come in time.
    TimedOut,
    /// The connection broke.
    Broken(hyper::Error),
}

/// Reads the whole body, at most `bytes_max`, in at most `time_max`.
///
/// A body that came in one piece, the common case, is not copied.
pub(crate) async fn read(body: Incoming, bytes_max: usize, time_max: Duration) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(BodyError::TooLarge);
    }
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
    match soon.await {
        Some(body) => body,
        None => tokio::time::timeout(time_max, collecting).await.unwrap_or(Err(BodyError::TimedOut)),
    }
}

pub(crate) async fn collect(mut body: Incoming, bytes_max: usize) -> Result<Bytes, BodyError> {
    let mut whole = Bytes::new();
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(BodyError::Broken)?.into_data() else {
            continue;
        };
        if whole.len() + piece.len() > bytes_max {
            return Err(BodyError::TooLarge);
        }
        whole = match whole.try_into_mut() {
            Ok(start) if start.is_empty() => piece,
            Ok(start) => joined(start, &piece),
            Err(start) if start.is_empty() => piece,
            Err(start) => joined(BytesMut::from(start.as_ref()), &piece),
        };
    }
    Ok(whole)
}

fn joined(mut start: BytesMut, piece: &Bytes) -> Bytes {
    start.extend_from_slice(piece);
    start.freeze()
}
