//! `GET /backup`: the state of the node at one version, as a file that `kv-storage` reads.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::Request;
use hyper::body::{Frame, Incoming};
use kv_core::Entry;
use kv_replication::engine::Moment;
use kv_storage::BackupEncoder;
use tokio::sync::OwnedSemaphorePermit;

use crate::api::list::Aborted;
use crate::error::ApiError;
use crate::query::{Query, TIMEOUT};
use crate::reply::{Answer, ReplyBody, tell_version, with_body};
use crate::server::{Node, Service};

pub(crate) const CONTENT_TYPE: &str = "application/vnd.kv.backup";
/// Entries of one piece of the body, at most.
const PIECE_ENTRIES_MAX: usize = 256;
/// A piece takes no more when it has so many bytes of frames.
const PIECE_BYTES: usize = 64 << 10;

/// Backups that are read at once: each keeps the keys of one moment.
pub(crate) const BACKUPS_MAX: usize = 1;

/// A backup on its way to the client.
pub(crate) struct Backup {
    entries: std::vec::IntoIter<Entry>,
    /// None when all has been written.
    encoder: Option<BackupEncoder>,
    first: Option<Vec<u8>>,
    /// The others have had their turn since the last piece.
    rested: bool,
    _place: OwnedSemaphorePermit,
}

pub(crate) async fn backup(service: &Service, request: &Request<Incoming>) -> Answer {
    let query = Query::parse(request.uri().query(), &[TIMEOUT])?;
    let place = Arc::clone(&service.backups).try_acquire_owned();
    let place = place.map_err(|_| ApiError::Overloaded { limit: "backups_max" })?;
    let timeout = query.timeout.unwrap_or(service.config.read_timeout);
    let Moment { mark, entries } = match &service.node {
        Node::Leader(leader) => leader.handle.moment(timeout).await?,
        Node::Follower(follower) => follower.moment(timeout).await?,
    };
    let (encoder, first) = BackupEncoder::begin(mark);
    let entries = entries.into_iter();
    let body = Backup { entries, encoder: Some(encoder), first: Some(first), rested: false, _place: place };
    let mut response = with_body(CONTENT_TYPE, ReplyBody::Backup(Box::new(body)));
    tell_version(response.headers_mut(), mark);
    Ok(response)
}

impl Backup {
    /// The next piece, after the others have had a turn.
    pub(crate) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first.into()))));
        }
        let Some(encoder) = &mut self.encoder else { return Poll::Ready(None) };
        self.rested = !self.rested;
        if self.rested {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let (mut piece, mut bytes) = (Vec::new(), 0);
        while piece.len() < PIECE_ENTRIES_MAX && bytes < PIECE_BYTES {
            let Some(entry) = self.entries.next() else { break };
            bytes += entry.frame().len();
            piece.push(entry);
        }
        let bytes = if piece.is_empty() {
            self.encoder.take().map(|encoder| encoder.end().0).unwrap_or_default()
        } else {
            encoder.part(&piece)
        };
        Poll::Ready(Some(Ok(Frame::data(bytes.into()))))
    }
}
