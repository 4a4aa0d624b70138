//! The suite that every [`Storage`] passes.
//!
//! An implementation brings a [`Medium`] and calls [`check_all`] from a test. What a node finds when it
//! starts is compared with [`Image::apply`] over the records that were appended.

#![expect(clippy::expect_used, reason = "a test suite fails by panicking")]

use std::sync::Arc;

use kv_core::{Command, Entry, Epoch, Key, NodeId, Version};
use kv_replication::{CheckpointHead, ClusterId, Group, Image, Meta, Record, Storage};

/// What a storage writes to. It outlives the storages that use it, one at a time.
pub trait Medium {
    /// The storage under test.
    type Storage: Storage;

    /// An empty one, for the node `fresh`.
    fn new(fresh: NodeId) -> Self;

    /// What a node finds that starts now, and the storage that it goes on with. The storage before is gone.
    fn open(&mut self) -> (Self::Storage, Image);

    /// Power is lost while nothing has the medium open. The more `luck`, the more survives of what was not
    /// synced; without any, nothing does.
    fn lose_power(&mut self, luck: usize);
}

const NODE: NodeId = NodeId(41);
const EPOCH: Epoch = Epoch { counter: 3, node: NODE };
const HIGHER: Epoch = Epoch { counter: 4, node: NodeId(7) };
/// More than any storage keeps back before it writes.
const LARGE_BYTES: usize = 5 << 18;
/// How much luck there is when power is lost.
const LUCK: [usize; 4] = [0, 3, 7, 11];
/// Records after which a storage must have asked for a checkpoint, if they are of some size.
const MANY: u64 = 200_000;

/// Runs every check, each on a fresh medium.
///
/// # Panics
/// If the storage breaks a rule; the message names it.
pub fn check_all<M: Medium>() {
    a_new_medium_holds_a_node_that_begins_to_exist::<M>();
    what_was_synced_outlives_a_loss_of_power::<M>();
    of_what_was_not_synced_a_first_part_is_left::<M>();
    a_replacement_that_is_cut_short_has_never_come::<M>();
    opening_changes_nothing::<M>();
    a_rest_changes_nothing::<M>();
    a_finished_checkpoint_stands_for_what_it_replaced::<M>();
    a_checkpoint_that_was_not_finished_counts_for_nothing::<M>();
    a_checkpoint_that_has_ended_frees_the_log::<M>();
    many_checkpoints_follow_each_other::<M>();
}

/// A node that writes, and what it should find again.
struct Run<M: Medium> {
    medium: M,
    storage: Option<M::Storage>,
    image: Image,
}

impl<M: Medium> Run<M> {
    fn new() -> Self {
        let mut medium = M::new(NODE);
        let (storage, image) = medium.open();
        Self { medium, storage: Some(storage), image }
    }

    fn storage(&mut self) -> &mut M::Storage {
        self.storage.as_mut().expect("an open storage")
    }

    fn append(&mut self, records: Vec<Record>) {
        records.iter().cloned().for_each(|record| self.image.apply(record));
        self.storage().append(records).expect("an append");
    }

    fn sync(&mut self) {
        self.storage().sync().expect("a sync");
    }

    /// Starts again, without a loss of power.
    fn restart(&mut self, story: &str) {
        self.storage = None;
        let (storage, found) = self.medium.open();
        assert_same(&found, &self.image, story);
        self.storage = Some(storage);
    }

    /// Power is lost, and comes again: what was found.
    fn power_loss(&mut self, luck: usize) -> Image {
        self.storage = None;
        self.medium.lose_power(luck);
        let (storage, found) = self.medium.open();
        self.storage = Some(storage);
        found
    }

    fn head(&self) -> CheckpointHead {
        CheckpointHead {
            meta: self.image.meta.clone(),
            mark: self.image.mark,
            whole_from: self.image.whole_from,
            pending: self.image.pending.values().cloned().collect(),
        }
    }

