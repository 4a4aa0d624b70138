//! Golden scripts: a scenario in, the exact trace out. The comment in each script tells its story.

mod harness;
mod parse;
mod trace;

/// One test per script in `tests/golden`.
macro_rules! scenarios {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                harness::check(stringify!($name));
            }
        )*

        #[test]
        fn every_script_has_a_test() {
            let tests = [$(stringify!($name)),*].map(str::to_owned);
            assert_eq!(harness::scripts(), tests.into());
        }
    };
}

scenarios! {
    asynchronous_write
    attempt_timeout
    batching
    changed_followers
    changed_followers_too_few_stay
    changed_quorum
    changed_quorum_interrupted
    changed_quorum_needs_all
    claim_lost_and_repeated
    claim_meets_a_higher_promise
    clear_and_late_put
    conflict_is_never_counted
    conflict_is_refused
    delays
    delete_and_late_put
    deposed
    deposed_seen_by_a_probe
    drain
    drain_refuses_waiting_writes
    duplicates_count_once
    durable_leader_accepts_loss
    durable_leader_alone
    durable_leader_and_its_followers
    durable_leader_dies_in_a_start
    follower_lost_and_back
    follower_reset
    follower_restarts_empty
    foreign_history
    full_disk_during_a_start
    full_disk_of_a_follower
    full_disk_of_a_follower_left_behind
    full_disk_of_a_follower_that_must_start
    full_disk_of_the_leader
    full_follower
    given_up_attempts_stay_given_up
    higher_epoch_voids_pending
    late_ack_after_answer
    linearizable_read
    linearizable_read_deposed
    linearizable_read_unconfirmed
    log_truncation
    log_truncation_within_reach
    log_waits_for_a_slow_follower
    mark_on_idle_link
    no_quorum_at_once
    no_quorum_at_the_deadline
    no_quorum_old_news
    overload_log
    overload_writes_in_flight
    recovery_of_everything
    reordered_commit
    start_finds_data
    start_new_history
    start_new_history_last_one_fails
    start_new_history_meets_the_old_one
    start_new_history_with_data
    start_outlasts_a_deadline
    start_waits_for_the_last_follower
    swapped_addresses
    timeout_unknown_then_commit
    two_addresses_one_node
    window_of_a_follower
    window_of_the_leader
    windows_of_equal_size
    write_quorum_1_of_3
    write_quorum_2_of_3
    write_quorum_3_of_3
    write_quorum_4_of_5
    write_too_late
    write_wants_fewer
    write_wants_more
}
