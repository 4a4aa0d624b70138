//! The flags.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use kv_http::Address;

use crate::catch_up::Away;
use crate::load::Operation;

/// Measures a replicated key-value store. Without a subcommand: write latency against the write quorum.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, args_conflicts_with_subcommands = true)]
pub struct Args {
    /// What to measure instead.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The experiment.
    #[command(flatten)]
    pub experiment: Experiment,
}

/// What to measure instead of the experiment.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Loads one node: every connection sends its next request when the last is answered.
    Load(Load),
    /// Starts six node processes and measures writes per second beside a bare echo server.
    Throughput(Throughput),
    /// Starts six durable node processes, fills them, and measures a restart: time and memory.
    Restart(Restart),
    /// Starts six node processes and measures their memory, idle and filled.
    Footprint(Footprint),
    /// Starts a leader and a follower and measures reading all their keys, and pages of them.
    Dump(Dump),
    /// Asks a leader whether all its nodes are equal.
    ///
    /// Exit codes: 0 equal, 1 different (the first keys that differ are named, with who holds what),
    /// 3 could not compare.
    Parity(Parity),
    /// Starts six node processes, takes one follower away, and measures how it becomes level again.
    CatchUp(CatchUp),
    /// A bare echo server on the same HTTP library: the floor that `throughput` compares with.
    Echo(Echo),
}

/// The flags of the experiment.
#[derive(Clone, Debug, clap::Args)]
pub struct Experiment {
    /// Write quorums to measure, separated by commas [default: 1 to the number of followers].
    #[arg(long, value_delimiter = ',')]
    pub quorums: Vec<usize>,
    /// Followers [default: 5].
    #[arg(long)]
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
    /// The shortest delay of an entry on its way to a follower, in milliseconds [default: 0].
    #[arg(long)]
    pub min_delay_ms: Option<u64>,
    /// The longest delay, in milliseconds [default: 1000].
    #[arg(long)]
    pub max_delay_ms: Option<u64>,
    /// Fixes keys, values and delays.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Fails unless every row is as it should be: its mean less the median overhead within 3.5
    /// standard errors of the theory, overhead at most 1.5 ms (median) and 5 ms (99th percentile);
    /// with --compose at most 3 ms (median).
    #[arg(long, conflicts_with = "url")]
    pub check: bool,
    /// Runs every quorum in fresh containers of this Compose file, whose image must have been built
    /// [default, if no file is named: compose/docker-compose.yml].
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "compose/docker-compose.yml")]
    #[arg(conflicts_with_all = ["url", "followers"])]
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

