//! The raw flags and variables, as texts. What they mean is decided in [`crate::settings`].

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// One node of a replicated key-value store: a leader, or a follower.
#[derive(Debug, Default, Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Args {
    /// What to do; without it, the node runs.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// `leader` or `follower` [default: leader].
    #[arg(long, env, global = true)]
    pub role: Option<String>,
    /// Where to listen [default: 127.0.0.1].
    #[arg(long, env, global = true)]
    pub host: Option<String>,
    /// Where to listen; 0 picks a free port [default: 8000].
    #[arg(long, env, global = true)]
    pub port: Option<String>,
    /// The followers of a leader: `http://host:port`, separated by commas.
    #[arg(long, env, global = true)]
    pub follower_urls: Option<String>,
    /// How many followers must acknowledge a write [default: 1 if there are followers, else 0].
    #[arg(long, env, global = true)]
    pub write_quorum: Option<String>,
    /// The shortest simulated delay of an entry on its way to a follower [default: 0].
    #[arg(long, env, global = true)]
    pub min_delay_ms: Option<String>,
    /// The longest simulated delay [default: 0].
    #[arg(long, env, global = true)]
    pub max_delay_ms: Option<String>,
    /// How long one attempt to reach a follower may take, delay not included [default: 3000].
    #[arg(long, env, global = true)]
    pub replication_timeout_ms: Option<String>,
    /// The deadline of a write [default: MAX_DELAY_MS + REPLICATION_TIMEOUT_MS].
    #[arg(long, env, global = true)]
    pub write_timeout_ms: Option<String>,
    /// Where the node keeps what it must not forget [default: none, it lives in memory only].
    #[arg(long, env, global = true)]
    pub data_dir: Option<String>,
    /// The cluster whose data DATA_DIR must hold, as `/status` shows it, if it holds any [default: any].
    #[arg(long, env, global = true)]
    pub cluster_id: Option<String>,
    /// Below so many free bytes on the disk of DATA_DIR, nothing new is taken [default: 134217728].
    #[arg(long, env, global = true)]
    pub disk_reserve_bytes: Option<String>,
    /// The log grows by at least so many bytes before a checkpoint lets its old part go [default: 67108864].
    #[arg(long, env, global = true)]
    pub checkpoint_log_bytes: Option<String>,
    /// The seed of delays and jitter [default: drawn and logged].
    #[arg(long, env, global = true)]
    pub seed: Option<String>,
    /// Worker threads [default: 1].
    #[arg(long, env, global = true)]
    pub runtime_threads: Option<String>,
    /// Allows WRITE_QUORUM=0 with followers [default: false].
    #[arg(long, env, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub allow_async: Option<String>,
    /// Whether POST /reset works [default: true].
    #[arg(long, env, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub enable_reset: Option<String>,
    /// Goes on with what the reachable followers still have, although too few of them have kept their memory
    /// and acknowledged writes may be lost, as a new cluster [default: false].
    #[arg(long, env, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub accept_data_loss: Option<String>,
    /// Starts a new history although not every follower answers [default: false].
    #[arg(long, env, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub new_history: Option<String>,
    /// `text` or `json` [default: text].
    #[arg(long, env, global = true)]
    pub log_format: Option<String>,
    /// `error`, `warn`, `info`, `debug` or `trace` [default: info].
    #[arg(long, env, global = true)]
    pub log_level: Option<String>,
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
