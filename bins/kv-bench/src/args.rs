//! The command line: each command has its own arguments.

use clap::{Parser, Subcommand};

use crate::{catch_up, dump, echo, experiment, footprint, load, parity, restart, throughput};

/// Measures a replicated key-value store. Without a subcommand: write latency against the write quorum.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, args_conflicts_with_subcommands = true)]
pub struct Args {
    /// What to measure instead.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The experiment.
    #[command(flatten)]
    pub experiment: experiment::Args,
}

/// What to measure instead of the experiment.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Loads one node: every connection sends its next request when the last is answered.
    Load(load::Args),
    /// Starts six node processes and measures writes per second beside a bare echo server.
    Throughput(throughput::Args),
    /// Starts six durable node processes, fills them, and measures a restart: time and memory.
    Restart(restart::Args),
    /// Starts six node processes and measures their memory, idle and filled.
    Footprint(footprint::Args),
    /// Starts a leader and a follower and measures reading all their keys, and pages of them.
    Dump(dump::Args),
    /// Asks a leader whether all its nodes are equal.
    ///
    /// Exit codes: 0 equal, 1 different (the first keys that differ are named, with who holds what),
    /// 3 could not compare.
    Parity(parity::Args),
    /// Starts six node processes, takes one follower away, and measures how it becomes level again.
    CatchUp(catch_up::Args),
    /// A bare echo server on the same HTTP library: the floor that `throughput` compares with.
    Echo(echo::Args),
}