/// The flags of `load`.
#[derive(Clone, Debug, clap::Args)]
pub struct Load {
    /// The node, `http://host:port`.
    #[arg(long)]
    pub url: Address,
    /// Connections, each with one request under way.
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// How long, in seconds.
    #[arg(long, default_value = "5", value_parser = seconds)]
    pub seconds: Duration,
    /// What each request does.
    #[arg(long, value_enum, default_value_t = Operation::Put)]
    pub operation: Operation,
    /// Keys that are drawn from.
    #[arg(long, default_value_t = 1000)]
    pub keys: u64,
    /// The length of each value.
    #[arg(long, default_value_t = 64)]
    pub value_bytes: usize,
    /// Decides which connection takes which keys.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// The flags of `throughput`.
#[derive(Clone, Debug, clap::Args)]
pub struct Throughput {
    /// Connections to measure with, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "64,10,1")]
    pub connections: Vec<usize>,
    /// Rounds, in each of which store and echo take turns; the median counts.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// The length of one measurement.
    #[arg(long, default_value = "3", value_parser = seconds)]
    pub seconds: Duration,
    /// The write quorum of the five followers.
    #[arg(long, default_value_t = 3)]
    pub quorum: usize,
    /// The length of each value.
    #[arg(long, default_value_t = 64)]
    pub value_bytes: usize,
    /// Keys that are written to.
    #[arg(long, default_value_t = 1000)]
    pub keys: u64,
    /// Gives every node a data directory, somewhere below this one, and measures its syncs too.
    #[arg(long)]
    pub durable: Option<PathBuf>,
    /// The node's binary [default: `kv-node` beside this program].
    #[arg(long)]
    pub node: Option<PathBuf>,
}

/// The flags of `restart`.
#[derive(Clone, Debug, clap::Args)]
pub struct Restart {
    /// Keys to fill the store with.
    #[arg(long, default_value_t = 1_000_000)]
    pub keys: u64,
    /// Writes, each of the next key in turn.
    #[arg(long, default_value_t = 2_000_000)]
    pub writes: u64,
    /// The length of each value.
    #[arg(long, default_value_t = 64)]
    pub value_bytes: usize,
    /// Where the data directories go while it runs [default: the system's place for temporary files].
    #[arg(long)]
    pub disk: Option<PathBuf>,
    /// Fails unless every node is ready again in less than 10 s, and its memory peaks below 1.5 times
    /// the steady one.
    #[arg(long)]
    pub check: bool,
    /// The node's binary [default: `kv-node` beside this program].
    #[arg(long)]
    pub node: Option<PathBuf>,
}

/// The flags of `footprint`.
#[derive(Clone, Debug, clap::Args)]
pub struct Footprint {
    /// Keys to fill the store with.
    #[arg(long, default_value_t = 1_000_000)]
    pub keys: u64,
    /// The length of each value.
    #[arg(long, default_value_t = 64)]
    pub value_bytes: usize,
    /// The node's binary [default: `kv-node` beside this program].
    #[arg(long)]
    pub node: Option<PathBuf>,
}

/// The flags of `dump`.
#[derive(Clone, Debug, clap::Args)]
pub struct Dump {
    /// Keys to fill the store with.
    #[arg(long, default_value_t = 1_000_000)]
    pub keys: u64,
    /// The length of each value.
    #[arg(long, default_value_t = 64)]
    pub value_bytes: usize,
    /// How often each node is read; the median speed and the highest rise count.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Fails unless every node gives more than 50 MB/s, its memory rises by less than 20 MB, and a page
    /// at the end takes at most 1.5 times as long as one at the start.
    #[arg(long)]
    pub check: bool,
    /// The node's binary [default: `kv-node` beside this program].
    #[arg(long)]
    pub node: Option<PathBuf>,
}

/// The flags of `parity`.
#[derive(Clone, Debug, clap::Args)]
pub struct Parity {
    /// The leader, `http://host:port`.
    #[arg(long)]
    pub url: Address,
    /// How long it may take, in seconds.
    #[arg(long, default_value = "10", value_parser = seconds)]
    pub timeout: Duration,
}

/// The flags of `catch-up`.
#[derive(Clone, Debug, clap::Args)]
pub struct CatchUp {
    /// Entries that the follower misses.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub missed: u64,
    /// Keys that are written to; each is there before anything is measured.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub keys: u64,
    /// The length of each value.
    #[arg(long, default_value_t = 32)]
    pub value_bytes: usize,
    /// Stops the follower (SIGSTOP) and lets it go on, instead of killing it and starting it again empty.
    #[arg(long)]
    pub stop: bool,
    /// Lets it stand still for 2.5 s at a time: it never fails, and the log has to wait for it.
    #[arg(long, conflicts_with = "stop")]
    pub slow: bool,
    /// Connections that write all the time, each with one request under way.
    #[arg(long, default_value_t = 10)]
    pub connections: usize,
    /// Their writes per second, all together [default: as fast as they are answered].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub rate: Option<u64>,
    /// How long each stage is measured at least, but for the catch-up itself.
    #[arg(long, default_value = "3", value_parser = seconds)]
    pub seconds: Duration,
    /// The write quorum of the five followers.
    #[arg(long, default_value_t = 3)]
    pub quorum: usize,
    /// Fails unless the follower is level in less than 20 s, without a failed write, and the leader's
    /// memory and log stay within their limits.
    #[arg(long)]
    pub check: bool,
    /// The node's binary [default: `kv-node` beside this program].
    #[arg(long)]
    pub node: Option<PathBuf>,
}

impl CatchUp {
    /// What happens to the follower.
    pub fn away(&self) -> Away {
        match (self.stop, self.slow) {
            (true, _) => Away::Stopped,
            (_, true) => Away::Slow,
            _ => Away::Killed,
        }
    }
}

/// The flags of `echo`.
#[derive(Clone, Debug, clap::Args)]
pub struct Echo {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
}

/// More than nothing, at most a day.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let fits = |duration: &Duration| !duration.is_zero() && *duration <= Duration::from_secs(86_400);
    seconds.filter(fits).ok_or_else(|| "must be seconds, more than 0 and at most 86400".to_owned())
}
