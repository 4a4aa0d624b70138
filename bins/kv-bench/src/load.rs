//! A closed-loop load generator: each connection sends its next request when the last is answered.

use std::time::{Duration, Instant};

use bytes::Bytes;
use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use hdrhistogram::Histogram;
use hyper::Method;
use kv_http::{Address, Connection};
use thiserror::Error;

use crate::bounds;
use crate::clock::now;
use crate::output::Report;
use crate::seconds::seconds;

/// The flags of `load`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The node, `http://host:port`.
    #[arg(long)]
    pub url: Address,
    /// Connections, each with one request under way.
    #[arg(long, default_value_t = 64, value_parser = bounds::connections)]
    pub connections: usize,
    /// How long, in seconds.
    #[arg(long, default_value = "5", value_parser = seconds)]
    pub seconds: Duration,
    /// What each request does.
    #[arg(long, value_enum, default_value_t = Operation::Put)]
    pub operation: Operation,
    /// Keys that are drawn from.
    #[arg(long, default_value_t = 1000, value_parser = bounds::keys)]
    pub keys: u64,
    /// The length of each value.
    #[arg(long, default_value_t = 64, value_parser = bounds::value_bytes)]
    pub value_bytes: usize,
    /// Decides which connection takes which keys.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// The `load` command: loads the node and gives a few lines.
pub async fn run(args: Args) -> Result<Report, Box<dyn std::error::Error>> {
    let load = Load {
        address: args.url,
        operation: args.operation,
        connections: args.connections,
        duration: args.seconds,
        keys: args.keys,
        value_bytes: args.value_bytes,
        seed: args.seed,
    };
    let outcome = put_on(&load).await?;
    let quantile = |share| outcome.quantile_ms(share);
    let mut text = format!(
        "{:.0} requests/s over {:.1} s, {} answered, {} errors\np50 {:.3} ms, p95 {:.3} ms, p99 {:.3} ms, max {:.3} ms\n",
        outcome.throughput(),
        outcome.elapsed.as_secs_f64(),
        outcome.latencies_us.len(),
        outcome.errors,
        quantile(0.5),
        quantile(0.95),
        quantile(0.99),
        quantile(1.0),
    );
    if let Some(error) = &outcome.first_error {
        text += &format!("the first error: {error}\n");
    }
    let problem = outcome.latencies_us.is_empty().then(|| "no request was answered".to_owned());
    Ok(Report::new(text, problem))
}

/// How long the last requests may take beyond the end.
const GRACE: Duration = Duration::from_secs(10);

/// What to send.
#[derive(Clone, Debug)]
pub struct Load {
    /// The node.
    pub address: Address,
    /// What each request does.
    pub operation: Operation,
    /// Connections, each with one request under way.
    pub connections: usize,
    /// How long.
    pub duration: Duration,
    /// Keys are drawn from this many.
    pub keys: u64,
    /// The length of each value, in bytes.
    pub value_bytes: usize,
    /// Decides which connection takes which keys.
    pub seed: u64,
}

/// What each request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Operation {
    /// Writes a key.
    Put,
    /// Reads a key; one that is not there counts as an answer.
    Get,
    /// Posts the value to `/`: for a bare echo server.
    Echo,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How long it really took.
    pub elapsed: Duration,
    /// Latencies of answered requests, in microseconds.
    pub latencies_us: Histogram<u64>,
    /// Requests that failed; they are in no other figure.
    pub errors: u64,
    /// What the first of them said.
    pub first_error: Option<String>,
}

