//! What to run, and what came of it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::protocol::time::Time;
use crate::testing::planted::Bug;

/// How often what happened, by name.
pub type Counters = BTreeMap<&'static str, u64>;

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
