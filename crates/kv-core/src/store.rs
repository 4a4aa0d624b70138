//! The ordered map that a set of entries amounts to.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::digest::{Digest, Digester};
use crate::entry::{Entry, Operation};
use crate::id::Version;

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
                self.slots.retain(|slot| slot.entry.version() > version);
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
        self.slot(key.as_bytes())?.shown()?.1
    }

    /// The version of the newest put or delete of `key`, or of the newest clear if that is newer.
    #[must_use]
    pub fn newest(&self, key: &str) -> Version {
        let slot = self.slot(key.as_bytes());
        slot.map_or(self.cleared, |slot| slot.entry.version())
    }

    /// Live keys that begin with `prefix`, in order; only those past `after`, if it is given.
    pub fn scan<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a str, Item<'a>)> {
        self.entries(prefix, after).filter_map(|(key, item)| Some((key, item?)))
    }

    /// As [`Store::scan`], but a key whose tombstone is still here comes too, without an item: so whoever
    /// reads a part can stop after a number of steps, whatever is in the way.
    pub fn entries<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a str, Option<Item<'a>>)> {
        let (from, skip) = match after {
            Some(after) if after >= prefix => (after, true),
            _ => (prefix, false),
        };
        let from: &dyn Place = &Wanted::new(from.as_bytes());
        let start = if skip { Bound::Excluded(from) } else { Bound::Included(from) };
        self.slots
            .range::<dyn Place, _>((start, Bound::Unbounded))
            .take_while(move |slot| slot.key().starts_with(prefix.as_bytes()))
            .filter_map(Slot::shown)
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
            self.remove(tombstone.key_bytes());
        }
    }

    /// Takes `entry` out again if the key still shows that very entry.
    pub fn forget(&mut self, entry: &Entry) {
        let key = entry.key_bytes();
        if self.slot(key).is_some_and(|slot| slot.entry.version() == entry.version()) {
            self.remove(key);
            self.tombstones.remove(&entry.version());
        }
    }

    /// Hashes everything that is live. The caller says at which mark; see [`Digest`].
    #[must_use]
    pub fn digest(&self, mark: Version) -> Digest {
        let mut digester = Digester::new();
        for (key, item) in self.scan("", None) {
            digester.add(key, item.version, item.value);
        }
        digester.finish(mark)
    }

    /// Puts `entry` in its slot; one walk, since what is stale is rare and put back.
    fn replace(&mut self, entry: &Entry) -> Applied {
        let Some(old) = self.slots.replace(Slot::new(entry.clone())) else {
            return Applied::Stored;
        };
        let version = old.entry.version();
        if version >= entry.version() {
            self.slots.replace(old);
            return Applied::Stale;
        }
        if matches!(old.entry.operation(), Operation::Delete { .. }) {
            self.tombstones.remove(&version);
        }
        Applied::Stored
    }

    fn slot(&self, key: &[u8]) -> Option<&Slot> {
        let wanted: &dyn Place = &Wanted::new(key);
        self.slots.get(wanted)
    }

    fn remove(&mut self, key: &[u8]) {
        let wanted: &dyn Place = &Wanted::new(key);
        self.slots.remove(wanted);
    }
}

/// An entry in its place: ordered by its key alone.
#[derive(Clone, Debug)]
struct Slot {
    head: u128,
    entry: Entry,
}

/// A key that is looked for.
struct Wanted<'a> {
    head: u128,
    key: &'a [u8],
}

/// What has a place in the order of keys.
///
/// The head is the key's first 16 bytes, zeros behind a shorter one, as a big-endian number. Heads that
/// differ are in the order of their keys, and they lie in the tree itself: a walk down a large tree then
/// seldom has to fetch the entries that it passes, which would be a cache miss each.
trait Place {
    fn head(&self) -> u128;
    fn key(&self) -> &[u8];
}

impl Slot {
    fn new(entry: Entry) -> Self {
        Self { head: head(entry.key_bytes()), entry }
    }

    /// Its key, and what that holds: nothing behind a tombstone.
    fn shown(&self) -> Option<(&str, Option<Item<'_>>)> {
        match self.entry.operation() {
            Operation::Put { key, value } => {
                Some((key, Some(Item { value, version: self.entry.version(), entry: &self.entry })))
            }
            Operation::Delete { key } => Some((key, None)),
            Operation::Clear | Operation::NoOp => None,
        }
    }
}

impl<'a> Wanted<'a> {
    fn new(key: &'a [u8]) -> Self {
        Self { head: head(key), key }
    }
}

fn head(key: &[u8]) -> u128 {
    let mut head = [0; 16];
    for (to, from) in head.iter_mut().zip(key) {
        *to = *from;
    }
    u128::from_be_bytes(head)
}

impl Place for Slot {
    fn head(&self) -> u128 {
        self.head
    }

    fn key(&self) -> &[u8] {
        self.entry.key_bytes()
    }
}

impl Place for Wanted<'_> {
    fn head(&self) -> u128 {
        self.head
    }

    fn key(&self) -> &[u8] {
        self.key
    }
}

impl<'a> Borrow<dyn Place + 'a> for Slot {
    fn borrow(&self) -> &(dyn Place + 'a) {
        self
    }
}

impl Ord for dyn Place + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.head().cmp(&other.head()).then_with(|| self.key().cmp(other.key()))
    }
}

impl PartialOrd for dyn Place + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn Place + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for dyn Place + '_ {}

impl Ord for Slot {
    fn cmp(&self, other: &Self) -> Ordering {
        self.head.cmp(&other.head).then_with(|| self.key().cmp(other.key()))
    }
}

impl PartialOrd for Slot {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Slot {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Slot {}
