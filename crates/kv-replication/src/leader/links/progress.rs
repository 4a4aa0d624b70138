//! What a follower has acknowledged, and what it is still to be sent.

use std::ops::RangeInclusive;

use kv_core::{Entry, Version};

use super::attempt::{Asked, Attempt};
use crate::config::Limits;
use crate::leader::replication::log::Log;
use crate::protocol::delay::DelayLine;
use crate::protocol::range_set::RangeSet;
use crate::protocol::time::Time;

/// The way of the entries to one follower: delayed, ready, under way, acknowledged.
#[derive(Clone, Debug, Default)]
pub(in crate::leader) struct Progress {
    /// What it holds under the leader's epoch.
    acked: RangeSet,
    /// Entries on the simulated wire.
    delayed: DelayLine,
    /// Entries that are due and neither acknowledged nor under way.
    ready: RangeSet,
    /// It has room for nothing above, as far as is known.
    room_last: Option<Version>,
}

impl Progress {
    pub(in crate::leader) fn acked(&self) -> &RangeSet {
        &self.acked
    }

    /// How many entries are on the simulated wire.
    pub(in crate::leader) fn delayed_len(&self) -> usize {
        self.delayed.len()
    }

    pub(in crate::leader) fn next_due(&self) -> Option<Time> {
        self.delayed.next_due()
    }

    /// The lowest version that is ready to be sent.
    pub(in crate::leader) fn first_ready(&self) -> Option<Version> {
        self.ready.first()
    }

    /// A new entry, to be sent at `due`, or at once.
    pub(in crate::leader) fn enqueue(&mut self, version: Version, due: Option<Time>) {
        match due {
            Some(due) => self.delayed.push(due, version),
            None => self.ready.insert(version),
        }
    }

    /// Lets everything that is due off the simulated wire.
    pub(in crate::leader) fn release_due(&mut self, now: Time) {
        while let Some(version) = self.delayed.pop_due(now) {
            if !self.acked.contains(version) {
                self.ready.insert(version);
            }
        }
    }

    /// The follower holds these: gives back what is news.
    pub(in crate::leader) fn acknowledge(
        &mut self,
        range: RangeInclusive<Version>,
    ) -> Vec<RangeInclusive<Version>> {
        let news = self.acked.gaps(range.clone()).collect();
        self.acked.insert_range(range.clone());
        self.ready.remove_range(range);
        news
    }

    /// Nothing that it has acknowledged counts any more.
    pub(in crate::leader) fn forget_acks(&mut self) {
        self.acked = RangeSet::new();
    }

    /// The leader's log is a new one, whose entries draw no delay.
    pub(in crate::leader) fn forget_unsent(&mut self) {
        self.delayed = DelayLine::new();
        self.ready = RangeSet::new();
    }

    /// It takes nothing above `last` until it answers again.
    pub(in crate::leader) fn limit(&mut self, last: Version) {
        self.room_last = Some(last);
    }

    /// It has answered: what it has room for is to be found out anew.
    pub(in crate::leader) fn lift_limit(&mut self) {
        self.room_last = None;
    }

    /// What the attempt carried has to be sent again.
    pub(in crate::leader) fn take_back(&mut self, attempt: &Attempt) {
        if let Asked::Append(versions) = &attempt.asked {
            versions.iter().for_each(|range| self.ready.insert_range(range));
        }
    }

    /// Everything in the log is ready that is neither acknowledged nor delayed nor under way.
    pub(in crate::leader) fn refill(&mut self, log: &Log, attempts: &[Attempt]) {
        self.ready = self.acked.gaps(log.first()..=log.last()).collect();
        for attempt in attempts {
            if let Asked::Append(versions) = &attempt.asked {
                versions.iter().for_each(|range| self.ready.remove_range(range));
            }
        }
        for version in self.delayed.versions() {
            self.ready.remove_range(version..=version);
        }
    }

