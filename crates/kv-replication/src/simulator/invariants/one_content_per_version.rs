//! A committed version never changes its content, whoever commits it again under whatever epoch.

use std::collections::BTreeMap;

use kv_core::{Entry, Store, Version};

use super::Violation;

/// Everything that was ever committed by anyone.
#[derive(Debug, Default)]
pub(in crate::simulator) struct Truth {
    chosen: BTreeMap<Version, Entry>,
    /// What that amounts to.
    pub(in crate::simulator) store: Store,
}

impl Truth {
    pub(in crate::simulator) fn commit(&mut self, entry: Entry) -> Result<(), Violation> {
        match self.chosen.get(&entry.version()) {
            Some(before) if before.operation() != entry.operation() => {
                Err(("one_content_per_version", format!("{before:?} was committed, and now {entry:?}")))
            }
            Some(_) => Ok(()),
            None => {
                self.store.apply(&entry);
                self.chosen.insert(entry.version(), entry);
                Ok(())
            }
        }
    }

    pub(in crate::simulator) fn get(&self, version: Version) -> Option<&Entry> {
        self.chosen.get(&version)
    }
}
