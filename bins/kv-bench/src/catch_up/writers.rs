//! Connections that write all the time, whose figures can be taken stage by stage.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use hyper::{Method, StatusCode};
use kv_http::{Address, Connection};
use tokio::task::JoinHandle;

use super::config::Config;
use crate::clock::now;
use crate::fill;
use crate::load::{LoadError, Outcome};

/// How long a writer whose request failed waits before it opens a new connection.
const PAUSE: Duration = Duration::from_millis(20);
/// How late a writer may be and still make up for it.
const LATE_MAX: Duration = Duration::from_millis(200);
/// How long the last requests may take.
const GRACE: Duration = Duration::from_secs(10);

/// Writers at work. They end, at the latest with this.
pub struct Writers {
    shared: Arc<Shared>,
    running: Vec<JoinHandle<()>>,
    since: Instant,
}

struct Shared {
    leader: Address,
    keys: u64,
    body: Bytes,
    /// Between two writes of one connection, from the start of one to that of the next.
    interval: Option<Duration>,
    ended: AtomicBool,
    outcome: Mutex<Outcome>,
}

impl Writers {
    /// Connects all of them, and begins.
    ///
    /// # Errors
    /// [`LoadError`] if they cannot begin; later failures are counted in the [`Outcome`].
    pub async fn start(leader: &Address, config: &Config) -> Result<Self, LoadError> {
        let connections = u32::try_from(config.connections).unwrap_or(u32::MAX);
        let shared = Arc::new(Shared {
            leader: leader.clone(),
            keys: config.keys,
            body: fill::body(config.value_bytes),
            interval: config.rate.map(|rate| Duration::from_secs(1) * connections / saturated(rate)),
            ended: AtomicBool::new(false),
            outcome: Mutex::new(Outcome::none()?),
        });
        let mut open = Vec::new();
        for _ in 0..connections {
            open.push(Connection::open(leader).await?);
        }
        let since = now();
        let begin = |(worker, connection)| tokio::spawn(work(Arc::clone(&shared), worker, connection, since));
        let running = (0..).zip(open).map(begin).collect();
        Ok(Self { shared, running, since })
    }

    /// What they did since the last call.
    pub fn take(&mut self) -> Outcome {
        let elapsed = self.since.elapsed();
        self.since = now();
        let mut outcome = self.shared.outcome();
        let taken = Outcome { elapsed, ..outcome.clone() };
        outcome.latencies_us.reset();
        outcome.errors = 0;
        outcome.first_error = None;
        taken
    }

    /// Lets them finish what is under way.
    pub async fn stop(mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        for writer in std::mem::take(&mut self.running) {
            let abort = writer.abort_handle();
            if tokio::time::timeout(GRACE, writer).await.is_err() {
                abort.abort();
            }
        }
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.running.iter().for_each(JoinHandle::abort);
    }
}

impl Shared {
    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn work(shared: Arc<Shared>, worker: u64, mut connection: Connection, mut due: Instant) {
    let mut rng = ChaCha8Rng::seed_from_u64(worker);
    while !shared.ended.load(Ordering::Relaxed) {
        if let Some(interval) = shared.interval {
            // Whoever is late makes up for it, up to a point: the rate holds over a stage.
            due = now().checked_sub(LATE_MAX).map_or(due, |earliest| due.max(earliest));
            pause(due.saturating_duration_since(now())).await;
            due += interval;
        }
        let before = now();
        let answer = write(&mut connection, &fill::path(rng.next_u64() % shared.keys), &shared.body).await;
        let Err(error) = answer else {
            let us = u64::try_from(before.elapsed().as_micros()).unwrap_or(u64::MAX);
            shared.outcome().latencies_us.saturating_record(us.max(1));
            continue;
        };
        {
            let mut outcome = shared.outcome();
            outcome.errors += 1;
            outcome.first_error.get_or_insert(error);
        }
        pause(PAUSE).await;
        if let Ok(fresh) = Connection::open(&shared.leader).await {
            connection = fresh;
        }
    }
}

async fn write(connection: &mut Connection, path: &str, body: &Bytes) -> Result<(), String> {
    let json = Some(("application/json", body.clone()));
    let answer = connection.send(Method::PUT, path, json).await.map_err(|error| error.to_string())?;
    if answer.status == StatusCode::OK {
        return Ok(());
    }
    Err(format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body)))
}

fn saturated(rate: u64) -> u32 {
    u32::try_from(rate).unwrap_or(u32::MAX)
}

#[expect(clippy::disallowed_methods, reason = "what paces the writes, and the pause after one that failed")]
async fn pause(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}
