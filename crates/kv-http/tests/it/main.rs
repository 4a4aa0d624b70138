//! The tests of the crate over real sockets, one module for each behaviour.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

mod bodies;
mod claims;
mod client;
mod connections;
mod contract;
mod deletes;
mod faults;
mod internal;
mod lists;
mod outcomes;
mod parity;
mod reads;
mod report;
mod round_trips;
mod shutdown;
mod status;
mod transport;
mod wire;
