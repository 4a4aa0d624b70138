//! As many writes as are asked for, as fast as they go.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use hyper::{Method, StatusCode};
use kv_http::{Address, ClientError, Connection};
use thiserror::Error;
use tokio::task::JoinError;

const CONNECTIONS: usize = 64;

/// Not everything was written.
#[derive(Debug, Error)]
pub enum FillError {
    /// The node could not be reached, or a request broke.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It did not take a write.
    #[error("a write was answered with {0}: {1}")]
    Refused(StatusCode, String),
    /// A writer ended early.
    #[error(transparent)]
    Writer(#[from] JoinError),
}

/// The path of the key with this number: of one length, so that keys cost the same.
pub fn path(key: u64) -> String {
    format!("/kv/key-{key:08}")
}

/// The JSON of a value of this length.
pub fn body(value_bytes: usize) -> Bytes {
    format!(r#"{{"value":"{}"}}"#, "v".repeat(value_bytes)).into()
}

/// Writes the keys 0 to `keys` - 1 in turn, `writes` times in all. The first failure ends it.
pub async fn fill(leader: Address, writes: u64, keys: u64, value_bytes: usize) -> Result<(), FillError> {
    let next = Arc::new(AtomicU64::new(0));
    let body = body(value_bytes);
    let mut running = Vec::new();
    for _ in 0..CONNECTIONS {
        let connection = Connection::open(&leader).await?;
        running.push(tokio::spawn(fill_some(
            connection,
            Arc::clone(&next),
            writes,
            keys.max(1),
            body.clone(),
        )));
    }
    for worker in running {
        worker.await??;
    }
    Ok(())
}

async fn fill_some(
    mut connection: Connection,
    next: Arc<AtomicU64>,
    writes: u64,
    keys: u64,
    body: Bytes,
) -> Result<(), FillError> {
    loop {
        let write = next.fetch_add(1, Ordering::Relaxed);
        if write >= writes {
            return Ok(());
        }
        let json = Some(("application/json", body.clone()));
        let answer = connection.send(Method::PUT, &path(write % keys), json).await?;
        if answer.status != StatusCode::OK {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(FillError::Refused(answer.status, text));
        }
    }
}
