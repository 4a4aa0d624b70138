//! For tests: numbers that look random, and what a node could write down.

use std::sync::Arc;

use kv_core::{Command, Entry, Epoch, Key, NodeId, Version};
use kv_replication::{Checkpoint, CheckpointHead, ClusterId, Image, Meta, Record};

pub(crate) const NODE: NodeId = NodeId(41);

/// SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn split(&mut self) -> Self {
        Self(self.next())
    }

    /// A number below `limit`; 0 if that is 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// A setting of a test that takes seeds.
#[expect(clippy::disallowed_methods, reason = "to run a test longer, or again as it failed")]
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// A node that writes things down.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) image: Image,
    pub(crate) epoch: u64,
    /// Values have at most so many bytes.
    pub(crate) value_bytes_max: usize,
}

impl Writer {
    pub(crate) fn new(image: Image) -> Self {
        let epoch = image.meta.promised.counter + 1;
        Self { image, epoch, value_bytes_max: 120 }
    }

    /// The next record.
    pub(crate) fn record(&mut self, random: &mut Random) -> Record {
        let record = match random.below(40) {
            0 => self.meta(random),
            1 => Record::Void(self.epoch()),
            2 if random.once_in(4) => Record::Wipe,
            3 if random.once_in(2) => self.replacement(random),
            4..14 => self.mark(random),
            _ => self.entries(random),
        };
        self.image.apply(record.clone());
        record
    }

    fn epoch(&self) -> Epoch {
        Epoch { counter: self.epoch, node: NodeId(self.epoch % 3) }
    }

    fn meta(&mut self, random: &mut Random) -> Record {
        self.epoch += 1;
        Record::Meta(Arc::new(Meta {
            counts: random.once_in(2),
            promised: self.epoch(),
            cluster: Some(ClusterId(random.below(9) as u64)),
            ..self.image.meta.clone()
        }))
    }

    fn mark(&self, random: &mut Random) -> Record {
        let held = self.image.pending.keys().zip(self.image.mark + 1..);
        let held = held.take_while(|(version, next)| **version == *next).count();
        Record::Mark(self.image.mark + random.below(held + 2).min(held) as Version)
    }

    fn entries(&self, random: &mut Random) -> Record {
        let first = self.image.mark + 1 + random.below(12) as Version;
        let count = 1 + random.below(9) as Version;
        Record::Entries((first..first + count).map(|version| self.entry(version, random)).collect())
    }

    fn replacement(&self, random: &mut Random) -> Record {
        let base = self.image.mark + random.below(30) as Version;
        let through = base + random.below(5) as Version;
        let entries = (1..=through).filter(|_| random.once_in(3)).collect::<Vec<_>>();
        let mut entries: Vec<Entry> = entries.into_iter().map(|version| self.put(version, random)).collect();
        entries.sort_by(|one, other| key_of(one).cmp(key_of(other)));
        entries.dedup_by(|one, other| key_of(one) == key_of(other));
        Record::Replace { base, through, entries }
    }

    fn entry(&self, version: Version, random: &mut Random) -> Entry {
        let key = key(random);
        match random.below(20) {
            0 => Command::clear().into_entry(self.epoch(), version),
            1 => Command::no_op().into_entry(self.epoch(), version),
            2..5 => Command::delete(Key::parse(&key).unwrap()).into_entry(self.epoch(), version),
            _ => self.put(version, random),
        }
    }

    fn put(&self, version: Version, random: &mut Random) -> Entry {
        let value = vec![version as u8; random.below(self.value_bytes_max)];
        let key = key(random);
        Command::put(Key::parse(&key).unwrap(), &value).unwrap().into_entry(self.epoch(), version)
    }

    /// What a checkpoint of the node as it is now begins with.
    pub(crate) fn head(&self) -> CheckpointHead {
        CheckpointHead {
            meta: self.image.meta.clone(),
            mark: self.image.mark,
            whole_from: self.image.whole_from,
            pending: self.image.pending.values().cloned().collect(),
        }
    }

    /// Adds the next few keys; the key after which it goes on, and none at the end.
    pub(crate) fn add_part(&self, checkpoint: &mut dyn Checkpoint, after: Option<&str>) -> Option<String> {
        let part: Vec<_> = self.image.store.scan("", after).take(7).collect();
        let entries: Vec<Entry> = part.iter().map(|(_, item)| item.entry.clone()).collect();
        checkpoint.add(&entries).unwrap();
        if part.len() < 7 { None } else { part.last().map(|(key, _)| (*key).to_owned()) }
    }

    /// Nothing in the state is above this version.
    pub(crate) fn through(&self) -> Version {
        self.image.mark.max(self.image.whole_from)
    }
}

fn key(random: &mut Random) -> String {
    format!("key{:02}", random.below(40))
}

fn key_of(entry: &Entry) -> &str {
    entry.operation().key().unwrap_or_default()
}
