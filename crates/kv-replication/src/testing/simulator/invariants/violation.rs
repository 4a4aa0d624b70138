//! What is reported when a property does not hold.

/// The name of the property, and what was found instead.
pub(in crate::testing::simulator) type Violation = (&'static str, String);
