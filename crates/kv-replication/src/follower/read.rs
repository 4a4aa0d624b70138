//! Reading a part of what a follower holds.

use kv_core::Item;

use super::Follower;

impl Follower {
    /// Keys that begin with `prefix`, past `after` if it is given, in order, pending entries included. A
    /// key that is deleted and not forgotten yet comes without an item.
    pub fn local_range<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a str, Option<Item<'a>>)> {
        self.pending.range(&self.store, prefix, after)
    }
}