/// Why there was no load.
#[derive(Debug, Error)]
pub enum LoadError {
    /// Not even the connections could be opened.
    #[error(transparent)]
    Connect(#[from] kv_http::ClientError),
    /// The histogram cannot be made.
    #[error("cannot count latencies: {0}")]
    Histogram(#[from] hdrhistogram::CreationError),
}

impl Outcome {
    /// Nothing yet.
    pub fn none() -> Result<Self, hdrhistogram::CreationError> {
        Ok(Self { elapsed: Duration::ZERO, latencies_us: histogram()?, errors: 0, first_error: None })
    }

    /// Answered requests per second.
    #[must_use]
    pub fn throughput(&self) -> f64 {
        self.latencies_us.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency below which this share (0 to 1) of the requests stayed, in milliseconds.
    #[must_use]
    pub fn quantile_ms(&self, share: f64) -> f64 {
        self.latencies_us.value_at_quantile(share) as f64 / 1000.0
    }
}

/// Runs the load to its end.
///
/// # Errors
/// [`LoadError`] if it could not begin; failures on the way are counted in the [`Outcome`].
pub async fn put_on(load: &Load) -> Result<Outcome, LoadError> {
    let mut connections = Vec::new();
    for _ in 0..load.connections {
        connections.push(Connection::open(&load.address).await?);
    }
    let start = now();
    let workers: Vec<_> = (0..)
        .zip(connections)
        .map(|(worker, connection)| Worker::new(load, worker, connection, start + load.duration))
        .collect::<Result<_, _>>()?;
    let running: Vec<_> = workers.into_iter().map(|worker| tokio::spawn(worker.work())).collect();
    let mut total = Outcome::none()?;
    for worker in running {
        let abort = worker.abort_handle();
        let ended =
            tokio::time::timeout((start + load.duration + GRACE).saturating_duration_since(now()), worker)
                .await;
        let Ok(ended) = ended else {
            abort.abort();
            total.errors += 1;
            total.first_error.get_or_insert_with(|| "a request was not answered to the end".to_owned());
            continue;
        };
        match ended {
            Ok(worker) => {
                total.errors += worker.errors;
                total.first_error = total.first_error.or(worker.first_error);
                // Both have the same bounds, so nothing is out of range.
                let _ = total.latencies_us.add(worker.latencies_us);
            }
            Err(error) => {
                total.errors += 1;
                total.first_error = total.first_error.or(Some(error.to_string()));
            }
        }
    }
    total.elapsed = start.elapsed();
    Ok(total)
}

struct Worker {
    connection: Connection,
    address: Address,
    operation: Operation,
    body: Bytes,
    keys: u64,
    rng: ChaCha8Rng,
    end: Instant,
    latencies_us: Histogram<u64>,
    errors: u64,
    first_error: Option<String>,
}

impl Worker {
    fn new(load: &Load, worker: u64, connection: Connection, end: Instant) -> Result<Self, LoadError> {
        let mut rng = ChaCha8Rng::seed_from_u64(load.seed);
        rng.set_stream(worker);
        Ok(Self {
            connection,
            address: load.address.clone(),
            operation: load.operation,
            body: format!(r#"{{"value":"{}"}}"#, "v".repeat(load.value_bytes)).into(),
            keys: load.keys.max(1),
            rng,
            end,
            latencies_us: histogram()?,
            errors: 0,
            first_error: None,
        })
    }

    async fn work(mut self) -> Self {
        let mut before = now();
        while before < self.end {
            let answered = self.request().await;
            let after = now();
            match answered {
                Ok(()) => {
                    let us = u64::try_from((after - before).as_micros()).unwrap_or(u64::MAX);
                    self.latencies_us.saturating_record(us.max(1));
                }
                Err(error) => {
                    self.errors += 1;
                    self.first_error.get_or_insert(error);
                    // The connection may be of no use any more; without a new one there is no load.
                    match Connection::open(&self.address).await {
                        Ok(connection) => self.connection = connection,
                        Err(_) => return self,
                    }
                }
            }
            before = after;
        }
        self
    }

    async fn request(&mut self) -> Result<(), String> {
        let json = ("application/json", self.body.clone());
        let response = match self.operation {
            Operation::Echo => self.connection.send(Method::POST, "/", Some(json)).await,
            Operation::Put => {
                let path = self.path();
                self.connection.send(Method::PUT, &path, Some(json)).await
            }
            Operation::Get => {
                let path = self.path();
                self.connection.send(Method::GET, &path, None).await
            }
        }
        .map_err(|error| error.to_string())?;
        let absent = self.operation == Operation::Get && response.status == hyper::StatusCode::NOT_FOUND;
        if response.status.is_success() || absent {
            Ok(())
        } else {
            Err(format!("{}: {}", response.status, String::from_utf8_lossy(&response.body)))
        }
    }

    fn path(&mut self) -> String {
        format!("/kv/key-{}", self.rng.next_u64() % self.keys)
    }
}

/// One microsecond to one hour, three digits.
fn histogram() -> Result<Histogram<u64>, hdrhistogram::CreationError> {
    Histogram::new_with_bounds(1, 3_600_000_000, 3)
}
