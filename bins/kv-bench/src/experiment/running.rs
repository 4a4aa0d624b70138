//! A cluster that somebody else runs: one row.

use std::error::Error;
use std::time::Duration;

use kv_http::Address;

use super::config::{Running, Work};
use super::measure::{PARITY_PATIENCE, latencies, meta, ms, progress, write};
use crate::parity;
use crate::report::{Row, Summary, theory_ms};

pub async fn measure(work: &Work, running: &Running) -> Result<Summary, Box<dyn Error>> {
    let Running { leader, followers, write_quorum: w, follower_count, delays } = running;
    let progress = progress(work.writes);
    let outcome = write(work, leader, &progress).await?;
    let longest = delays.map_or(Duration::ZERO, |delays| delays.max());
    let parity_ok = if followers.is_empty() {
        None
    } else {
        let nodes: Vec<Address> = std::iter::once(leader).chain(followers).cloned().collect();
        parity::wait(&nodes, longest + PARITY_PATIENCE).await.equal()
    };
    progress.finish_and_clear();
    let theory = follower_count.zip(*delays);
    let theory = theory.map(|(n, delays)| theory_ms(ms(delays.min()), ms(delays.max()), *w, n));
    let row = Row::new(*w, &latencies(&outcome), None, outcome.errors, parity_ok, theory);
    let meta = meta(work, *follower_count, *delays, "HTTP, a running cluster");
    Ok(Summary { meta, results: vec![row] })
}
