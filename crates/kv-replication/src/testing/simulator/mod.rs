//! Whole clusters in virtual time, from one seed, on one thread.
//!
//! [`run`] takes the production machines through ten minutes of losses, delays, cuts, crashes with and
//! without memory, blackouts, pauses, slow and full disks, resets and rival leaders, while clients write and
//! read. Each property that must hold is a file in `invariants/`, named after it. At the end everything is
//! healed, and must become level without a new write.
//!
//! The assumption under which nothing acknowledged may be lost is kept: at most W - 1 followers at a
//! time are without their memory. Leaders die as they like, and so do nodes with disks: all of them at once, too.
//!
//! # What it does not do
//!
//! It does not simulate a disk that loses what was synced, or that keeps a later record and not an earlier
//! one, nor the loops and waits of the engine: a read that would wait is refused here.

#![expect(clippy::indexing_slicing, reason = "nodes are numbered by the simulator itself")]

mod clients;
mod cluster;
mod disk;
mod disks;
mod faults;
mod forged;
mod invariants;
mod network;
mod nodes;
mod settings;
mod shape;

use std::fmt;
use std::time::Duration;

use crate::protocol::time::Time;

pub use crate::testing::planted::Bug;
pub use cluster::Counters;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long, in simulated time.
    pub simulated: Duration,
    /// A deliberate mistake.
    pub planted: Option<Bug>,
    /// Keep the words of the trace, not only its hash.
    pub trace: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { simulated: Duration::from_secs(600), planted: None, trace: false }
    }
}

/// A run in which everything held.
#[derive(Clone, Debug)]
pub struct Report {
    /// Of everything that happened, in order: the same seed gives the same one.
    pub trace_hash: u64,
    /// How often what happened.
    pub counters: Counters,
}

/// A run in which something did not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed that shows it.
    pub seed: u64,
    /// When, in simulated time.
    pub at: Time,
    /// The file in `invariants/` that says what should have held.
    pub invariant: &'static str,
    /// What was found instead.
    pub message: String,
    /// The last lines of the trace, if it was kept.
    pub trace: Vec<String>,
}

/// Runs one seed.
///
/// # Errors
/// The [`Failure`], if something does not hold.
pub fn run(seed: u64, options: Options) -> Result<Report, Box<Failure>> {
    cluster::Cluster::new(seed, options).run()
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trace {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "seed {}, at {:?}: {}: {}", self.seed, self.at, self.invariant, self.message)?;
        let seed = self.seed;
        write!(
            f,
            "replay: KV_SIM_SEED={seed} cargo test -p kv-replication --test it clusters::replay -- --ignored --nocapture"
        )
    }
}
