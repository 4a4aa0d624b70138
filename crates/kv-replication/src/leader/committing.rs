//! From acknowledgements, of followers and of the own disk, to commits and answered writes.

use std::ops::RangeInclusive;

use kv_core::Version;

use super::ids::PersistId;
use super::machine::Leader;
use super::output::Event;
use crate::protocol::follower_set::FollowerIndex;
use crate::protocol::time::Time;

impl Leader {
    /// The follower holds these versions under the leader's epoch, and says whether it is a voter. If it is one,
    /// they count at once; if it has just become one, so does everything that it has acknowledged before.
    pub(super) fn acknowledge(
        &mut self,
        follower: FollowerIndex,
        is_voter: bool,
        held: impl Iterator<Item = RangeInclusive<Version>>,
    ) {
        let log = self.replication.log();
        let (first, last) = (log.first(), log.last());
        let link = &mut self.links[follower];
        let is_new_voter = link.note_vote(is_voter);
        let clipped = held.map(|range| *range.start()..=(*range.end()).min(last));
        let news: Vec<_> = clipped.flat_map(|range| link.progress_mut().acknowledge(range)).collect();
        if is_new_voter {
            let uncommitted = self.replication.mark() + 1..=last;
            let acked = link.progress().acked();
            self.replication.count_acks(follower, uncommitted.filter(|version| acked.contains(*version)));
        } else if is_voter {
            let in_log = news.into_iter().flat_map(|gap| (*gap.start()).max(first)..=*gap.end());
            self.replication.count_acks(follower, in_log);
        }
        self.settle();
        self.links[follower].note_lag(self.replication.mark(), self.now);
        if is_new_voter {
            self.tell(Event::Counted { follower: follower.get() });
        }
    }

    /// Its own copy of everything up to this batch is durable: the last that some commits have waited for.
    pub(super) fn on_persisted(&mut self, now: Time, id: PersistId) {
        self.own.note_durable(id);
        self.replication.note_own_copy(self.own.held_through());
        self.settle();
        self.go_on(now);
    }

    /// Everything that was to be counted is: the commit index moves, what the log need not keep leaves it, and the
    /// writes that are decided are answered.
    pub(super) fn settle(&mut self) {
        if self.replication.advance_mark() || self.replication.is_cut_short() {
            self.cut_log();
        }
        while let Some((id, committed)) = self.replication.poll_decided() {
            self.writes.remove(id);
            self.answer(id, Ok(committed));
        }
    }

    /// Lets committed entries leave the log that no follower needs.
    pub(super) fn cut_log(&mut self) {
        let links = &self.links;
        self.replication.cut_log(&self.config, |version| links.iter().any(|(_, link)| link.needs(version)));
    }
}
