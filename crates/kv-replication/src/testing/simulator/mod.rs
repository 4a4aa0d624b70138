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
//! `report` is what to run and what came of it; `shape` what a seed is about. The cluster (`cluster`) is made
//! of nodes (`nodes`) with disks (`disk`), a network, clients with their history (`sessions`) and an operator
//! (`settings`). What happens to it is one `event` after the other, and `events` the loop: messages and
//! outputs (`messages`), starts and ends of nodes (`lives`), `clients`, `disks`, `faults`, `forged` messages, the
//! `operator`. Each of those is a room of the cluster's methods and is imported by nobody.
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
mod event;
mod events;
mod faults;
mod forged;
mod invariants;
mod lives;
mod messages;
mod names;
mod network;
mod nodes;
mod operator;
mod planted;
mod report;
mod sessions;
mod settings;
mod shape;

pub use crate::testing::planted::Bug;
pub use report::{Counters, Failure, Options, Report};

/// Runs one seed.
///
/// # Errors
/// The [`Failure`], if something does not hold.
pub fn run(seed: u64, options: Options) -> Result<Report, Box<Failure>> {
    cluster::Cluster::new(seed, options).run()
}
