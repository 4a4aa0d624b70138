//! An experiment that can be made.

use std::path::PathBuf;
use std::time::Duration;

use kv_http::Address;
use kv_replication::{DelayLaw, InvalidDelays, InvalidQuorum, Quorum};
use thiserror::Error;

use super::judge::Promised;

/// How many followers the built-in cluster has, if nothing else is said.
pub const FOLLOWERS: usize = 5;
/// Its delays.
pub const MIN_DELAY_MS: u64 = 0;
pub const MAX_DELAY_MS: u64 = 1000;
pub const COMPOSE_FILE: &str = "compose/docker-compose.yml";

/// What is measured, and where the files go.
#[derive(Debug)]
pub struct Config {
    pub work: Work,
    pub target: Target,
    pub out: PathBuf,
}

/// The writes of each quorum: at least one of each.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    pub writes: usize,
    pub workers: usize,
    pub keys: usize,
    pub seed: u64,
}

/// Who is written to.
#[derive(Debug)]
pub enum Target {
    /// Nodes inside this process.
    InProcess(Sweep),
    /// The containers of this Compose file.
    Compose(PathBuf, Sweep),
    /// A leader that somebody else runs.
    Running(Running),
}

/// A fresh cluster for each of these quorums.
#[derive(Debug)]
pub struct Sweep {
    pub followers: usize,
    /// Each waits for somebody.
    pub quorums: Vec<Quorum>,
    pub delays: DelayLaw,
    /// None: the result is not judged by its figures.
    pub promised: Option<&'static Promised>,
}

/// What is known of a cluster that runs.
#[derive(Debug)]
pub struct Running {
    pub leader: Address,
    /// To be compared with the leader; none: nobody asked for that.
    pub followers: Vec<Address>,
    pub write_quorum: usize,
    /// How many followers it has, if that was said.
    pub follower_count: Option<usize>,
    pub delays: Option<DelayLaw>,
}

/// Flags that do not go together.
#[derive(Debug, Error)]
pub enum BadExperiment {
    #[error("--writes, --workers and --keys must be at least 1")]
    Zero,
    #[error("{flag}: at most {max}")]
    TooMuch { flag: &'static str, max: usize },
    #[error("--quorum: say which write quorum the leader at --url has")]
    NoLabel,
    #[error("--quorums: only for the built-in cluster; with --url there is one row, and --quorum labels it")]
    Quorums,
    #[error("--quorums: 0 is not a quorum that waits for anyone")]
    ZeroQuorum,
    #[error("--followers must be at least 1")]
    NoFollowers,
    #[error("--followers says {said}, but --follower-urls names {named}")]
    Followers { said: usize, named: usize },
    #[error("--min-delay-ms: give --max-delay-ms, too, for the theory of the leader at --url")]
    NoMaximum,
    #[error(transparent)]
    Quorum(#[from] InvalidQuorum),
    #[error(transparent)]
    Delays(#[from] InvalidDelays),
}

impl Target {
    /// Whether the replicas are compared: always, unless nobody says where they are.
    pub fn is_compared(&self) -> bool {
        match self {
            Self::InProcess(_) | Self::Compose(..) => true,
            Self::Running(running) => !running.followers.is_empty(),
        }
    }

    /// What the figures are judged by, if at all.
    pub fn promised(&self) -> Option<&'static Promised> {
        match self {
            Self::InProcess(sweep) | Self::Compose(_, sweep) => sweep.promised,
            Self::Running(_) => None,
        }
    }
}

/// Uniform between two numbers of milliseconds.
pub fn uniform_ms(seed: u64, min_ms: u64, max_ms: u64) -> Result<DelayLaw, InvalidDelays> {
    DelayLaw::uniform(seed, Duration::from_millis(min_ms), Duration::from_millis(max_ms))
}
