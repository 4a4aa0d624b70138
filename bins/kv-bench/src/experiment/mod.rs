//! The experiment: for every write quorum, how long does a write take?
//!
//! [`args`] has the flags, and [`parse`] makes a [`Config`] of them, of which nothing can be wrong any more. A [`sweep`]
//! gives every quorum a fresh cluster, and [`running`] measures one that is there; both make the writes of
//! [`workload`]. The [`judge`] says whether the result is as it should be.

mod args;
mod config;
mod judge;
mod measure;
mod parse;
mod running;
mod sweep;
mod workload;

use std::error::Error;
use std::io;

use tokio::signal::unix::{SignalKind, signal};

use self::config::{Config, Target};
use crate::output::Report;
use crate::report::{draw, table};

pub use self::args::Args;

/// Runs it, writes its files, and gives the table.
pub async fn run(config: &Config) -> Result<Report, Box<dyn Error>> {
    let Config { work, target, out } = config;
    let summary = match target {
        Target::InProcess(sweep) => sweep::in_process(work, sweep).await?,
        Target::Running(running) => running::measure(work, running).await?,
        // What is dropped here unfinished removes its containers.
        Target::Compose(file, sweep) => tokio::select! {
            summary = sweep::in_containers(work, file, sweep) => summary?,
            signal = interrupted() => return Err(signal?.into()),
        },
    };
    if summary.results.iter().all(|row| row.writes == 0) {
        return Err("no write succeeded, so there is nothing to show".into());
    }
    let json = out.join("perf_summary.json");
    let (png, svg) = (out.join("quorum_latency.png"), out.join("quorum_latency.svg"));
    summary.write_json(&json)?;
    draw(&summary, &png, &svg)?;
    let written = format!("{}, {} and {} written", json.display(), png.display(), svg.display());
    let problem = judge::problem(&summary, target.is_compared(), target.promised());
    Ok(Report::new(format!("{}\n{written}\n", table(&summary)), problem))
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
