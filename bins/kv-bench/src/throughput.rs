//! Writes per second of six processes, beside a bare echo server under the same generator.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kv_http::Address;
use kv_replication::Quorum;

use crate::bounds;
use crate::clock::now;
use crate::load::{self, Load, Operation};
use crate::nodes::{BadQuorum, Binary, Nodes, Process, QUORUM, quorum_of_five};
use crate::output::Report;
use crate::seconds::seconds;

/// What an entry takes in a log, about.
const APPEND_BYTES: usize = 150;

/// The flags of `throughput`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Connections to measure with, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "64,10,1", value_parser = bounds::connections)]
    pub connections: Vec<usize>,
    /// Rounds, in each of which store and echo take turns; the median counts.
    #[arg(long, default_value_t = 3, value_parser = bounds::rounds)]
    pub rounds: usize,
    /// The length of one measurement.
    #[arg(long, default_value = "3", value_parser = seconds)]
    pub seconds: Duration,
    /// The write quorum of the five followers.
    #[arg(long, default_value_t = QUORUM)]
    pub quorum: usize,
    /// The length of each value.
    #[arg(long, default_value_t = 64, value_parser = bounds::value_bytes)]
    pub value_bytes: usize,
    /// Keys that are written to.
    #[arg(long, default_value_t = 1000, value_parser = bounds::keys)]
    pub keys: u64,
    /// Gives every node a data directory, somewhere below this one, and measures its syncs too.
    #[arg(long)]
    pub durable: Option<PathBuf>,
    #[command(flatten)]
    pub binary: Binary,
}

/// What is measured.
pub struct Config {
    connections: Vec<usize>,
    /// At least one.
    rounds: usize,
    duration: Duration,
    quorum: Quorum,
    value_bytes: usize,
    keys: u64,
    durable: Option<PathBuf>,
    binary: Binary,
}

impl Args {
    /// # Errors
    /// [`BadQuorum`] if the quorum is none of five followers.
    pub fn config(self) -> Result<Config, BadQuorum> {
        let Self { connections, rounds, seconds, quorum, value_bytes, keys, durable, binary } = self;
        let (rounds, quorum) = (rounds.max(1), quorum_of_five(quorum)?);
        Ok(Config { connections, rounds, duration: seconds, quorum, value_bytes, keys, durable, binary })
    }
}

/// Measures and gives a table.
pub async fn run(config: Config) -> Result<Report, Box<dyn Error>> {
    let Config { quorum, binary, .. } = &config;
    let nodes = match &config.durable {
        Some(disk) => Nodes::start_durable(binary, *quorum, disk).await?,
        None => Nodes::start(binary, *quorum).await?,
    };
    let echo = Process::start(&std::env::current_exe()?, &["echo"])?;
    let mut text = format!(
        "{:>11}  {:>10}  {:>10}  {:>6}  {:>8}  {:>8}  {:>6}{}\n",
        "Connections",
        "Writes/s",
        "Echo/s",
        "Ratio",
        "p50 ms",
        "p99 ms",
        "Errors",
        if config.durable.is_some() { "   Syncs/s" } else { "" }
    );
    for &connections in &config.connections {
        let mut stored = Vec::new();
        let mut echoed = Vec::new();
        let mut synced = Vec::new();
        for _ in 0..config.rounds {
            if let Some(disk) = &config.durable {
                synced.push(syncs_per_s(disk, config.duration)?);
            }
            echoed.push(load(&config, &echo.address, Operation::Echo, connections).await?);
            stored.push(load(&config, &nodes.leader, Operation::Put, connections).await?);
        }
        let writes = median(stored.iter().map(load::Outcome::throughput).collect());
        let floor = median(echoed.iter().map(load::Outcome::throughput).collect());
        let p50 = median(stored.iter().map(|outcome| outcome.quantile_ms(0.5)).collect());
        let p99 = median(stored.iter().map(|outcome| outcome.quantile_ms(0.99)).collect());
        let errors: u64 = stored.iter().chain(&echoed).map(|outcome| outcome.errors).sum();
        let ratio = writes / floor;
        let syncs = if synced.is_empty() { String::new() } else { format!("  {:>8.0}", median(synced)) };
        text += &format!(
            "{connections:>11}  {writes:>10.0}  {floor:>10.0}  {ratio:>6.2}  {p50:>8.3}  {p99:>8.3}  {errors:>6}{syncs}\n"
        );
    }
    text += &format!(
        "medians of {}; W = {} of {}, values of {} bytes, {}\n",
        config.rounds,
        quorum.write(),
        quorum.followers(),
        config.value_bytes,
        if config.durable.is_some() { "six durable nodes on one disk" } else { "in memory" }
    );
    Ok(text.into())
}

/// How often this disk makes an append of one small entry durable, alone: the raw rate of one writer.
fn syncs_per_s(disk: &Path, duration: Duration) -> Result<f64, Box<dyn Error>> {
    let mut file = tempfile::tempfile_in(disk)?;
    let (start, mut syncs) = (now(), 0);
    while start.elapsed() < duration {
        file.write_all(&[0x5a; APPEND_BYTES])?;
        file.sync_data()?;
        syncs += 1;
    }
    Ok(f64::from(syncs) / start.elapsed().as_secs_f64())
}

async fn load(
    config: &Config,
    address: &Address,
    operation: Operation,
    connections: usize,
) -> Result<load::Outcome, Box<dyn Error>> {
    let load = Load {
        address: address.clone(),
        operation,
        connections,
        duration: config.duration,
        keys: config.keys,
        value_bytes: config.value_bytes,
        seed: 1,
    };
    Ok(load::put_on(&load).await?)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