    /// Whether it lacks something that is no longer in the log.
    pub(in crate::leader) fn is_behind(&self, log: &Log) -> bool {
        self.acked.gaps(1..=log.first().saturating_sub(1)).next().is_some()
    }

    /// The next batch to send, if there is one and room for it; its versions count as under way
    /// once the caller has added an attempt for them.
    pub(in crate::leader) fn next_batch(
        &mut self,
        log: &Log,
        limits: &Limits,
    ) -> Option<(Vec<Entry>, RangeSet)> {
        self.ready.first()?;
        let window_last = self.acked.watermark().saturating_add(limits.window_entries_max);
        let window_last = self.room_last.map_or(window_last, |last| last.min(window_last));
        let mut entries = Vec::new();
        let mut bytes = 0;
        for version in self.ready.iter().flatten() {
            let Some(slot) = log.get(version).filter(|_| version <= window_last) else {
                break;
            };
            bytes += slot.entry().frame().len();
            if entries.len() == limits.batch_entries_max
                || (bytes > limits.batch_bytes_max && !entries.is_empty())
            {
                break;
            }
            entries.push(slot.entry().clone());
        }
        let last = entries.last().map(Entry::version)?;
        Some((entries, self.ready.take_through(last)))
    }
}

#[cfg(test)]
mod tests {
    use kv_core::{Command, Epoch};

    use super::*;
    use crate::leader::ids::AttemptId;

    fn log(entries: u64) -> Log {
        let mut log = Log::after(0);
        (1..=entries).for_each(|version| log.push(Command::no_op().into_entry(Epoch::ZERO, version), None));
        log
    }

    fn versions(batch: Option<(Vec<Entry>, RangeSet)>) -> Vec<Version> {
        batch.map_or(Vec::new(), |(entries, _)| entries.iter().map(Entry::version).collect())
    }

    #[test]
    fn a_version_is_sent_once_until_its_attempt_is_given_up() {
        let (log, limits) = (log(3), Limits::default());
        let mut progress = Progress::default();
        progress.refill(&log, &[]);
        let (_, sent) = progress.next_batch(&log, &limits).unwrap();
        let attempt = Attempt { id: AttemptId(1), deadline: Time::ZERO, asked: Asked::Append(sent) };
        progress.refill(&log, std::slice::from_ref(&attempt));
        assert_eq!(versions(progress.next_batch(&log, &limits)), []);
        progress.take_back(&attempt);
        assert_eq!(progress.acknowledge(2..=2), [2..=2]);
        assert_eq!(progress.acknowledge(1..=2), [1..=1]);
        assert_eq!(versions(progress.next_batch(&log, &limits)), [3]);
    }

    #[test]
    fn nothing_is_sent_beyond_what_the_follower_has_room_for() {
        let (log, limits) = (log(5), Limits { batch_entries_max: 2, ..Limits::default() });
        let mut progress = Progress::default();
        progress.refill(&log, &[]);
        progress.limit(3);
        assert_eq!(versions(progress.next_batch(&log, &limits)), [1, 2]);
        assert_eq!(versions(progress.next_batch(&log, &limits)), [3]);
        assert_eq!(versions(progress.next_batch(&log, &limits)), []);
        progress.lift_limit();
        assert_eq!(versions(progress.next_batch(&log, &limits)), [4, 5]);
    }

    #[test]
    fn what_is_on_the_simulated_wire_is_not_ready() {
        let (log, limits) = (log(2), Limits::default());
        let mut progress = Progress::default();
        let due = Time::ZERO + std::time::Duration::from_millis(5);
        progress.enqueue(1, Some(due));
        progress.enqueue(2, None);
        progress.refill(&log, &[]);
        assert_eq!(versions(progress.next_batch(&log, &limits)), [2]);
        progress.release_due(due);
        assert_eq!(versions(progress.next_batch(&log, &limits)), [1]);
    }
}
