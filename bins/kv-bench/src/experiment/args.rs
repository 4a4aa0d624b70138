//! The flags of the experiment, as they are given.

use std::path::PathBuf;

use kv_http::Address;

use super::config::{COMPOSE_FILE, FOLLOWERS, MAX_DELAY_MS, MIN_DELAY_MS};
use super::judge::{DEVIATION_MAX, IN_CONTAINERS, IN_PROCESS};

/// The flags of the experiment.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)] // clap would name it as that of the whole command line
pub struct Args {
    /// Write quorums to measure, separated by commas [default: 1 to the number of followers].
    #[arg(long, value_delimiter = ',')]
    pub quorums: Vec<usize>,
    #[arg(long, help = format!("Followers [default: {FOLLOWERS}]"))]
    pub followers: Option<usize>,
    /// Writes per quorum.
    #[arg(long, default_value_t = 100)]
    pub writes: usize,
    /// Workers that write at the same time.
    #[arg(long, default_value_t = 10)]
    pub workers: usize,
    /// Keys that are written to.
    #[arg(long, default_value_t = 10)]
    pub keys: usize,
    #[arg(long, help = format!(
        "The shortest delay of an entry on its way to a follower, in milliseconds [default: {MIN_DELAY_MS}]"
    ))]
    pub min_delay_ms: Option<u64>,
    #[arg(long, help = format!("The longest delay, in milliseconds [default: {MAX_DELAY_MS}]"))]
    pub max_delay_ms: Option<u64>,
    /// Fixes keys, values and delays.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    #[arg(long, conflicts_with = "url", help = format!(
        "Fails unless every row is as it should be: its mean less the median overhead within {DEVIATION_MAX} standard \
         errors of the theory, overhead at most {} ms (median) and {} ms (99th percentile); with --compose at most {} ms \
         (median)",
        IN_PROCESS.p50_ms, IN_PROCESS.p99_ms, IN_CONTAINERS.p50_ms
    ))]
    pub check: bool,
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = COMPOSE_FILE)]
    #[arg(conflicts_with_all = ["url", "followers", "quorum", "follower_urls"], help = format!(
        "Runs every quorum in fresh containers of this Compose file, whose image must have been built [default, if no \
         file is named: {COMPOSE_FILE}]"
    ))]
    pub compose: Option<PathBuf>,
    /// Where the summary and the plots go.
    #[arg(long, default_value = "artifacts")]
    pub out: PathBuf,
    /// Measures a running leader instead, through the report's own endpoints.
    #[arg(long)]
    pub url: Option<Address>,
    /// The followers of that leader, separated by commas, for the comparison of the replicas.
    #[arg(long, value_delimiter = ',', requires = "url")]
    pub follower_urls: Vec<Address>,
    /// The write quorum of that leader: a label, and the W of the theory.
    #[arg(long, requires = "url")]
    pub quorum: Option<usize>,
}
