//! Requests under way to one follower, and when the next one is due.

use super::{Link, State};
use crate::leader::ids::AttemptId;
use crate::leader::links::attempt::{Asked, Attempt};
use crate::protocol::time::Time;

impl Link {
    pub(in crate::leader) fn is_idle(&self) -> bool {
        self.attempts.is_empty()
    }

    pub(in crate::leader) fn in_flight(&self) -> usize {
        self.attempts.len()
    }

    pub(in crate::leader::links) fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    pub(in crate::leader) fn start_attempt(&mut self, id: AttemptId, deadline: Time, asked: Asked) {
        self.attempts.push(Attempt { id, deadline, asked });
    }

    /// The attempt has ended, if it was one of this link's.
    pub(in crate::leader::links) fn finish(&mut self, id: AttemptId) -> Option<Attempt> {
        let at = self.attempts.iter().position(|attempt| attempt.id == id)?;
        Some(self.attempts.remove(at))
    }

    /// Takes back everything that is under way.
    pub(in crate::leader) fn abandon(&mut self) -> Vec<AttemptId> {
        let abandoned = std::mem::take(&mut self.attempts);
        abandoned.iter().for_each(|attempt| self.take_back(attempt));
        abandoned.into_iter().map(|attempt| attempt.id).collect()
    }

    /// What the attempt carried has to be sent again.
    pub(in crate::leader) fn take_back(&mut self, attempt: &Attempt) {
        self.progress.take_back(attempt);
    }

    /// A read waits for an answer to something that is sent from now on.
    pub(in crate::leader) fn ask(&mut self) {
        self.is_asked = true;
    }

    /// A bare commit mark is due: a read waits for its answer, or nothing else has been sent for a while.
    pub(in crate::leader) fn is_mark_due(&self, now: Time) -> bool {
        self.is_asked || self.is_idle() && self.next_mark <= now
    }

    /// It is to be asked again what it holds: what it said may be old news.
    pub(in crate::leader) fn is_probe_due(&self, now: Time) -> bool {
        self.is_idle() && self.next_mark <= now
    }

    /// An append goes there now. Says whether it tells the follower that it is a voter from now on.
    pub(in crate::leader) fn note_append(&mut self, next_mark: Time) -> bool {
        self.next_mark = next_mark;
        self.is_asked = false;
        self.voting.is_granted()
    }

    /// It is sent something at once, if only the commit mark.
    pub(in crate::leader) fn hurry(&mut self, now: Time) {
        self.next_mark = now;
    }

    /// When this link needs the machine again.
    pub(in crate::leader) fn next_timeout(&self) -> Option<Time> {
        let own = match self.state {
            State::Down { retry_at } => Some(retry_at),
            State::Streaming | State::Full | State::Waiting { .. } if self.is_idle() => Some(self.next_mark),
            _ => None,
        };
        let attempts = self.attempts.iter().map(|attempt| attempt.deadline);
        own.into_iter().chain(attempts).chain(self.progress.next_due()).min()
    }
}
