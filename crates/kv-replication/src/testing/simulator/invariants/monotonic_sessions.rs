//! A session that hands on how far its answers reached sees at least that much in each later one, whichever
//! node it asks: reads are monotonic, its own writes are among them, and each answer is what the history
//! up to some version amounts to.

use kv_core::Version;

use super::one_content_per_version::Truth;
use super::violation::Violation;

/// `found` is what a node shows of `key`, which must be so at some version from `from` on to `through`.
pub(in crate::testing::simulator) fn check(
    truth: &Truth,
    key: &str,
    from: Version,
    through: Version,
    found: Option<(Version, &[u8])>,
) -> Result<(), Violation> {
    let explained = match found {
        Some((version, value)) => {
            let written = truth.get(version).is_some_and(|entry| match entry.operation() {
                kv_core::Operation::Put { key: its, value: it } => its == key && it == value,
                _ => false,
            });
            written && version <= through && truth.changes(key, version + 1, from).next().is_none()
        }
        None => {
            let last = truth.changes(key, 1, from).next_back();
            last.is_none_or(|(_, is_put)| !is_put)
                || truth.changes(key, from + 1, through).any(|(_, is_put)| !is_put)
        }
    };
    if explained {
        return Ok(());
    }
    let shown = found.map(|(version, _)| version);
    let changes: Vec<_> = truth.changes(key, from.saturating_sub(50), Version::MAX).collect();
    Err((
        "monotonic_sessions",
        format!("{key} is shown as {shown:?} at {from} to {through}, and its history is {changes:?}"),
    ))
}
