//! Reading everything: how fast, and what it costs the node; and pages, at the start and at the end.

use std::error::Error;
use std::time::Duration;

use hyper::StatusCode;
use kv_http::Connection;
use kv_replication::Quorum;

use crate::bounds;
use crate::clock::now;
use crate::fill::fill;
use crate::nodes::{Binary, Nodes, Process};
use crate::output::Report;

/// How long the follower may take until it has everything.
const LEVEL_PATIENCE_MS: u64 = 120_000;
const PAGE_KEYS: u64 = 100;
/// How often each page is read; the median counts.
const PAGE_ROUNDS: usize = 301;
/// The memory is looked at whenever so much has come.
const LOOK_BYTES: usize = 1 << 20;

/// What `--check` asks for.
const MB_PER_S_MIN: f64 = 50.0;
const RISE_MB_MAX: f64 = 20.0;
const PAGE_RATIO_MAX: f64 = 1.5;

/// The flags of `dump`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Keys to fill the store with.
    #[arg(long, default_value_t = 1_000_000, value_parser = bounds::keys)]
    pub keys: u64,
    /// The length of each value.
    #[arg(long, default_value_t = 64, value_parser = bounds::value_bytes)]
    pub value_bytes: usize,
    /// How often each node is read; the median speed and the highest rise count.
    #[arg(long, default_value_t = 3, value_parser = bounds::rounds)]
    pub rounds: usize,
    #[arg(long, help = format!(
        "Fails unless every node gives more than {MB_PER_S_MIN} MB/s, its memory rises by less than {RISE_MB_MAX} MB, \
         and a page at the end takes at most {PAGE_RATIO_MAX} times as long as one at the start"
    ))]
    pub check: bool,
    #[command(flatten)]
    pub binary: Binary,
}

/// What one node has shown.
struct Measured {
    bytes: usize,
    mb_per_s: f64,
    /// None where the system does not tell.
    rise_mb: Option<f64>,
    page_at_start_ms: f64,
    page_at_end_ms: f64,
}

/// Measures and gives a table.
pub async fn run(args: Args) -> Result<Report, Box<dyn Error>> {
    let nodes = Nodes::start(&args.binary, Quorum::new(1, 1)?).await?;
    fill(nodes.leader.clone(), args.keys, args.keys, args.value_bytes).await?;
    let mut text = format!(
        "{:<8}  {:>8}  {:>8}  {:>9}  {:>17}  {:>15}\n",
        "Node", "MB", "MB/s", "Rise MB", "Page at start ms", "Page at end ms"
    );
    let mut problem = None;
    for (name, process) in ["follower", "leader"].into_iter().zip(&nodes.processes) {
        let measured = measure(&args, process).await?;
        text += &row(name, &measured);
        if let Some(miss) = miss(&measured).filter(|_| args.check) {
            problem.get_or_insert(format!("{name}: {miss}"));
        }
    }
    text += &format!("{} keys, values of {} bytes, pages of {PAGE_KEYS}\n", args.keys, args.value_bytes);
    Ok(Report::new(text, problem))
}

async fn measure(args: &Args, node: &Process) -> Result<Measured, Box<dyn Error>> {
    let mut connection = Connection::open(&node.address).await?;
    let sync = format!("/readyz?sync&timeout_ms={LEVEL_PATIENCE_MS}");
    expect(connection.read(&sync, |_| {}).await?.status)?;
    let end = format!("/kv?limit={PAGE_KEYS}&after=key-{:08}", args.keys.saturating_sub(PAGE_KEYS + 1));
    let start = format!("/kv?limit={PAGE_KEYS}");
    let (mut at_start, mut at_end, mut speeds) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PAGE_ROUNDS {
        at_start.push(time(&mut connection, &start).await?);
        at_end.push(time(&mut connection, &end).await?);
    }
    let (mut bytes, mut rise_kib) = (0, Some(0));
    for _ in 0..args.rounds.max(1) {
        let before = node.resident_kib();
        let (mut highest, mut looked_at) = (before, 0);
        bytes = 0;
        let begin = now();
        let read = connection.read("/kv", |piece| {
            bytes += piece.len();
            if bytes - looked_at >= LOOK_BYTES {
                looked_at = bytes;
                highest = highest.max(node.resident_kib());
            }
        });
        expect(read.await?.status)?;
        speeds.push(bytes as f64 / 1e6 / begin.elapsed().as_secs_f64());
        let rise = highest.zip(before).map(|(highest, before)| highest - before);
        rise_kib = rise_kib.zip(rise).map(|(so_far, rise)| so_far.max(rise));
    }
    Ok(Measured {
        bytes,
        mb_per_s: median(speeds),
        rise_mb: rise_kib.map(|kib| kib as f64 * 1024.0 / 1e6),
        page_at_start_ms: median(at_start),
        page_at_end_ms: median(at_end),
    })
}

/// In milliseconds.
async fn time(connection: &mut Connection, path: &str) -> Result<f64, Box<dyn Error>> {
    let begin = now();
    expect(connection.read(path, |_| {}).await?.status)?;
    let took: Duration = begin.elapsed();
    Ok(took.as_secs_f64() * 1000.0)
}

fn expect(status: StatusCode) -> Result<(), Box<dyn Error>> {
    if status == StatusCode::OK { Ok(()) } else { Err(format!("the node answered {status}").into()) }
}

fn row(name: &str, measured: &Measured) -> String {
    let rise = measured.rise_mb.map_or_else(|| "?".to_owned(), |rise| format!("{rise:.1}"));
    format!(
        "{name:<8}  {:>8.1}  {:>8.0}  {rise:>9}  {:>17.3}  {:>15.3}\n",
        measured.bytes as f64 / 1e6,
        measured.mb_per_s,
        measured.page_at_start_ms,
        measured.page_at_end_ms
    )
}

/// How it misses what is promised.
fn miss(measured: &Measured) -> Option<String> {
    let (start, end) = (measured.page_at_start_ms, measured.page_at_end_ms);
    if measured.mb_per_s <= MB_PER_S_MIN {
        Some(format!("{:.0} MB/s", measured.mb_per_s))
    } else if measured.rise_mb.is_none_or(|rise| rise >= RISE_MB_MAX) {
        Some(format!("its memory rose by {RISE_MB_MAX} MB or more, or the system does not tell"))
    } else if end > PAGE_RATIO_MAX * start {
        Some(format!("a page takes {start:.3} ms at the start and {end:.3} ms at the end"))
    } else {
        None
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
