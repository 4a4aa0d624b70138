//! While a disk is full, a follower writes down nothing but small things, and a leader gives no new versions.

use kv_core::Version;

use super::violation::Violation;
use crate::durable::record::Record;
use crate::leader::machine::Leader;

pub(in crate::testing::simulator) fn follower(records: &[Record]) -> Result<(), Violation> {
    let grows = |record: &&Record| matches!(record, Record::Entries(_) | Record::Replace { .. });
    match records.iter().find(grows) {
        None => Ok(()),
        Some(record) => Err(("full_disk_does_not_grow", format!("a full follower writes {record:?}"))),
    }
}

/// `full_at` is the newest version that was given before the disk ran full, if it is.
pub(in crate::testing::simulator) fn leader(
    leader: &Leader,
    full_at: Option<Version>,
) -> Result<(), Violation> {
    let assigned = leader.assigned();
    if full_at.is_none_or(|before| assigned <= before) {
        return Ok(());
    }
    Err(("full_disk_does_not_grow", format!("a full leader has given version {assigned}, above {full_at:?}")))
}
