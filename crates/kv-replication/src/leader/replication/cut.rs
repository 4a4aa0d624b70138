//! Which entries leave the log, and when.

use kv_core::Version;

use super::log::{Log, Slot};
use crate::config::LeaderConfig;
use crate::testing::planted::planted;

/// Entries that leave the log at one time, unless it is over its hard limit. What was kept for a follower
/// goes in many steps once that follower no longer needs it: no write waits until all of it is freed.
const CUT_ENTRIES_MAX: usize = 1_024;

/// Lets entries up to the commit index `mark` go, the oldest first, while the log is over its limit. True if
/// more may leave than has left.
///
/// An entry that a follower needs stays longer, up to the hard limit, and so does one whose write waits
/// for more acknowledgements than the commit did.
pub(super) fn cut(
    log: &mut Log,
    mark: Version,
    config: &LeaderConfig,
    is_needed: impl Fn(Version) -> bool,
) -> bool {
    let through = if planted!(config, LogCutAboveMark) { log.last() } else { mark };
    let limits = &config.limits;
    let mut left = CUT_ENTRIES_MAX;
    while log.len() > limits.log_entries_max || log.bytes() > limits.log_bytes_max {
        let oldest = log.first();
        let may_wait = log.len() <= limits.log_entries_hard_max && log.bytes() <= limits.log_bytes_hard_max;
        let is_awaited = log.get(oldest).is_some_and(Slot::is_awaited);
        if may_wait && (is_awaited || is_needed(oldest)) {
            return false;
        }
        if may_wait && left == 0 {
            return true;
        }
        if !log.pop_committed(through) {
            return false;
        }
        left = left.saturating_sub(1);
    }
    false
}

#[cfg(test)]
mod tests {
    use kv_core::{Command, Epoch};

    use super::*;
    use crate::config::Limits;
    use crate::protocol::quorum::Quorum;

    /// So many committed entries, in a log that wants no more than four, and must have no more than eight.
    fn over_its_limit(entries: u64) -> (Log, LeaderConfig) {
        let quorum = Quorum::new(1, 1).unwrap();
        let mut log = Log::after(0);
        (1..=entries).for_each(|it| log.push_committed(Command::no_op().into_entry(Epoch::ZERO, it)));
        let limits = Limits { log_entries_max: 4, log_entries_hard_max: 8, ..Limits::default() };
        (log, LeaderConfig { limits, ..LeaderConfig::new(quorum) })
    }

    #[test]
    fn committed_entries_leave_until_the_limit_is_kept() {
        let (mut log, config) = over_its_limit(10);
        assert!(!cut(&mut log, 10, &config, |_| false));
        assert_eq!((log.first(), log.len()), (7, 4));
    }

    #[test]
    fn a_follower_keeps_what_it_needs_up_to_the_hard_limit() {
        let (mut log, config) = over_its_limit(10);
        assert!(!cut(&mut log, 10, &config, |version| version >= 2));
        assert_eq!((log.first(), log.len()), (3, 8));
    }

    #[test]
    fn nothing_above_the_commit_index_leaves() {
        let (mut log, config) = over_its_limit(10);
        assert!(!cut(&mut log, 2, &config, |_| false));
        assert_eq!(log.first(), 3);
    }

    #[test]
    fn a_long_log_is_cut_in_steps() {
        let (mut log, mut config) = over_its_limit(5_000);
        config.limits.log_entries_hard_max = 10_000;
        assert!(cut(&mut log, 5_000, &config, |_| false));
        assert_eq!(log.first(), 1 + CUT_ENTRIES_MAX as u64);
    }
}
