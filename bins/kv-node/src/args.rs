//! The command line: a command, if any, and the settings.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::settings::Given;

/// One node of a replicated key-value store: a leader, or a follower.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Args {
    /// What to do; without it, the node runs.
    #[command(subcommand)]
    pub command: Option<Command>,

    #[command(flatten)]
    pub given: Given,
}

/// What to do instead of running a node.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Asks the node at HOST and PORT whether it is alive: exit code 0 or 1.
    Healthcheck,
    /// Writes the state of a node at one version into a file: of the one that runs at `--from`, or of the
    /// one in DATA_DIR that does not run.
    Backup {
        /// The file, which must not be there yet.
        #[arg(long)]
        to: PathBuf,
        /// `http://host:port` of a node that runs.
        #[arg(long)]
        from: Option<String>,
    },
    /// Makes a new leader's DATA_DIR, which must be empty, of a backup.
    Restore {
        /// The file.
        #[arg(long)]
        from: PathBuf,
    },
}
