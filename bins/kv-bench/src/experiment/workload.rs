//! The writes of the experiment: prepared from a seed, issued by workers, timed one by one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use hyper::{Method, StatusCode};
use indicatif::ProgressBar;
use kv_http::{Address, ClientError, Connection};
use serde::Deserialize;
use serde_json::json;

use crate::clock::now;

/// How long one write may take: a node gives it ten minutes at most.
const PATIENCE: Duration = Duration::from_secs(660);

/// One write to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The path of its key.
    pub path: String,
    /// The JSON with its value.
    pub body: Bytes,
}

/// One write that was committed.
#[derive(Clone, Copy, Debug)]
pub struct Timed {
    /// Its version.
    pub version: u64,
    /// From just before it was sent until its answer was read.
    pub latency_ms: f64,
}

/// What came of all writes.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Those that were committed.
    pub committed: Vec<Timed>,
    /// How many were not, as far as their answers say.
    pub errors: u64,
    /// What the first of them said.
    pub first_error: Option<String>,
}

/// The writes of a seed.
pub fn prepare(seed: u64, writes: usize, keys: usize) -> Vec<Write> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let keys = keys.max(1) as u64;
    (0..writes)
        .map(|write| {
            let path = format!("/kv/key-{}", rng.next_u64() % keys);
            let value = format!("v-{}-{write}", rng.next_u64() % 1_000_000);
            Write { path, body: json!({ "value": value }).to_string().into() }
        })
        .collect()
}

/// Makes all writes, `workers` at a time, each worker on a connection of its own.
///
/// # Errors
/// [`ClientError`] if the leader cannot be connected to; failures of writes are in the [`Outcome`].
pub async fn execute(
    leader: &Address,
    writes: Vec<Write>,
    workers: usize,
    progress: &ProgressBar,
) -> Result<Outcome, ClientError> {
    let mut connections = Vec::new();
    for _ in 0..workers.clamp(1, writes.len().max(1)) {
        connections.push(Connection::open(leader).await?);
    }
    let (writes, next) = (Arc::new(writes), Arc::new(AtomicUsize::new(0)));
    let running: Vec<_> = connections
        .into_iter()
        .map(|connection| {
            let work =
                work(leader.clone(), connection, Arc::clone(&writes), Arc::clone(&next), progress.clone());
            tokio::spawn(work)
        })
        .collect();
    let mut total = Outcome::default();
    for worker in running {
        match worker.await {
            Ok(outcome) => {
                total.committed.extend(outcome.committed);
                total.errors += outcome.errors;
                total.first_error = total.first_error.or(outcome.first_error);
            }
            Err(error) => total.fail(error.to_string()),
        }
    }
    // What a worker that lost its leader has left over was not written, and is not hidden either.
    let made = total.committed.len() as u64 + total.errors;
    total.errors += (writes.len() as u64).saturating_sub(made);
    Ok(total)
}

async fn work(
    leader: Address,
    mut connection: Connection,
    writes: Arc<Vec<Write>>,
    next: Arc<AtomicUsize>,
    progress: ProgressBar,
) -> Outcome {
    let mut outcome = Outcome::default();
    while let Some(write) = writes.get(next.fetch_add(1, Ordering::Relaxed)) {
        let before = now();
        let answer = issue(&mut connection, write).await;
        let latency_ms = before.elapsed().as_secs_f64() * 1000.0;
        progress.inc(1);
        match answer {
            Ok(version) => outcome.committed.push(Timed { version, latency_ms }),
            Err(error) => {
                outcome.fail(error);
                match Connection::open(&leader).await {
                    Ok(fresh) => connection = fresh,
                    Err(_) => return outcome,
                }
            }
        }
    }
    outcome
}

async fn issue(connection: &mut Connection, write: &Write) -> Result<u64, String> {
    #[derive(Deserialize)]
    struct Written {
        version: u64,
    }
    let json = Some(("application/json", write.body.clone()));
    let answer = tokio::time::timeout(PATIENCE, connection.send(Method::PUT, &write.path, json)).await;
    let response =
        answer.map_err(|_| format!("no answer in {PATIENCE:?}"))?.map_err(|error| error.to_string())?;
    if response.status != StatusCode::OK {
        return Err(format!("{}: {}", response.status, String::from_utf8_lossy(&response.body)));
    }
    let written: Written = serde_json::from_slice(&response.body).map_err(|error| error.to_string())?;
    Ok(written.version)
}

impl Outcome {
    fn fail(&mut self, error: String) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_fixes_the_writes() {
        let writes = prepare(3, 50, 4);
        assert_eq!(writes, prepare(3, 50, 4));
        assert_ne!(writes, prepare(4, 50, 4));
        let keys: std::collections::BTreeSet<_> = writes.iter().map(|write| &write.path).collect();
        assert_eq!(
            keys.into_iter().collect::<Vec<_>>(),
            ["/kv/key-0", "/kv/key-1", "/kv/key-2", "/kv/key-3"]
        );
    }
}
