//! `kv-node`: one node of a replicated key-value store.
//!
//! Reads its settings, binds its port, and puts the crates together. `kv-node healthcheck` asks a
//! running node whether it is alive, for containers without a shell. `kv-node backup` and `kv-node restore`
//! copy the state of a node into a file, and make a new one of it.
//!
//! Exit codes: 0 after a clean stop (or a healthy check), 1 for an unhealthy check or a system that
//! refuses, 2 for bad settings or a data directory that cannot be used, 3 when the disk has failed.
//!
//! # What it does not do
//!
//! It decides nothing: rules are in `kv-replication`, HTTP is in `kv-http`, files are in `kv-storage`.

mod args;
mod backup;
mod healthcheck;
mod node;
mod settings;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};
use crate::settings::Settings;

fn main() -> ExitCode {
    let args = Args::parse();
    let settings = match Settings::from_args(&args) {
        Ok(settings) => settings,
        // For a container's check there are only two answers.
        Err(error) => return refuse(&error, if args.command.is_some() { 1 } else { 2 }),
    };
    let done = match args.command {
        Some(Command::Healthcheck) => healthcheck::run(&settings).map_err(|error| (error, 1)),
        Some(Command::Backup { to, from }) => {
            backup::backup(settings.disk.as_ref(), from.as_deref(), &to).map_err(|error| (error, 1))
        }
        Some(Command::Restore { from }) => {
            backup::restore(settings.disk.as_ref(), &from).map_err(|error| (error, 1))
        }
        None => node::run(settings),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err((error, code)) => refuse(error.as_ref(), code),
    }
}

#[expect(clippy::print_stderr, reason = "the one line that says why the process ends")]
fn refuse(error: &dyn std::error::Error, code: u8) -> ExitCode {
    eprintln!("kv-node: {error}");
    ExitCode::from(code)
}
