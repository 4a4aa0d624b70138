//! Followers whose disks are full, and the leader's own.
//!
//! A full follower is well, and lags: it promises, confirms and learns what is committed, but gets no entries,
//! so that it costs neither requests that it would refuse nor room in the log. Its answer to any mark says
//! when it has space again.

use crate::leader::Leader;
use crate::leader::links::error::LinkError;
use crate::leader::links::link::{Asked, Attempt};
use crate::leader::links::status::LinkState;
use crate::leader::output::{Event, Output};
use crate::protocol::message::Refusal;
use crate::protocol::time::Time;

impl Leader {
    /// The leader's own disk has run full, or has space again.
    pub(in crate::leader) fn note_own_disk(&mut self, now: Time, full: bool) {
        if self.disk.is_full() != full {
            self.disk.set_full(full);
            self.outputs.push_back(Output::Event(Event::DiskFull { full }));
        }
        self.go_on(now); // what is parked is refused, and a start that has waited for space goes on
    }

    /// The follower has said that its disk is full: it gets nothing but marks.
    pub(in crate::leader) fn hold_back(&mut self, now: Time, follower: usize) {
        let Some(link) = self.links.get_mut(follower) else { return };
        let error = LinkError::from(Refusal::DiskFull);
        let is_news = link.announced || link.last_error.as_ref() != Some(&error);
        link.state = LinkState::Full;
        link.announced = false;
        link.pushing = None; // it begins anew, so that its base need not stay in the log
        link.down_seen = Some(now);
        link.last_error = Some(error.clone());
        if is_news {
            self.outputs.push_back(Output::Event(Event::LinkDown { follower, error }));
        }
    }

    /// The follower has refused what it has no room for.
    pub(in crate::leader) fn on_disk_full(&mut self, now: Time, follower: usize, attempt: &Attempt) {
        let Some(link) = self.links.get_mut(follower) else { return };
        let follows = link.is_following() || link.state == LinkState::Installing;
        match attempt.asked {
            Asked::Append(_) | Asked::Install { .. } if follows => {
                link.take_back(attempt);
                self.hold_back(now, follower);
            }
            _ => self.give_back(now, follower, attempt, Refusal::DiskFull.into()),
        }
    }

    /// The follower has answered that it has space: if that is news, it gets what it lacks.
    pub(in crate::leader) fn let_go_on(&mut self, now: Time, follower: usize) {
        if self.links.get(follower).is_some_and(|link| link.state == LinkState::Full) {
            self.begin(now, follower);
            self.announce(follower);
        }
    }
}
