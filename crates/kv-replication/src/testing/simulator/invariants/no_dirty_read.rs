//! What a leader shows has been committed, and so has what a follower holds as committed.

use kv_core::Store;

use super::one_content_per_version::Truth;
use super::violation::Violation;

pub(in crate::testing::simulator) fn check(truth: &Truth, store: &Store, key: &str) -> Result<(), Violation> {
    let Some(item) = store.get(key) else { return Ok(()) };
    let chosen = truth.get(item.version);
    if chosen.is_some_and(|entry| entry.operation() == item.entry.operation()) {
        return Ok(());
    }
    Err(("no_dirty_read", format!("{:?} is shown, and {chosen:?} was committed", item.entry)))
}
