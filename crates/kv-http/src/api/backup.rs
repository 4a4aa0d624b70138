//! `GET /backup`: the state of the node at one version, as a file that `kv-storage` reads.

use std::sync::Arc;

use bytes::Bytes;
use hyper::http::request::Parts;
use kv_core::Entry;
use kv_replication::engine::Moment;
use kv_storage::BackupEncoder;
use tokio::sync::OwnedSemaphorePermit;

use super::service::{Answer, Service};
use crate::error::ApiError;
use crate::query::{Query, TIMEOUT};
use crate::reply::{Aborted, Frames, respond_with, tell_version};

const CONTENT_TYPE: &str = "application/vnd.kv.backup";
/// Entries of one piece of the body, at most.
const PIECE_ENTRIES_MAX: usize = 256;
/// A piece takes no more when it has so many bytes of frames.
const PIECE_BYTES: usize = 64 << 10;

pub(super) async fn backup(service: &Service, head: &Parts) -> Answer {
    let query = Query::parse(head.uri.query(), &[TIMEOUT])?;
    let place = Arc::clone(&service.backups).try_acquire_owned();
    let place = place.map_err(|_| ApiError::Overloaded { limit: "backups_max" })?;
    let timeout = query.timeout.unwrap_or(service.config.read_timeout);
    let Moment { mark, entries } = service.node.engine().moment(timeout).await?;
    let (encoder, first) = BackupEncoder::begin(mark);
    let rest = Backup { entries: entries.into_iter(), encoder: Some(encoder), _place: place };
    let mut response = respond_with(CONTENT_TYPE, first.into(), rest);
    tell_version(response.headers_mut(), mark);
    Ok(response)
}

/// A backup on its way to the client.
struct Backup {
    entries: std::vec::IntoIter<Entry>,
    /// None when all has been written.
    encoder: Option<BackupEncoder>,
    _place: OwnedSemaphorePermit,
}

impl Frames for Backup {
    fn is_done(&self) -> bool {
        self.encoder.is_none()
    }

    fn next_frame(&mut self) -> Result<Bytes, Aborted> {
        let (mut piece, mut bytes) = (Vec::new(), 0);
        while piece.len() < PIECE_ENTRIES_MAX && bytes < PIECE_BYTES {
            let Some(entry) = self.entries.next() else { break };
            bytes += entry.frame().len();
            piece.push(entry);
        }
        let bytes = match &mut self.encoder {
            Some(encoder) if !piece.is_empty() => encoder.part(&piece),
            encoder => encoder.take().map(|encoder| encoder.end().0).unwrap_or_default(),
        };
        Ok(bytes.into())
    }
}