    /// A checkpoint, with `meanwhile` between its two halves.
    fn checkpoint(&mut self, meanwhile: Vec<Record>) {
        let head = self.head();
        let mut checkpoint = self.storage().begin_checkpoint(head).expect("a begin");
        let parts = |image: &Image| state(image).into_iter().partition(|entry| key_of(entry) < "k5");
        let (first, _): (Vec<_>, Vec<_>) = parts(&self.image);
        checkpoint.add(&first).expect("a first part");
        self.append(meanwhile);
        let (_, second): (Vec<_>, Vec<_>) = parts(&self.image);
        checkpoint.add(&second).expect("a second part");
        let through = self.image.mark.max(self.image.whole_from);
        self.sync();
        checkpoint.finish(through).expect("a finish");
    }

    fn end_checkpoint(&mut self) {
        self.storage().end_checkpoint().expect("an end");
    }
}

fn a_new_medium_holds_a_node_that_begins_to_exist<M: Medium>() {
    let mut run = Run::<M>::new();
    let story = "a new medium holds a node that begins to exist";
    assert_same(&run.image, &Image::new(NODE), story);
    let found = run.power_loss(0);
    assert_same(&found, &Image::new(NODE), story);
}

fn what_was_synced_outlives_a_loss_of_power<M: Medium>() {
    for kinds in 1..=every_kind().len() {
        let mut run = Run::<M>::new();
        run.append(every_kind().into_iter().take(kinds).collect());
        run.sync();
        let found = run.power_loss(0);
        assert_same(&found, &run.image, "what was synced outlives a loss of power");
        run.restart("a restart after a loss of power finds the same");
        run.append(vec![entries(EPOCH, 90..=92)]);
        run.sync();
        let found = run.power_loss(0);
        assert_same(&found, &run.image, "what is synced after a loss of power outlives the next");
    }
}

fn of_what_was_not_synced_a_first_part_is_left<M: Medium>() {
    for luck in LUCK {
        let mut run = Run::<M>::new();
        run.append(every_kind());
        run.sync();
        let mut prefixes = vec![run.image.clone()];
        for version in 60..63 {
            run.append(vec![
                entries(EPOCH, version..=version),
                large(70 + version),
                Record::Mark(version - 5),
            ]);
            let mut image = prefixes.last().cloned().expect("one at least");
            let records = [entries(EPOCH, version..=version), large(70 + version), Record::Mark(version - 5)];
            for record in records {
                image.apply(record);
                prefixes.push(image.clone());
            }
        }
        let found = run.power_loss(luck);
        assert!(
            prefixes.iter().any(|prefix| differs(&found, prefix).is_none()),
            "of what was not synced a first part is left, cut between two records"
        );
        run.image = found;
        run.restart("what a loss of power has left does not change again");
    }
}

fn a_replacement_that_is_cut_short_has_never_come<M: Medium>() {
    for luck in LUCK {
        let mut run = Run::<M>::new();
        run.append(every_kind());
        run.sync();
        let before = run.image.clone();
        let entries = (1..=40).map(|n| put(EPOCH, n, &format!("r{n:04}"), LARGE_BYTES / 20)).collect();
        run.append(vec![Record::Replace { base: 3_000, through: 3_100, entries }]);
        let found = run.power_loss(luck);
        let whole = differs(&found, &run.image).is_none();
        assert!(
            whole || differs(&found, &before).is_none(),
            "a replacement that is cut short is as if it had never come"
        );
        run.image = found;
        run.append(vec![Record::Mark(9), entries_of(EPOCH, &[3_200, 3_201])]);
        run.sync();
        run.restart("what is written behind a replacement that was cut short counts");
    }
}

fn opening_changes_nothing<M: Medium>() {
    let mut run = Run::<M>::new();
    for round in 0..4 {
        run.restart("opening changes nothing");
        run.restart("opening twice changes nothing");
        run.append(vec![entries(EPOCH, 10 + round..=12 + round), Record::Mark(10 + round)]);
        run.sync();
    }
    let found = run.power_loss(0);
    assert_same(&found, &run.image, "opening takes nothing from what was synced");
}

