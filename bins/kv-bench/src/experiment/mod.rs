//! The experiment: for every write quorum, how long does a write take?

mod judge;
mod workload;

use std::error::Error;
use std::io;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use kv_http::Address;
use kv_replication::{DelayLaw, Quorum};
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::Experiment;
use crate::cluster::Cluster;
use crate::containers::{self, Containers};
use crate::report::{Meta, Row, Summary, draw, table, theory_ms};
use crate::{Report, parity};

const FOLLOWERS: usize = 5;
const MAX_DELAY_MS: u64 = 1000;
/// How long the replicas may take to become equal, beyond the longest delay.
const PARITY_PATIENCE: Duration = Duration::from_secs(15);

/// Flags that do not go together.
#[derive(Debug, Error)]
enum BadExperiment {
    #[error("--writes, --workers and --keys must be at least 1")]
    Zero,
    #[error("--quorum: say which write quorum the leader at --url has")]
    NoLabel,
    #[error("--quorums: only for the built-in cluster; with --url there is one row, and --quorum labels it")]
    Quorums,
    #[error("--quorums: 0 is not a quorum that waits for anyone")]
    ZeroQuorum,
    #[error("--followers must be at least 1")]
    NoFollowers,
    #[error("--followers says {said}, but --follower-urls names {named}")]
    Followers { said: usize, named: usize },
    #[error("--min-delay-ms: give --max-delay-ms, too, for the theory of the leader at --url")]
    NoMaximum,
}

/// Runs it, writes its files, and gives the table.
pub async fn run(args: &Experiment) -> Result<Report, Box<dyn Error>> {
    if args.writes == 0 || args.workers == 0 || args.keys == 0 {
        return Err(BadExperiment::Zero.into());
    }
    if args.followers == Some(0) {
        return Err(BadExperiment::NoFollowers.into());
    }
    let summary = match (&args.url, &args.compose) {
        (Some(leader), _) => running(args, leader).await?,
        (None, None) => sweep(args).await?,
        // What is dropped here unfinished removes its containers.
        (None, Some(_)) => tokio::select! {
            summary = sweep(args) => summary?,
            signal = interrupted() => return Err(signal?.into()),
        },
    };
    if summary.results.iter().all(|row| row.writes == 0) {
        return Err("no write succeeded, so there is nothing to show".into());
    }
    let json = args.out.join("perf_summary.json");
    let (png, svg) = (args.out.join("quorum_latency.png"), args.out.join("quorum_latency.svg"));
    summary.write_json(&json)?;
    draw(&summary, &png, &svg)?;
    let written = format!("{}, {} and {} written", json.display(), png.display(), svg.display());
    Ok(Report {
        text: format!("{}\n{written}\n", table(&summary)),
        problem: judge::problem(args, &summary),
        code: 1,
    })
}

/// A fresh cluster for every quorum.
async fn sweep(args: &Experiment) -> Result<Summary, Box<dyn Error>> {
    let followers =
        if args.compose.is_some() { containers::FOLLOWERS } else { args.followers.unwrap_or(FOLLOWERS) };
    let min_delay = Duration::from_millis(args.min_delay_ms.unwrap_or(0));
    let max_delay = Duration::from_millis(args.max_delay_ms.unwrap_or(MAX_DELAY_MS));
    let delays = DelayLaw::uniform(args.seed, min_delay, max_delay)?;
    let wanted = if args.quorums.is_empty() { (1..=followers).collect() } else { args.quorums.clone() };
    let quorums: Vec<Quorum> =
        wanted.into_iter().map(|write| Quorum::new(followers, write)).collect::<Result<_, _>>()?;
    if quorums.iter().any(|quorum| quorum.write() == 0) {
        return Err(BadExperiment::ZeroQuorum.into());
    }
    let progress = progress(args.writes * quorums.len());
    let mut results = Vec::new();
    for quorum in quorums {
        progress.set_message(format!("W = {}", quorum.write()));
        results.push(match &args.compose {
            None => {
                let cluster = Cluster::start(quorum, delays, args.seed).await?;
                let row = measure(args, &cluster.leader, quorum, delays, &progress).await?;
                cluster.stop().await;
                row
            }
            Some(file) => {
                let containers = Containers::start(file, quorum, delays, args.seed).await?;
                let row = measure(args, &containers.leader, quorum, delays, &progress).await?;
                containers.remove()?;
                row
            }
        });
    }
    progress.finish_and_clear();
    let transport = match args.compose {
        None => "HTTP on loopback, one process",
        Some(_) => "HTTP between containers",
    };
    let meta = meta(args, Some(followers), Some((min_delay, max_delay)), transport);
    Ok(Summary { meta, results })
}

