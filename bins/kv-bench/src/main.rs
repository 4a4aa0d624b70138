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
mod catch_up;
mod clock;
mod cluster;
mod containers;
mod dump;
mod experiment;
mod fill;
mod footprint;
mod load;
mod nodes;
mod parity;
mod report;
mod restart;
mod throughput;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Builder;

use crate::args::{Args, Command};

/// What a command has to say.
struct Report {
    text: String,
    /// Why the text is no good news: the process then fails.
    problem: Option<String>,
    /// The exit code, if there is a problem.
    code: u8,
}

impl From<String> for Report {
    fn from(text: String) -> Self {
        Self { text, problem: None, code: 0 }
    }
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(Report { text, problem, code }) => {
            print(&text);
            problem.map_or(ExitCode::SUCCESS, |problem| {
                complain(Box::<dyn Error>::from(problem).as_ref());
                ExitCode::from(code)
            })
        }
        Err(error) => {
            complain(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<Report, Box<dyn Error>> {
    // A load comes from one thread, as a node runs on one; the experiment puts six nodes and their
    // clients into this process, and gets two.
    let mut builder = match args.command {
        None => Builder::new_multi_thread(),
        Some(_) => Builder::new_current_thread(),
    };
    let runtime = builder.worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        Ok(match args.command {
            None => experiment::run(&args.experiment).await?,
            Some(Command::Load(load)) => load::command(&load).await?,
            Some(Command::Throughput(throughput)) => throughput::command(&throughput).await?.into(),
            Some(Command::Restart(restart)) => restart::command(&restart).await?,
            Some(Command::Footprint(footprint)) => footprint::command(&footprint).await?.into(),
            Some(Command::Dump(dump)) => dump::command(&dump).await?,
            Some(Command::Parity(parity)) => parity::command(&parity).await,
            Some(Command::CatchUp(catch_up)) => catch_up::command(&catch_up).await?,
            Some(Command::Echo(echo)) => throughput::echo(&echo).await?.into(),
        })
    })
}

#[expect(clippy::print_stdout, reason = "the result of the program")]
fn print(text: &str) {
    print!("{text}");
}

#[expect(clippy::print_stderr, reason = "why there is no result")]
fn complain(error: &dyn Error) {
    eprintln!("kv-bench: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}