fn a_rest_changes_nothing<M: Medium>() {
    let mut run = Run::<M>::new();
    for version in 1..5 {
        run.append(vec![entries(EPOCH, version..=version)]);
        run.sync();
        run.storage().rest().expect("a rest");
        run.storage().rest().expect("a second rest");
    }
    run.restart("a rest changes nothing");
    run.storage().rest().expect("a rest after a start");
    let found = run.power_loss(0);
    assert_same(&found, &run.image, "a rest puts nothing that was synced at risk");
}

fn a_finished_checkpoint_stands_for_what_it_replaced<M: Medium>() {
    let story = "a finished checkpoint, and what was written since, stand for all";
    for ended in [false, true] {
        for meanwhile in
            [Vec::new(), growth(30), vec![Record::Void(HIGHER)], vec![replacement(), Record::Wipe]]
        {
            let mut run = Run::<M>::new();
            run.append(every_kind());
            run.append(growth(20));
            run.checkpoint(meanwhile);
            if ended {
                run.end_checkpoint();
            }
            let found = run.power_loss(0);
            assert_same(&found, &run.image, story);
            run.restart(story);
            run.append(growth(50));
            run.sync();
            let found = run.power_loss(0);
            assert_same(&found, &run.image, story);
        }
    }
}

fn a_checkpoint_that_was_not_finished_counts_for_nothing<M: Medium>() {
    let story = "a checkpoint that was begun and not finished counts for nothing";
    for loses_power in [false, true] {
        let mut run = Run::<M>::new();
        run.append(every_kind());
        run.checkpoint(growth(20));
        run.end_checkpoint();
        run.sync();
        let wrong = CheckpointHead { mark: 999, whole_from: 999, pending: Vec::new(), ..run.head() };
        let mut checkpoint = run.storage().begin_checkpoint(wrong).expect("a begin");
        checkpoint.add(&[put(EPOCH, 998, "nowhere", 10)]).expect("a part");
        run.append(growth(30));
        run.sync();
        drop(checkpoint);
        if loses_power {
            let found = run.power_loss(9);
            assert_same(&found, &run.image, story);
        } else {
            run.restart(story);
        }
        run.checkpoint(growth(40));
        run.end_checkpoint();
        run.restart("a checkpoint follows one that was not finished");
    }
}

fn a_checkpoint_that_has_ended_frees_the_log<M: Medium>() {
    let mut run = Run::<M>::new();
    let mut rounds = 0;
    while !run.storage().wants_checkpoint() {
        rounds += 1;
        assert!(rounds < MANY, "a storage asks for a checkpoint some time");
        run.append(vec![Record::Mark(rounds), Record::Mark(rounds)]);
        if rounds.is_multiple_of(1_000) {
            run.append(vec![large(MANY + rounds), Record::Void(EPOCH), Record::Void(HIGHER)]);
            run.sync();
        }
    }
    run.checkpoint(Vec::new());
    assert!(!run.storage().wants_checkpoint(), "nobody asks for a checkpoint while there is one");
    run.end_checkpoint();
    assert!(!run.storage().wants_checkpoint(), "a checkpoint that has ended frees the log");
    run.restart("a checkpoint stands for a long log");
    assert!(!run.storage().wants_checkpoint(), "the log stays free after a restart");
}

fn many_checkpoints_follow_each_other<M: Medium>() {
    let mut run = Run::<M>::new();
    for round in 1..=12 {
        run.append(growth(10 * round));
        run.checkpoint(growth(10 * round + 5));
        run.end_checkpoint();
        run.append(growth(10 * round + 8));
        run.sync();
        match round % 3 {
            0 => run.restart("one checkpoint after the other"),
            1 => {
                let found = run.power_loss(0);
                assert_same(&found, &run.image, "one checkpoint after the other");
            }
            _ => {}
        }
    }
    run.restart("many checkpoints");
}

/// Every kind of record, in an order in which a node could write them.
fn every_kind() -> Vec<Record> {
    vec![
        Record::Meta(Arc::new(meta(3))),
        entries(EPOCH, 1..=9),
        entries_of(EPOCH, &[14, 12, 17]),
        Record::Mark(4),
        entries(HIGHER, 6..=8),
        entries(EPOCH, 6..=7),
        Record::Void(HIGHER),
        entries(HIGHER, 9..=11),
        Record::Mark(9),
        Record::Meta(Arc::new(meta(4))),
        Record::Wipe,
        entries(HIGHER, 1..=3),
        entries_of(HIGHER, &[21, 25]),
        replacement(),
        entries(HIGHER, 22..=24),
        Record::Mark(22),
    ]
}

