//! A committed version never changes its content, whoever commits it again under whatever epoch.

use std::collections::{BTreeMap, BTreeSet};

use kv_core::{Entry, Epoch, Operation, Store, Version};

use super::violation::Violation;

/// Everything that was ever committed by anyone.
#[derive(Debug)]
pub(in crate::testing::simulator) struct Truth {
    chosen: BTreeMap<Version, Entry>,
    /// By key: the versions that change it, and whether they are puts. Clears are apart.
    changes: BTreeMap<String, BTreeMap<Version, bool>>,
    clears: BTreeSet<Version>,
    /// The highest epoch under which anything was committed.
    pub(in crate::testing::simulator) newest_epoch: Epoch,
    /// What that amounts to.
    pub(in crate::testing::simulator) store: Store,
}

impl Default for Truth {
    fn default() -> Self {
        Self {
            chosen: BTreeMap::new(),
            changes: BTreeMap::new(),
            clears: BTreeSet::new(),
            newest_epoch: Epoch::ZERO,
            store: Store::new(),
        }
    }
}

impl Truth {
    pub(in crate::testing::simulator) fn commit(&mut self, entry: Entry) -> Result<(), Violation> {
        self.newest_epoch = self.newest_epoch.max(entry.epoch());
        match self.chosen.get(&entry.version()) {
            Some(before) if before.operation() != entry.operation() => {
                Err(("one_content_per_version", format!("{before:?} was committed, and now {entry:?}")))
            }
            Some(_) => Ok(()),
            None => {
                self.store.apply(&entry);
                match entry.operation() {
                    Operation::Clear => _ = self.clears.insert(entry.version()),
                    operation => {
                        let is_put = matches!(operation, Operation::Put { .. });
                        if let Some(key) = operation.key() {
                            let changes = self.changes.entry(key.to_owned()).or_default();
                            changes.insert(entry.version(), is_put);
                        }
                    }
                }
                self.chosen.insert(entry.version(), entry);
                Ok(())
            }
        }
    }

    /// What changed a key from one version to another, both included, in order; true for a put.
    pub(in crate::testing::simulator) fn changes(
        &self,
        key: &str,
        from: Version,
        through: Version,
    ) -> impl DoubleEndedIterator<Item = (Version, bool)> {
        let range = from..=through.max(from.saturating_sub(1));
        let of_key = self.changes.get(key).filter(|_| from <= through);
        let clears = Some(&self.clears).filter(|_| from <= through);
        let mut changes: Vec<(Version, bool)> = of_key
            .into_iter()
            .flat_map(|changes| changes.range(range.clone()))
            .map(|(version, is_put)| (*version, *is_put))
            .chain(clears.into_iter().flat_map(|clears| clears.range(range.clone())).map(|it| (*it, false)))
            .collect();
        changes.sort_unstable();
        changes.into_iter()
    }

    pub(in crate::testing::simulator) fn get(&self, version: Version) -> Option<&Entry> {
        self.chosen.get(&version)
    }
}