/// The writes of one quorum on a fresh cluster.
async fn measure(
    args: &Experiment,
    leader: &Address,
    quorum: Quorum,
    delays: DelayLaw,
    progress: &ProgressBar,
) -> Result<Row, Box<dyn Error>> {
    let writes = workload::prepare(args.seed, args.writes, args.keys);
    let outcome = workload::execute(leader, writes, args.workers, progress).await?;
    note_errors(progress, &outcome);
    let longest = delays.max();
    let parity_ok = parity::ask(leader, longest + PARITY_PATIENCE).await.verdict.equal();

    let (w, n) = (quorum.write(), quorum.followers());
    let overheads: Vec<f64> = outcome
        .committed
        .iter()
        .filter_map(|write| {
            let waited = delays.order_statistic(w, n, write.version)?;
            Some(write.latency_ms - waited.as_secs_f64() * 1000.0)
        })
        .collect();
    let theory = theory_ms(ms(delays.min()), ms(longest), w, n);
    Ok(Row::new(w, &latencies(&outcome), Some(&overheads), outcome.errors, parity_ok, Some(theory)))
}

/// Ready when this process is told to stop, with the words for it.
async fn interrupted() -> io::Result<&'static str> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok("interrupted; the containers are removed, and nothing is written")
}

/// A cluster that somebody else runs: one row.
async fn running(args: &Experiment, leader: &Address) -> Result<Summary, Box<dyn Error>> {
    let w = args.quorum.ok_or(BadExperiment::NoLabel)?;
    if !args.quorums.is_empty() {
        return Err(BadExperiment::Quorums.into());
    }
    let named = args.follower_urls.len();
    let followers = match args.followers {
        Some(said) if named > 0 && said != named => {
            return Err(BadExperiment::Followers { said, named }.into());
        }
        Some(said) => Some(said),
        None => (named > 0).then_some(named),
    };
    if let Some(followers) = followers {
        Quorum::new(followers, w)?;
    }
    let delays = match (args.min_delay_ms, args.max_delay_ms) {
        (min, Some(max)) => Some((Duration::from_millis(min.unwrap_or(0)), Duration::from_millis(max))),
        (Some(_), None) => return Err(BadExperiment::NoMaximum.into()),
        (None, None) => None,
    };
    if let Some((min, max)) = delays {
        DelayLaw::uniform(args.seed, min, max)?;
    }
    let progress = progress(args.writes);
    let writes = workload::prepare(args.seed, args.writes, args.keys);
    let outcome = workload::execute(leader, writes, args.workers, &progress).await?;
    note_errors(&progress, &outcome);
    let nodes: Vec<Address> = std::iter::once(leader).chain(&args.follower_urls).cloned().collect();
    let longest = delays.map_or(Duration::ZERO, |(_, max)| max);
    let parity_ok = match args.follower_urls.as_slice() {
        [] => None,
        _ => parity::wait(&nodes, longest + PARITY_PATIENCE).await.equal(),
    };
    progress.finish_and_clear();
    let theory = followers.zip(delays).map(|(n, (min, max))| theory_ms(ms(min), ms(max), w, n));
    let row = Row::new(w, &latencies(&outcome), None, outcome.errors, parity_ok, theory);
    Ok(Summary { meta: meta(args, followers, delays, "HTTP, a running cluster"), results: vec![row] })
}

fn meta(
    args: &Experiment,
    followers: Option<usize>,
    delays: Option<(Duration, Duration)>,
    transport: &str,
) -> Meta {
    let whole_ms = |delay: Duration| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
    Meta {
        followers,
        min_delay_ms: delays.map(|(min, _)| whole_ms(min)),
        max_delay_ms: delays.map(|(_, max)| whole_ms(max)),
        writes: args.writes,
        workers: args.workers,
        keys: args.keys,
        seed: args.seed,
        transport: transport.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn latencies(outcome: &workload::Outcome) -> Vec<f64> {
    outcome.committed.iter().map(|write| write.latency_ms).collect()
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Shown on a terminal only.
fn progress(writes: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} [{bar:40}] {pos}/{len} writes, {elapsed}");
    let bar = ProgressBar::new(writes as u64);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn note_errors(progress: &ProgressBar, outcome: &workload::Outcome) {
    if let Some(error) = &outcome.first_error {
        progress.suspend(|| warn(&format!("{} writes failed; the first: {error}", outcome.errors)));
    }
}

#[expect(clippy::print_stderr, reason = "failures must be seen, also when the table goes to a file")]
fn warn(text: &str) {
    eprintln!("kv-bench: {text}");
}
