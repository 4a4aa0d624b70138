//! What a storage must do, on files that tests may damage.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod backup;
mod conformance;
mod damage;
mod growth;
mod large;
