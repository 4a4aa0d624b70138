//! What a sweep and a cluster that runs have in common: the writes, and the words about them.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use kv_http::{Address, ClientError};
use kv_replication::DelayLaw;

use super::config::Work;
use super::workload::{self, Outcome};
use crate::output::warn;
use crate::report::Meta;

/// How long the replicas may take to become equal, beyond the longest delay.
pub const PARITY_PATIENCE: Duration = Duration::from_secs(15);

/// Makes all writes of one quorum.
pub async fn write(work: &Work, leader: &Address, progress: &ProgressBar) -> Result<Outcome, ClientError> {
    let writes = workload::prepare(work.seed, work.writes, work.keys);
    let outcome = workload::execute(leader, writes, work.workers, progress).await?;
    if let Some(error) = &outcome.first_error {
        progress.suspend(|| warn(&format!("{} writes failed; the first: {error}", outcome.errors)));
    }
    Ok(outcome)
}

/// How a run was set up.
pub fn meta(work: &Work, followers: Option<usize>, delays: Option<DelayLaw>, transport: &str) -> Meta {
    let whole_ms = |delay: Duration| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
    Meta {
        followers,
        min_delay_ms: delays.map(|delays| whole_ms(delays.min())),
        max_delay_ms: delays.map(|delays| whole_ms(delays.max())),
        writes: work.writes,
        workers: work.workers,
        keys: work.keys,
        seed: work.seed,
        transport: transport.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

pub fn latencies(outcome: &Outcome) -> Vec<f64> {
    outcome.committed.iter().map(|write| write.latency_ms).collect()
}

pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Shown on a terminal only.
pub fn progress(writes: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} [{bar:40}] {pos}/{len} writes, {elapsed}");
    let bar = ProgressBar::new(writes as u64);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
