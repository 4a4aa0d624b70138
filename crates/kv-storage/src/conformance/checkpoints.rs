//! What a checkpoint stands for.

use kv_replication::{CheckpointHead, Record, Storage};

use crate::conformance::difference::assert_same;
use crate::conformance::medium::Medium;
use crate::conformance::records::{EPOCH, HIGHER, every_kind, growth, large, put, replacement};
use crate::conformance::run::Run;

/// Records after which a storage must have asked for a checkpoint, if they are of some size.
const MANY: u64 = 200_000;

pub(super) fn a_finished_checkpoint_stands_for_what_it_replaced<M: Medium>() {
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

pub(super) fn a_checkpoint_that_was_not_finished_counts_for_nothing<M: Medium>() {
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

pub(super) fn a_checkpoint_that_has_ended_frees_the_log<M: Medium>() {
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

pub(super) fn many_checkpoints_follow_each_other<M: Medium>() {
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
