//! A body, read to its end.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

/// Why a body was not read to its end.
#[derive(Debug)]
pub(crate) enum CollectError {
    /// It is longer than allowed, as announced or as found.
    TooLarge,
    /// The connection broke, or what came is no body.
    Broken(hyper::Error),
}

/// Reads the whole body, at most `bytes_max`.
///
/// A body that came in one piece, the common case, is not copied.
pub(crate) async fn collect(mut body: Incoming, bytes_max: usize) -> Result<Bytes, CollectError> {
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(CollectError::TooLarge);
    }
    let mut whole = Bytes::new();
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(CollectError::Broken)?.into_data() else {
            continue;
        };
        if whole.len() + piece.len() > bytes_max {
            return Err(CollectError::TooLarge);
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
