//! `kv-bench`: what replication costs.
//!
//! Without a subcommand it repeats the experiment: write latency against the write quorum, with a
//! fresh cluster for every quorum, inside this process, over real HTTP on loopback; with `--compose` in
//! containers. The subcommands measure other things; `--help` lists them.
//!
//! # What it does not do
//!
//! It judges nothing but where `--check` says so, and parity; it does not measure across machines, and it
//! builds no images.

mod args;
mod bounds;
mod catch_up;
mod clock;
mod cluster;
mod containers;
#[cfg(test)]
mod documented;
mod dump;
mod echo;
mod experiment;
mod fill;
mod footprint;
mod load;
mod nodes;
mod output;
#[cfg(test)]
#[path = "../../pages.rs"]
mod pages;
mod parity;
mod report;
mod restart;
mod seconds;
mod throughput;

use std::error::Error;
use std::future::Future;
use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Builder;

use crate::args::{Args, Command};
use crate::output::Report;

fn main() -> ExitCode {
    output::show(run(Args::parse()))
}

/// Arguments that cannot be meant are refused before anything is started.
fn run(args: Args) -> Result<Report, Box<dyn Error>> {
    match args.command {
        None => {
            let config = args.experiment.config()?;
            // Six nodes and their clients in this process.
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(2).enable_all().build()?.block_on(experiment::run(&config))
        }
        Some(Command::Load(args)) => alone(load::run(args)),
        Some(Command::Throughput(args)) => alone(throughput::run(args.config()?)),
        Some(Command::Restart(args)) => alone(restart::run(args)),
        Some(Command::Footprint(args)) => alone(footprint::run(args)),
        Some(Command::Dump(args)) => alone(dump::run(args)),
        Some(Command::Parity(args)) => alone(async { Ok(parity::run(args).await) }),
        Some(Command::CatchUp(args)) => alone(catch_up::run(args.config()?)),
        Some(Command::Echo(args)) => alone(echo::run(args)),
    }
}

/// On one thread: a load comes from one, as a node runs on one.
fn alone(command: impl Future<Output = Result<Report, Box<dyn Error>>>) -> Result<Report, Box<dyn Error>> {
    Builder::new_current_thread().enable_all().build()?.block_on(command)
}
