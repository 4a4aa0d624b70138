//! Whether a write gets a version. All that can refuse it is looked at before anything changes.

use kv_core::VERSION_MAX;

use crate::config::LeaderConfig;
use crate::leader::links::link::Link;
use crate::leader::links::set::Links;
use crate::leader::problem::{StartProblem, WriteError};
use crate::leader::replication::commit::Replication;
use crate::leader::start::leadership::Leadership;
use crate::protocol::time::Time;

/// What a new write meets.
#[derive(Debug)]
pub(in crate::leader) enum Verdict {
    Admit,
    /// Not to be decided yet.
    Park,
    Refuse(WriteError),
}

/// Everything that the verdict depends on.
pub(in crate::leader) struct Admission<'a> {
    pub(in crate::leader) config: &'a LeaderConfig,
    pub(in crate::leader) leadership: &'a Leadership,
    pub(in crate::leader) replication: &'a Replication,
    pub(in crate::leader) links: &'a Links,
    pub(in crate::leader) is_draining: bool,
    pub(in crate::leader) is_disk_full: bool,
    pub(in crate::leader) now: Time,
}

impl Admission<'_> {
    /// The verdict on a write that waits for so many acknowledgements. `problem` is asked for during a start only.
    pub(in crate::leader) fn judge(&self, acks: usize, problem: impl FnOnce() -> StartProblem) -> Verdict {
        if self.is_draining {
            return Verdict::Refuse(WriteError::Draining);
        }
        if let Some(by) = self.leadership.deposed_by() {
            return Verdict::Refuse(WriteError::Deposed { by, required: self.config.quorum.write() });
        }
        if self.is_disk_full {
            return Verdict::Refuse(WriteError::DiskFull);
        }
        if !self.leadership.leads() {
            return match problem() {
                problem if problem.needs_operator() => Verdict::Refuse(WriteError::Recovering(problem)),
                _ => Verdict::Park,
            };
        }
        if let Some(limit) = self.limit_reached() {
            return Verdict::Refuse(WriteError::Overloaded { limit });
        }
        let required = self.config.quorum.write().max(acks);
        let up = self.links.up();
        if up >= required {
            return Verdict::Admit;
        }
        let maybe_up = self.links.len() - self.links.select(|link| self.is_known_down(link)).len();
        if maybe_up >= required {
            Verdict::Park
        } else {
            Verdict::Refuse(WriteError::NoQuorum { up, required })
        }
    }

    /// Old news of a failure is no reason to refuse a write.
    fn is_known_down(&self, link: &Link) -> bool {
        let news_age_max = self.config.timing.news_age_max;
        let seen = link.health().down_seen();
        !link.is_up() && seen.is_some_and(|seen| self.now.since(seen) <= news_age_max)
    }

    fn limit_reached(&self) -> Option<&'static str> {
        let (limits, log, mark) = (&self.config.limits, self.replication.log(), self.replication.mark());
        let is_stuck = log.first() > mark; // nothing in the log is committed, so nothing may leave
        let is_delayed = |link: &Link| link.progress().delayed_len() as u64 >= limits.window_entries_max;
        if is_stuck && log.len() >= limits.log_entries_max {
            Some("log_entries_max")
        } else if is_stuck && log.bytes() >= limits.log_bytes_max {
            Some("log_bytes_max")
        } else if log.last() >= VERSION_MAX {
            Some("version_max")
        } else if log.last() - mark >= limits.window_entries_max
            || self.links.iter().any(|(_, link)| is_delayed(link))
        {
            Some("window_entries_max")
        } else {
            None
        }
    }
}
