//! How long durable nodes take to come back, and what that takes of memory.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use hyper::{Method, StatusCode};
use kv_http::{Address, Client};

use crate::bounds;
use crate::clock::now;
use crate::fill::fill;
use crate::nodes::{Binary, Nodes, QUORUM, quorum_of_five};
use crate::output::Report;

const READY_MAX: Duration = Duration::from_secs(10);
const PEAK_RATIO_MAX: f64 = 1.5;

/// The flags of `restart`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Keys to fill the store with.
    #[arg(long, default_value_t = 1_000_000, value_parser = bounds::keys)]
    pub keys: u64,
    /// Writes, each of the next key in turn.
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub writes: u64,
    /// The length of each value.
    #[arg(long, default_value_t = 64, value_parser = bounds::value_bytes)]
    pub value_bytes: usize,
    /// Where the data directories go while it runs [default: the system's place for temporary files].
    #[arg(long)]
    pub disk: Option<PathBuf>,
    #[arg(long, help = format!(
        "Fails unless every node is ready again in less than {} s, and its memory peaks below {PEAK_RATIO_MAX} times \
         the steady one",
        READY_MAX.as_secs()
    ))]
    pub check: bool,
    #[command(flatten)]
    pub binary: Binary,
}

/// A node before and after.
struct Measured {
    took: Duration,
    /// Before it was killed, and after it has come back.
    steady_kib: Option<(u64, u64)>,
    peak_kib: Option<u64>,
}

/// Fills, kills and starts again: one follower, then the leader.
pub async fn run(args: Args) -> Result<Report, Box<dyn Error>> {
    let disk = args.disk.unwrap_or_else(std::env::temp_dir);
    let mut nodes = Nodes::start_durable(&args.binary, quorum_of_five(QUORUM)?, &disk).await?;
    fill(nodes.leader.clone(), args.writes, args.keys, args.value_bytes).await?;
    let follower = restart_follower(&mut nodes).await?;
    let leader = restart_leader(&mut nodes).await?;
    let mut text = format!(
        "{:<8}  {:>8}  {:>10}  {:>9}  {:>8}  {:>6}\n",
        "Node", "Ready s", "Before MB", "After MB", "Peak MB", "Ratio"
    );
    let mut problem = None;
    for (name, measured) in [("follower", &follower), ("leader", &leader)] {
        text += &row(name, measured);
        if let Some(miss) = miss(measured).filter(|_| args.check) {
            problem.get_or_insert(format!("{name}: {miss}"));
        }
    }
    text += &format!("{} writes to {} keys, values of {} bytes\n", args.writes, args.keys, args.value_bytes);
    Ok(Report::new(text, problem))
}

async fn restart_follower(nodes: &mut Nodes) -> Result<Measured, Box<dyn Error>> {
    let before = nodes.processes.first().and_then(crate::nodes::Process::resident_kib);
    nodes.kill(0)?;
    let start = now();
    nodes.start_again(0).await?;
    until_ready(nodes.follower(0)?).await?;
    let took = start.elapsed();
    let process = nodes.processes.first();
    Ok(Measured::of(took, before, process))
}

async fn restart_leader(nodes: &mut Nodes) -> Result<Measured, Box<dyn Error>> {
    let before = nodes.leader_resident_kib();
    let start = now();
    nodes.restart_leader().await?;
    until_ready(&nodes.leader.clone()).await?;
    let took = start.elapsed();
    Ok(Measured::of(took, before, nodes.processes.last()))
}

/// Waits until the node says that it is ready.
async fn until_ready(address: &Address) -> Result<(), Box<dyn Error>> {
    let client = Client::new(address.clone());
    let start = now();
    while start.elapsed() < 3 * READY_MAX {
        let asked = client.send(Method::GET, "/readyz?sync&timeout_ms=1000", None).await;
        if asked.is_ok_and(|answer| answer.status == StatusCode::OK) {
            return Ok(());
        }
    }
    Err(format!("{address} is not ready after {:?}", 3 * READY_MAX).into())
}

impl Measured {
    fn of(took: Duration, before: Option<u64>, process: Option<&crate::nodes::Process>) -> Self {
        let after = process.and_then(crate::nodes::Process::resident_kib);
        let peak_kib = process.and_then(crate::nodes::Process::peak_kib);
        Self { took, steady_kib: before.zip(after), peak_kib }
    }

    /// Of the peak to the memory before, which is the steady one of a node that has worked.
    fn ratio(&self) -> Option<f64> {
        let (before, _) = self.steady_kib?;
        Some(self.peak_kib? as f64 / before as f64)
    }
}

fn row(name: &str, measured: &Measured) -> String {
    let mb = |kib: Option<u64>| {
        kib.map_or_else(|| "?".to_owned(), |kib| format!("{:.1}", kib as f64 * 1024.0 / 1e6))
    };
    let (before, after) = measured.steady_kib.unzip();
    let ratio = measured.ratio().map_or_else(|| "?".to_owned(), |ratio| format!("{ratio:.2}"));
    format!(
        "{name:<8}  {:>8.2}  {:>10}  {:>9}  {:>8}  {ratio:>6}\n",
        measured.took.as_secs_f64(),
        mb(before),
        mb(after),
        mb(measured.peak_kib)
    )
}

/// How it misses what is promised.
fn miss(measured: &Measured) -> Option<String> {
    if measured.took >= READY_MAX {
        Some(format!("ready after {:.1} s", measured.took.as_secs_f64()))
    } else if measured.ratio().is_none_or(|ratio| ratio >= PEAK_RATIO_MAX) {
        Some(format!(
            "its memory peaked at {PEAK_RATIO_MAX} times the steady one or more, or the system does not tell"
        ))
    } else {
        None
    }
}
