//! The checker of histories: examples, random histories against a twin that tries every order, and a long one.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod examples;
mod random;
mod size;
mod twin;
mod verdicts;
