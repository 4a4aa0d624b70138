//! A fresh cluster for every quorum.

use std::error::Error;
use std::path::Path;

use indicatif::ProgressBar;
use kv_http::Address;
use kv_replication::{DelayLaw, Quorum};

use super::config::{Sweep, Work};
use super::measure::{PARITY_PATIENCE, latencies, meta, ms, progress, write};
use crate::cluster::Cluster;
use crate::containers::Containers;
use crate::parity;
use crate::report::{Row, Summary, theory_ms};

/// In this process.
pub async fn in_process(work: &Work, sweep: &Sweep) -> Result<Summary, Box<dyn Error>> {
    let progress = progress(work.writes * sweep.quorums.len());
    let mut results = Vec::new();
    for &quorum in &sweep.quorums {
        progress.set_message(format!("W = {}", quorum.write()));
        let cluster = Cluster::start(quorum, sweep.delays, work.seed).await?;
        results.push(measure(work, &cluster.leader, quorum, sweep.delays, &progress).await?);
        cluster.stop().await;
    }
    progress.finish_and_clear();
    Ok(summary(work, sweep, "HTTP on loopback, one process", results))
}

/// In containers. Dropped unfinished, this removes those that are there.
pub async fn in_containers(work: &Work, file: &Path, sweep: &Sweep) -> Result<Summary, Box<dyn Error>> {
    let progress = progress(work.writes * sweep.quorums.len());
    let mut results = Vec::new();
    for &quorum in &sweep.quorums {
        progress.set_message(format!("W = {}", quorum.write()));
        let containers = Containers::start(file, quorum, sweep.delays, work.seed).await?;
        results.push(measure(work, &containers.leader, quorum, sweep.delays, &progress).await?);
        containers.remove()?;
    }
    progress.finish_and_clear();
    Ok(summary(work, sweep, "HTTP between containers", results))
}

fn summary(work: &Work, sweep: &Sweep, transport: &str, results: Vec<Row>) -> Summary {
    Summary { meta: meta(work, Some(sweep.followers), Some(sweep.delays), transport), results }
}

/// The writes of one quorum on a fresh cluster.
async fn measure(
    work: &Work,
    leader: &Address,
    quorum: Quorum,
    delays: DelayLaw,
    progress: &ProgressBar,
) -> Result<Row, Box<dyn Error>> {
    let outcome = write(work, leader, progress).await?;
    let parity_ok = parity::ask(leader, delays.max() + PARITY_PATIENCE).await.verdict.equal();
    let (w, n) = (quorum.write(), quorum.followers());
    let overheads: Vec<f64> = outcome
        .committed
        .iter()
        .filter_map(|write| Some(write.latency_ms - ms(delays.order_statistic(w, n, write.version)?)))
        .collect();
    let theory = theory_ms(ms(delays.min()), ms(delays.max()), w, n);
    Ok(Row::new(w, &latencies(&outcome), Some(&overheads), outcome.errors, parity_ok, Some(theory)))
}
