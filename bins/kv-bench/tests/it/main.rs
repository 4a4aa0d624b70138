//! The real binary: one module for each behaviour.
//!
//! `cargo test` runs these tests as threads of one process, nextest each in a process of its own. So no test changes
//! what a process has only once, and each has files of its own ([`common::Out`]). Tests that need a Docker engine are
//! ignored here: `.ci/containers` runs those of [`compose`].
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

mod common;

mod compose;
mod experiment;
mod parity;
