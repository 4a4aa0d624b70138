//! Suites and tools for tests. Nothing here is part of a node, but for the macro `planted!`, which is nothing
//! without the feature `simulator`.

#[cfg(feature = "conformance")]
pub mod conformance;
pub(crate) mod planted;
#[cfg(feature = "simulator")]
pub mod simulator;
