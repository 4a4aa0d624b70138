//! The machines and the engine, as those who use this crate see them.
//!
//! * `golden`: one leader and its followers, from scripts with exact traces.
//! * `schedules`: several leaders, and a test says who reaches whom.
//! * `clusters`: whole clusters in virtual time, with faults, by seed.
//! * `log_cut`, `restored`: what the log keeps; the first start after a backup.
//! * `durable`: the engine on a disk that a test holds up, fills, or breaks.
//! * `memory_transport`: the rules that every transport keeps.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod clusters;
mod durable;
mod golden;
mod log_cut;
mod memory_transport;
mod restored;
mod schedules;
