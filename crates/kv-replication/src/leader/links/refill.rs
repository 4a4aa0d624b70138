//! How a follower that has lost its memory comes to count again.
//!
//! It has forgotten whom it promised. So it counts only when it has caught up with everything that was
//! assigned when it came, and enough others have confirmed the leader's epoch since: whoever else might
//! lead by a promise that was forgotten needs one of them.

use crate::leader::Leader;
use crate::leader::ids::AttemptId;
use crate::leader::links::link::{Link, Refill};
use crate::leader::output::{Event, Output};
use crate::protocol::group::Group;
use crate::protocol::group::Need;
use crate::protocol::message::Held;

impl Leader {
    /// Takes note of a follower whose acknowledgements do not count yet.
    pub(in crate::leader) fn start_refill(&mut self, follower: usize) {
        let given = self.start.grants(follower);
        // Whoever has not said that it has lost its memory may have kept it.
        let kept = self.links.iter().enumerate().filter(|(other, it)| *other != follower && !it.is_lost);
        let kept = kept.fold(0, |set, (other, _)| set | (1 << other));
        let names = &self.config.followers;
        // Of each group that is in force: the rival may lead by any of them.
        let of_group = |group: &Group| {
            let Need { of, count } = group.write_need(names);
            let of = of & !(1 << follower);
            Need { of, count: count.min(Need { of, count }.among(kept)) }
        };
        let through = self.log.last();
        let needed = if given { Vec::new() } else { self.change.claimed.iter().map(of_group).collect() };
        let since = AttemptId(self.next_attempt);
        if let Some(link) = self.links.get_mut(follower).filter(|link| link.refill.is_none()) {
            link.refill = Some(Refill { through, needed, since, confirmed: 0 });
            link.granted = false;
        }
    }

    /// The follower has answered `attempt` under our epoch: others that have lost their memory may rely
    /// on it, and it may have become one that counts.
    pub(in crate::leader) fn confirm(&mut self, follower: usize, attempt: AttemptId, held: &Held) {
        self.note_counting(follower, held.counts);
        let counts = self.links.get(follower).is_some_and(|link| link.counts);
        if counts {
            self.confirm_reads(self.now, follower, attempt);
        }
        for (index, link) in self.links.iter_mut().enumerate() {
            let Some(refill) = &mut link.refill else { continue };
            if counts && index != follower && attempt >= refill.since {
                refill.confirmed |= 1 << follower;
            }
            let enough = refill.needed.iter().all(|need| need.is_met(refill.confirmed));
            if !link.granted && enough && link.acked.watermark() >= refill.through && link.is_following() {
                link.granted = true;
                link.next_mark = self.now;
            }
        }
    }

    /// What the follower says of its memory.
    pub(in crate::leader) fn note_counting(&mut self, follower: usize, counts: bool) {
        let Some(link) = self.links.get_mut(follower) else { return };
        link.is_lost = !counts;
        if link.counts == counts {
            return;
        }
        link.counts = counts;
        if counts {
            link.refill = None;
            link.granted = false;
            self.count_all(follower);
            self.outputs.push_back(Output::Event(Event::Counted { follower }));
        }
    }

    /// What it has acknowledged so far counts from now on.
    fn count_all(&mut self, follower: usize) {
        let Some(link) = self.links.get(follower) else { return };
        let uncommitted = self.mark + 1..=self.log.last();
        let acked: Vec<_> = uncommitted.filter(|version| link.acked.contains(*version)).collect();
        for version in acked {
            self.count_ack(follower, version);
        }
        self.advance_mark();
    }

    /// The links whose acknowledgements count.
    pub(in crate::leader) fn counting(&self) -> impl Iterator<Item = (usize, &Link)> {
        self.links.iter().enumerate().filter(|(_, link)| link.counts)
    }
}
