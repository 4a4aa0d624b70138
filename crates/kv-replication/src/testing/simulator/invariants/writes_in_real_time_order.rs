//! A write that was invoked after another one had been acknowledged has the higher version: together
//! with one content per version, that is what makes writes linearizable.

use kv_core::Version;

use super::violation::Violation;

pub(in crate::testing::simulator) fn check(
    acknowledged_before: Version,
    version: Version,
) -> Result<(), Violation> {
    if version > acknowledged_before {
        return Ok(());
    }
    let message = format!("version {version} was given after {acknowledged_before} had been acknowledged");
    Err(("writes_in_real_time_order", message))
}
