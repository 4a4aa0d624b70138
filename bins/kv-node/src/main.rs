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
#[cfg(test)]
mod documented;
mod failure;
mod healthcheck;
mod node;
#[cfg(test)]
#[path = "../../pages.rs"]
mod pages;
mod random;
mod settings;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};
use crate::failure::Failure;
use crate::settings::Settings;

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(Args { command, given }: Args) -> Result<(), Failure> {
    let settings = Settings::read(&given, random::draw()?);
    let Some(command) = command else {
        return node::run(settings?);
    };
    let settings = settings.map_err(Failure::Command)?;
    let disk = settings.disk.as_ref();
    match command {
        Command::Healthcheck => healthcheck::run(settings.local_address())?,
        Command::Backup { to, from } => backup::backup(disk, from.as_deref(), &to)?,
        Command::Restore { from } => backup::restore(disk, &from)?,
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the one line that says why the process ends")]
fn complain(failure: &Failure) {
    eprintln!("kv-node: {failure}");
}
