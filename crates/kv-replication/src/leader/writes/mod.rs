//! The writes that wait for an answer, and whether a new one gets a version.

pub(super) mod admission;
pub(super) mod open;
