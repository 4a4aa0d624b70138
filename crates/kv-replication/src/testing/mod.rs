//! Suites and tools for tests: nothing here is part of a node.

#[cfg(feature = "conformance")]
pub mod conformance;
pub(crate) mod planted;
#[cfg(feature = "simulator")]
pub mod simulator;
