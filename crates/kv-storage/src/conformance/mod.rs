//! The suite that every [`Storage`](kv_replication::Storage) passes.
//!
//! An implementation brings a [`Medium`] and calls [`check_all`] from a test. What a node finds when it
//! starts is compared with [`Image::apply`](kv_replication::Image::apply) over the records that were appended.

#![expect(clippy::expect_used, reason = "a test suite fails by panicking")]

mod checkpoints;
mod difference;
mod logs;
mod medium;
mod records;
mod run;

pub use difference::differs;
pub use medium::Medium;

/// Runs every check, each on a fresh medium.
///
/// # Panics
/// If the storage breaks a rule; the message names it.
pub fn check_all<M: Medium>() {
    logs::a_new_medium_holds_a_node_that_begins_to_exist::<M>();
    logs::what_was_synced_outlives_a_loss_of_power::<M>();
    logs::of_what_was_not_synced_a_first_part_is_left::<M>();
    logs::a_replacement_that_is_cut_short_has_never_come::<M>();
    logs::opening_changes_nothing::<M>();
    logs::a_rest_changes_nothing::<M>();
    checkpoints::a_finished_checkpoint_stands_for_what_it_replaced::<M>();
    checkpoints::a_checkpoint_that_was_not_finished_counts_for_nothing::<M>();
    checkpoints::a_checkpoint_that_has_ended_frees_the_log::<M>();
    checkpoints::many_checkpoints_follow_each_other::<M>();
}
