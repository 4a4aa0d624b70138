//! Which entries leave the log, and when.

use kv_core::Version;

use super::commit::Replication;
use super::log::Slot;
use crate::config::LeaderConfig;
use crate::testing::planted::planted;

/// Entries that leave the log at one time, unless it is over its hard limit. What was kept for a follower
/// goes in many steps once that follower no longer needs it: no write waits until all of it is freed.
const CUT_ENTRIES_MAX: usize = 1_024;

impl Replication {
    /// Lets committed entries go, the oldest first, while the log is over its limit.
    ///
    /// An entry that a follower needs stays longer, up to the hard limit, and so does one whose write waits
    /// for more acknowledgements than the commit did.
    pub(in crate::leader) fn cut(&mut self, config: &LeaderConfig, is_needed: impl Fn(Version) -> bool) {
        let through = if planted!(config, LogCutAboveMark) { self.log().last() } else { self.mark() };
        let limits = &config.limits;
        let mut left = CUT_ENTRIES_MAX;
        self.is_cut_short = false;
        while self.log.len() > limits.log_entries_max || self.log.bytes() > limits.log_bytes_max {
            let oldest = self.log.first();
            let may_wait = self.log.len() <= limits.log_entries_hard_max
                && self.log.bytes() <= limits.log_bytes_hard_max;
            let is_awaited = self.log.get(oldest).is_some_and(Slot::is_awaited);
            if may_wait && (is_awaited || is_needed(oldest)) {
                break;
            }
            self.is_cut_short = may_wait && left == 0;
            if self.is_cut_short || !self.log.pop_committed(through) {
                break;
            }
            left = left.saturating_sub(1);
        }
    }

    /// The last cut has stopped before its end.
    pub(in crate::leader) fn is_cut_short(&self) -> bool {
        self.is_cut_short
    }
}

#[cfg(test)]
mod tests {
    use kv_core::{Command, Epoch, Store};

    use super::*;
    use crate::config::Limits;
    use crate::leader::replication::log::Log;
    use crate::protocol::quorum::Quorum;

    /// Ten committed entries, in a log that wants no more than four, and must have no more than eight.
    fn over_its_limit() -> (Replication, LeaderConfig) {
        let quorum = Quorum::new(1, 1).unwrap();
        let mut log = Log::after(0);
        (1..=10).for_each(|version| log.push_committed(Command::no_op().into_entry(Epoch::ZERO, version)));
        let limits = Limits { log_entries_max: 4, log_entries_hard_max: 8, ..Limits::default() };
        let config = LeaderConfig { limits, ..LeaderConfig::new(quorum) };
        (Replication::new(quorum, log, Store::new(), 10, 10), config)
    }

    #[test]
    fn committed_entries_leave_until_the_limit_is_kept() {
        let (mut replication, config) = over_its_limit();
        replication.cut(&config, |_| false);
        assert_eq!((replication.log().first(), replication.log().len()), (7, 4));
    }

    #[test]
    fn a_follower_keeps_what_it_needs_up_to_the_hard_limit() {
        let (mut replication, config) = over_its_limit();
        replication.cut(&config, |version| version >= 2);
        assert_eq!((replication.log().first(), replication.log().len()), (3, 8));
    }

    #[test]
    fn nothing_above_the_commit_index_leaves() {
        let (mut replication, config) = over_its_limit();
        replication.replace_state(Store::new(), 2, 2);
        replication.cut(&config, |_| false);
        assert_eq!(replication.log().first(), 3);
    }
}
