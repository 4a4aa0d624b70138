//! What a follower holds but does not know to be committed.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use kv_core::{Entry, Epoch, Item, Store, Version};

/// Pending entries by version, and which of them a local read would show.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overlay {
    entries: BTreeMap<Version, Entry>,
    /// The frames of all entries together.
    bytes: usize,
    /// The newest pending entry of each key. Built by the first read that needs it and then kept up
    /// to date, until nothing is pending: without reads, writes do not pay for it.
    newest: OnceCell<Store>,
}

impl Overlay {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn get(&self, version: Version) -> Option<&Entry> {
        self.entries.get(&version)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The frames of all entries together.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// All entries above `version`, in order.
    pub(crate) fn above(&self, version: Version) -> impl Iterator<Item = &Entry> {
        self.entries.range(version.saturating_add(1)..).map(|(_, entry)| entry)
    }

    /// Gives back what was there under the same version.
    pub(crate) fn insert(&mut self, entry: Entry) -> Option<Entry> {
        if let Some(newest) = self.newest.get_mut() {
            newest.apply(&entry);
        }
        self.bytes += entry.frame().len();
        let old = self.entries.insert(entry.version(), entry);
        if let Some(old) = &old {
            self.bytes -= old.frame().len();
            self.newest.take(); // what was there before may still be shown
        }
        old
    }

    /// Drops every entry up to `version`.
    pub(crate) fn drop_through(&mut self, version: Version) {
        self.entries = self.entries.split_off(&version.saturating_add(1));
        self.bytes = self.weigh();
        self.newest.take();
    }

    /// The entry is committed: it goes to the store.
    pub(crate) fn take(&mut self, version: Version) -> Option<Entry> {
        let entry = self.entries.remove(&version)?;
        self.bytes -= entry.frame().len();
        if self.entries.is_empty() {
            self.newest.take(); // also forgets the pending clears, which the store has by now
        } else if let Some(newest) = self.newest.get_mut() {
            newest.forget(&entry);
        }
        Some(entry)
    }

    /// Drops every entry of another epoch.
    pub(crate) fn retain_epoch(&mut self, epoch: Epoch) {
        let before = self.entries.len();
        self.entries.retain(|_, entry| entry.epoch() == epoch);
        if self.entries.len() < before {
            self.bytes = self.weigh();
            self.newest.take();
        }
    }

    /// What `key` shows if everything pending is seen above `store`.
    pub(crate) fn look_up<'a>(&'a self, store: &'a Store, key: &str) -> Option<Item<'a>> {
        if self.entries.is_empty() || self.newest().newest(key) <= store.newest(key) {
            return store.get(key);
        }
        self.newest().get(key)
    }

    /// Every live key, with everything pending seen above `store`, in key order.
    pub(crate) fn scan<'a>(&'a self, store: &'a Store) -> impl Iterator<Item = (&'a str, Item<'a>)> {
        self.range(store, "", None).filter_map(|(key, item)| Some((key, item?)))
    }

    /// Keys that begin with `prefix`, past `after` if it is given, with everything pending seen above
    /// `store`, in order; those that are not live come without an item.
    pub(crate) fn range<'a>(
        &'a self,
        store: &'a Store,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a str, Option<Item<'a>>)> {
        let mut below = store.entries(prefix, after).peekable();
        let mut above = self.newest().entries(prefix, after).peekable();
        std::iter::from_fn(move || {
            let from_above = match (below.peek(), above.peek()) {
                (None, None) => return None,
                (Some(_), None) => false,
                (None, Some(_)) => true,
                (Some((low, _)), Some((high, _))) => high <= low,
            };
            let (key, _) = if from_above { above.next()? } else { below.next()? };
            if from_above && below.peek().is_some_and(|(low, _)| *low == key) {
                below.next();
            }
            Some((key, self.look_up(store, key)))
        })
    }

    fn weigh(&self) -> usize {
        self.entries.values().map(|entry| entry.frame().len()).sum()
    }

    fn newest(&self) -> &Store {
        self.newest.get_or_init(|| {
            let mut newest = Store::new();
            for entry in self.entries.values() {
                newest.apply(entry);
            }
            newest
        })
    }
}

#[cfg(test)]
mod tests {
    use kv_core::{Command, Epoch, Key, NodeId};
    use proptest::prelude::*;

    use super::*;

    const EPOCH: Epoch = Epoch { counter: 1, node: NodeId(1) };

    fn entry(version: Version, op: u8) -> Entry {
        let key = Key::parse(["a", "b", "c"][usize::from(op % 3)]).unwrap();
        let command = match op / 3 {
            0 => Command::clear(),
            1 => Command::delete(key),
            _ => Command::put(key, &version.to_be_bytes()).unwrap(),
        };
        command.into_entry(EPOCH, version)
    }

    proptest! {
        /// The twin applies both halves to one store.
        #[test]
        fn store_and_overlay_together_are_one_store(ops in prop::collection::vec((0..12_u8, any::<bool>(), any::<bool>()), 0..40)) {
            let (mut store, mut overlay, mut both) = (Store::new(), Overlay::default(), Store::new());
            for (version, (op, pending, read)) in (1..).zip(ops) {
                let entry = entry(version, op);
                both.apply(&entry);
                overlay.insert(entry);
                if !pending {
                    store.apply(&overlay.take(version).unwrap());
                }
                if !read {
                    continue;
                }
                let shown: Vec<_> = overlay.scan(&store).collect();
                let wanted: Vec<_> = both.scan("", None).collect();
                prop_assert_eq!(&shown, &wanted);
                for after in ["a", "aa", "b", "c"] {
                    let rest: Vec<_> =
                        overlay.range(&store, "", Some(after)).filter_map(|(key, item)| Some((key, item?))).collect();
                    prop_assert_eq!(rest, both.scan("", Some(after)).collect::<Vec<_>>());
                }
                for key in ["a", "b", "c"] {
                    prop_assert_eq!(overlay.look_up(&store, key), both.get(key));
                }
            }
        }
    }
}
