//! The real binary, as processes and in containers: one module for each behaviour.
//!
//! [`common`] starts nodes and speaks to them, [`docker`] does that with the containers of the Compose files. `cargo
//! test` runs these tests as threads of one process, nextest each in a process of its own. So no test changes what
//! a process has only once: its environment, its directory, its umask; nodes are given all that by [`common`].
//! Tests that need more than this program can count on are ignored here: `.ci/containers` runs those of
//! [`containers`], `.ci/disks` those of [`data_dir`].
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests fail by panicking, and say what they saw"
)]

mod common;
mod docker;

mod backups;
mod bad_settings;
mod changed_group;
mod cluster;
mod containers;
mod crashes;
mod data_dir;
mod deployment;
mod history;
mod new_history;
mod reads;
mod recovery;
