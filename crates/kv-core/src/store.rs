//! The ordered map that a set of entries amounts to.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use twox_hash::XxHash3_128;

use crate::{Entry, Operation, Version};

/// The newest entry of each key. See the crate's page for the rule.
///
/// Reads and writes cost one walk down a B-tree, O(log keys); only a clear visits every key.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// At most one entry per key: a put, or the tombstone of a delete.
    slots: BTreeSet<Slot>,
    /// Tombstones among the slots, so that they can be dropped without a search.
    tombstones: BTreeMap<Version, Entry>,
    /// The newest clear: puts and deletes at or below it are hidden.
    cleared: Version,
    /// Entries at or below it are ignored: their tombstones may be gone.
    pruned: Version,
}

/// What [`Store::apply`] did with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The store now shows it.
    Stored,
    /// Something newer was there: nothing changed.
    Stale,
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// The value: any bytes.
    pub value: &'a [u8],
    /// The version of the put that wrote it.
    pub version: Version,
    /// That put, which can be cloned to keep the value without a copy.
    pub entry: &'a Entry,
}

/// A fingerprint of all live keys, values and versions at a mark.
///
/// Digests of two stores may be compared only if their marks are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Everything up to this version was in the store, and nothing above it.
    pub mark: Version,
    /// How many live keys were hashed.
    pub keys: usize,
    /// XXH3-128 over `key length, key, version, value length, value` in key order.
    pub hash: u128,
}

impl Store {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes `entry` in, unless something newer is there.
    pub fn apply(&mut self, entry: &Entry) -> Applied {
        let version = entry.version();
        if version <= self.cleared.max(self.pruned) {
            return Applied::Stale;
        }
        match entry.operation() {
            Operation::NoOp => Applied::Stored,
            Operation::Clear => {
                self.cleared = version;
                self.slots.retain(|slot| slot.0.version() > version);
                self.tombstones = self.tombstones.split_off(&version);
                Applied::Stored
            }
            Operation::Put { .. } => self.replace(entry),
            Operation::Delete { .. } => {
                let applied = self.replace(entry);
                if applied == Applied::Stored {
                    self.tombstones.insert(version, entry.clone());
                }
                applied
            }
        }
    }

    /// What `key` holds, if it is there.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Item<'_>> {
        let slot = self.slots.get(key.as_bytes())?;
        Some(slot.live()?.1)
    }

    /// The version of the newest put or delete of `key`, or of the newest clear if that is newer.
    #[must_use]
    pub fn newest(&self, key: &str) -> Version {
        let slot = self.slots.get(key.as_bytes());
        slot.map_or(self.cleared, |slot| slot.0.version())
    }

    /// Live keys that begin with `prefix`, in order; only those past `after`, if it is given.
    pub fn scan<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a str, Item<'a>)> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after.as_bytes()),
            _ => Bound::Included(prefix.as_bytes()),
        };
        self.slots
            .range::<[u8], _>((start, Bound::Unbounded))
            .take_while(move |slot| slot.0.key_bytes().starts_with(prefix.as_bytes()))
            .filter_map(Slot::live)
    }

    /// How many keys are live.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.tombstones.len()
    }

    /// No key is live.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The version of the newest clear, 0 if there was none.
    #[must_use]
    pub fn cleared(&self) -> Version {
        self.cleared
    }

    /// Drops the tombstones at or below `mark`, and from now on ignores entries at or below it.
    ///
    /// Call it only when every entry up to `mark` has been applied: what comes later is a repeat.
    pub fn prune(&mut self, mark: Version) {
        self.pruned = self.pruned.max(mark);
        while let Some(oldest) = self.tombstones.first_entry() {
            if *oldest.key() > mark {
                break;
            }
            let tombstone = oldest.remove();
            self.slots.remove(tombstone.key_bytes());
        }
    }

    /// Takes `entry` out again if the key still shows that very entry.
    pub fn forget(&mut self, entry: &Entry) {
        let key = entry.key_bytes();
        if self.slots.get(key).is_some_and(|slot| slot.0.version() == entry.version()) {
            self.slots.remove(key);
            self.tombstones.remove(&entry.version());
        }
    }

    /// Hashes everything that is live. The caller says at which mark; see [`Digest`].
    #[must_use]
    pub fn digest(&self, mark: Version) -> Digest {
        let mut hasher = XxHash3_128::new();
        let mut keys = 0;
        for (key, item) in self.scan("", None) {
            keys += 1;
            hasher.write(&(key.len() as u64).to_le_bytes());
            hasher.write(key.as_bytes());
            hasher.write(&item.version.to_le_bytes());
            hasher.write(&(item.value.len() as u64).to_le_bytes());
            hasher.write(item.value);
        }
        Digest { mark, keys, hash: hasher.finish_128() }
    }

    /// Puts `entry` in its slot; one walk, since what is stale is rare and put back.
    fn replace(&mut self, entry: &Entry) -> Applied {
        let Some(old) = self.slots.replace(Slot(entry.clone())) else {
            return Applied::Stored;
        };
        if old.0.version() >= entry.version() {
            self.slots.replace(old);
            return Applied::Stale;
        }
        if matches!(old.0.operation(), Operation::Delete { .. }) {
            self.tombstones.remove(&old.0.version());
        }
        Applied::Stored
    }
}

/// An entry, ordered by its key alone.
#[derive(Clone, Debug)]
struct Slot(Entry);

impl Slot {
    fn live(&self) -> Option<(&str, Item<'_>)> {
        match self.0.operation() {
            Operation::Put { key, value } => {
                Some((key, Item { value, version: self.0.version(), entry: &self.0 }))
            }
            Operation::Delete { .. } | Operation::Clear | Operation::NoOp => None,
        }
    }
}

impl Borrow<[u8]> for Slot {
    fn borrow(&self) -> &[u8] {
        self.0.key_bytes()
    }
}

impl PartialEq for Slot {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Slot {}

impl PartialOrd for Slot {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Slot {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.key_bytes().cmp(other.0.key_bytes())
    }
}
