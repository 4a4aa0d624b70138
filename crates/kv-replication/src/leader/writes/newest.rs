//! Whether a key is there, for those who would change it.

use kv_core::Key;

use crate::leader::Leader;

impl Leader {
    /// Whether `key` is there, or may come to be by a write that has a version but is not committed.
    ///
    /// A pending delete of the key counts as well: until it is committed, readers still see the key.
    /// What is committed is looked up; only for a key that is not there, what is pending is searched,
    /// which takes time in proportion to it.
    #[must_use]
    pub fn may_hold(&self, key: Key<'_>) -> bool {
        let key = key.as_str();
        if self.store.get(key).is_some() {
            return true;
        }
        let pending = (self.mark + 1..=self.log.last()).rev().filter_map(|version| self.log.get(version));
        pending.filter(|slot| !slot.committed).any(|slot| slot.entry.operation().key() == Some(key))
    }
}