fn replacement() -> Record {
    let entries = (1..=20).map(|n| put(HIGHER, n, &format!("k{n}"), 50)).collect();
    Record::Replace { base: 20, through: 23, entries }
}

/// Ten more entries from `first` on, of which half are committed; some keys are deleted.
fn growth(first: Version) -> Vec<Record> {
    let delete = Key::parse("k3").map(Command::delete).expect("a key").into_entry(HIGHER, first + 4);
    vec![
        entries(HIGHER, first..=first + 3),
        Record::Entries(vec![delete]),
        entries(HIGHER, first + 5..=first + 9),
        Record::Mark(first + 5),
    ]
}

fn meta(counter: u64) -> Meta {
    let groups = vec![Group { since: EPOCH, write: 2, followers: vec!["http://ключ:1".to_owned()] }];
    Meta {
        counts: counter > 3,
        cluster: Some(ClusterId(77)),
        promised: Epoch { counter, node: NODE },
        promised_in: Some(ClusterId(78)),
        promised_other: Epoch { counter: 1, node: NodeId(9) },
        groups: Arc::new(groups.clone()),
        claimed: Arc::new([groups, Vec::new()].concat()),
        authoritative: Some(EPOCH),
        diverged: (counter > 3).then_some(12),
        ..Meta::new(NODE)
    }
}

fn entries(epoch: Epoch, versions: std::ops::RangeInclusive<Version>) -> Record {
    Record::Entries(versions.map(|version| put(epoch, version, &format!("k{}", version % 10), 40)).collect())
}

fn entries_of(epoch: Epoch, versions: &[Version]) -> Record {
    Record::Entries(versions.iter().map(|version| put(epoch, *version, &format!("k{version}"), 0)).collect())
}

/// One entry that fills more than a block.
fn large(version: Version) -> Record {
    Record::Entries(vec![put(EPOCH, version, "k7", LARGE_BYTES)])
}

fn put(epoch: Epoch, version: Version, key: &str, bytes: usize) -> Entry {
    let value = vec![version as u8; bytes];
    let key = Key::parse(key).expect("a key");
    Command::put(key, &value).expect("a value").into_entry(epoch, version)
}

fn state(image: &Image) -> Vec<Entry> {
    image.store.scan("", None).map(|(_, item)| item.entry.clone()).collect()
}

fn key_of(entry: &Entry) -> &str {
    entry.operation().key().unwrap_or_default()
}

/// Fails with the name of the rule if a node that starts would not be the one that there was.
fn assert_same(found: &Image, expected: &Image, rule: &str) {
    assert_eq!(differs(found, expected), None, "{rule}");
}

/// In what two images differ, for a node that starts with them.
#[must_use]
pub fn differs(found: &Image, expected: &Image) -> Option<String> {
    let is_whole = |image: &Image| image.mark >= image.whole_from;
    let pending = |image: &Image| image.pending.iter().map(|(at, it)| (*at, it.epoch())).collect::<Vec<_>>();
    if found.meta != expected.meta {
        return Some(format!("the small things: {:?} instead of {:?}", found.meta, expected.meta));
    }
    if found.mark != expected.mark || is_whole(found) != is_whole(expected) {
        let say = |image: &Image| format!("{}, whole from {}", image.mark, image.whole_from);
        return Some(format!("the mark: {} instead of {}", say(found), say(expected)));
    }
    if found.pending != expected.pending {
        return Some(format!("what is pending: {:?} instead of {:?}", pending(found), pending(expected)));
    }
    if state(found) != state(expected) {
        let say = |image: &Image| {
            image.store.scan("", None).map(|(key, it)| format!("{key}@{}", it.version)).collect::<Vec<_>>()
        };
        return Some(format!("the state: {:?} instead of {:?}", say(found), say(expected)));
    }
    None
}
