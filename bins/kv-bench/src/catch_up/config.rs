//! What is to be measured of a follower that comes back.

use std::time::Duration;

use kv_replication::Quorum;

use crate::bounds;
use crate::nodes::{BadQuorum, Binary, QUORUM, quorum_of_five};
use crate::seconds::seconds;

/// How long a slow follower stands still at a time: less than the time-out of one attempt.
pub const SLOW_STOPPED: Duration = Duration::from_millis(2_500);
/// How long it may take with `--check`.
pub const LEVEL_MAX: Duration = Duration::from_secs(20);

/// The flags of `catch-up`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Entries that the follower misses.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub missed: u64,
    /// Keys that are written to; each is there before anything is measured.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub keys: u64,
    /// The length of each value.
    #[arg(long, default_value_t = 32, value_parser = bounds::value_bytes)]
    pub value_bytes: usize,
    /// Stops the follower (SIGSTOP) and lets it go on, instead of killing it and starting it again empty.
    #[arg(long)]
    pub stop: bool,
    #[arg(long, conflicts_with = "stop", help = format!(
        "Lets it stand still for {} s at a time: it never fails, and the log has to wait for it",
        SLOW_STOPPED.as_secs_f64()
    ))]
    pub slow: bool,
    /// Connections that write all the time, each with one request under way.
    #[arg(long, default_value_t = 10, value_parser = bounds::connections)]
    pub connections: usize,
    /// Their writes per second, all together [default: as fast as they are answered].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub rate: Option<u64>,
    /// How long each stage is measured at least, but for the catch-up itself.
    #[arg(long, default_value = "3", value_parser = seconds)]
    pub seconds: Duration,
    /// The write quorum of the five followers.
    #[arg(long, default_value_t = QUORUM)]
    pub quorum: usize,
    #[arg(long, help = format!(
        "Fails unless the follower is level in less than {} s, without a failed write, and the leader's memory and log \
         stay within their limits",
        LEVEL_MAX.as_secs()
    ))]
    pub check: bool,
    #[command(flatten)]
    pub binary: Binary,
}

/// A measurement that can be made.
#[derive(Debug)]
pub struct Config {
    pub missed: u64,
    pub keys: u64,
    pub value_bytes: usize,
    pub away: Away,
    pub connections: usize,
    pub rate: Option<u64>,
    /// Of each stage, but for the catch-up itself.
    pub stage_min: Duration,
    pub quorum: Quorum,
    pub check: bool,
    pub binary: Binary,
}

/// What happens to the follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Away {
    /// It is killed, and started again without memory.
    Killed,
    /// It stands still, and goes on.
    Stopped,
    /// It stands still nearly all the time, and so never fails: the log has to wait for it.
    Slow,
}

impl Args {
    /// # Errors
    /// [`BadQuorum`] if the quorum is none of five followers.
    pub fn config(self) -> Result<Config, BadQuorum> {
        let away = match (self.stop, self.slow) {
            (true, _) => Away::Stopped,
            (_, true) => Away::Slow,
            _ => Away::Killed,
        };
        Ok(Config {
            missed: self.missed,
            keys: self.keys,
            value_bytes: self.value_bytes,
            away,
            connections: self.connections,
            rate: self.rate,
            stage_min: self.seconds,
            quorum: quorum_of_five(self.quorum)?,
            check: self.check,
            binary: self.binary,
        })
    }
}
