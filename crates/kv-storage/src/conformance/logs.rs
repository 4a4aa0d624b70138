//! What a log keeps.

use kv_replication::{Image, Record, Storage};

use crate::conformance::difference::{assert_same, differs};
use crate::conformance::medium::Medium;
use crate::conformance::records::{EPOCH, LARGE_BYTES, NODE, entries, entries_of, every_kind, large, put};
use crate::conformance::run::Run;

/// How much luck there is when power is lost.
const LUCK: [usize; 4] = [0, 3, 7, 11];

pub(super) fn a_new_medium_holds_a_node_that_begins_to_exist<M: Medium>() {
    let mut run = Run::<M>::new();
    let story = "a new medium holds a node that begins to exist";
    assert_same(&run.image, &Image::new(NODE), story);
    let found = run.power_loss(0);
    assert_same(&found, &Image::new(NODE), story);
}

pub(super) fn what_was_synced_outlives_a_loss_of_power<M: Medium>() {
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

pub(super) fn of_what_was_not_synced_a_first_part_is_left<M: Medium>() {
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

pub(super) fn a_replacement_that_is_cut_short_has_never_come<M: Medium>() {
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

pub(super) fn opening_changes_nothing<M: Medium>() {
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

pub(super) fn a_rest_changes_nothing<M: Medium>() {
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
