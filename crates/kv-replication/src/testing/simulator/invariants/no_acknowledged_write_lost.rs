//! A leader that begins to serve has everything that was ever committed, and nothing else; unless a newer
//! one has committed something already, and it has yet to hear of that: then it will commit nothing.

use kv_core::Store;

use super::one_content_per_version::Truth;
use super::violation::Violation;
use crate::leader::machine::Leader;

pub(in crate::testing::simulator) fn check(truth: &Truth, leader: &Leader) -> Result<(), Violation> {
    let is_overtaken = leader.epoch() < truth.newest_epoch;
    if is_overtaken || truth.store.digest(0) == leader.store().digest(0) {
        return Ok(());
    }
    let lost = first_not_in(&truth.store, leader.store());
    let extra = first_not_in(leader.store(), &truth.store);
    Err(("no_acknowledged_write_lost", format!("the new leader lacks {lost:?}, and has {extra:?} too much")))
}

/// The first key and version of `one` that `other` does not show.
pub(super) fn first_not_in<'a>(one: &'a Store, other: &Store) -> Option<(&'a str, kv_core::Version)> {
    let same = |key: &str, version| other.get(key).is_some_and(|item| item.version == version);
    one.scan("", None).map(|(key, item)| (key, item.version)).find(|(key, version)| !same(key, *version))
}
