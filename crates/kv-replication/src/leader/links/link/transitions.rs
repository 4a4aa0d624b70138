//! Every change of a follower's state: no other place sets it.

use chacha20::ChaCha8Rng;
use kv_core::Version;

use super::{Link, State, Transfer};
use crate::config::Timing;
use crate::leader::ids::AttemptId;
use crate::leader::links::error::LinkError;
use crate::leader::links::voting::Voting;
use crate::leader::replication::log::Log;
use crate::protocol::message::{Refusal, Standing};
use crate::protocol::time::Time;

impl Link {
    /// It is being asked for the first time, or after a failure.
    pub(in crate::leader) fn become_probing(&mut self) {
        self.state = State::Probing;
    }

    /// It has answered a probe. Asked again at `ask_at` if it still waits then.
    pub(in crate::leader) fn become_waiting(&mut self, answer: Box<Standing>, ask_at: Time) {
        self.voting.note_probed(answer.held.counts);
        self.next_mark = ask_at;
        self.state = State::Waiting { answer };
    }

    /// It is asked for its promise; one that it has given already stays until it answers.
    pub(in crate::leader) fn become_preparing(&mut self) {
        self.state = match self.leave() {
            State::Waiting { answer } => State::Preparing { answer, promised: false },
            other => other,
        };
    }

    /// It has promised the leader's epoch.
    pub(in crate::leader) fn become_promised(&mut self, answer: Box<Standing>) {
        self.state = State::Preparing { answer, promised: true };
    }

    /// A snapshot goes there: the one that is on its way, or a new one.
    pub(in crate::leader) fn become_installing(&mut self, base: Version) {
        self.transfer.get_or_insert_with(|| Transfer::new(base));
        self.health.recover();
        self.state = State::Installing;
    }

    /// Everything in the log that it lacks goes there.
    pub(in crate::leader) fn become_streaming(&mut self, log: &Log) {
        self.progress.refill(log, &self.attempts);
        self.health.recover();
        self.state = State::Streaming;
    }

    /// Its disk is full: it gets nothing but commit marks. A snapshot begins anew later, so that its base need
    /// not stay in the log. Gives back the reason if that is news.
    pub(in crate::leader) fn become_full(&mut self, now: Time) -> Option<LinkError> {
        let error = LinkError::from(Refusal::DiskFull);
        self.transfer = None;
        self.state = State::Full;
        self.health.hold_back(now, error.clone()).then_some(error)
    }

    /// Not asked before `retry_at`. Gives back what was under way; nobody waits for those requests any more.
    pub(in crate::leader) fn become_down(&mut self, retry_at: Time) -> Vec<AttemptId> {
        self.state = State::Down { retry_at };
        self.abandon()
    }

    /// It has failed, and is asked again after a pause. Gives back what was under way, and whether the failure
    /// is news.
    pub(in crate::leader) fn fail(
        &mut self,
        now: Time,
        error: LinkError,
        timing: &Timing,
        rng: &mut ChaCha8Rng,
    ) -> (Vec<AttemptId>, bool) {
        let (pause, is_news) = self.health.fail(now, error, timing, rng);
        (self.become_down(now + pause), is_news)
    }

    /// The start of the leader begins again. A link that has told what it holds waits; one that went on, and
    /// each one if another leader was faster, may have old news, and is asked again at `retry_at`.
    pub(in crate::leader) fn start_over(&mut self, retry_at: Time, is_old_news: bool) -> Vec<AttemptId> {
        self.progress.forget_acks();
        self.transfer = None;
        match self.leave() {
            State::Waiting { answer } | State::Preparing { answer, .. } if !is_old_news => {
                self.state = State::Waiting { answer };
                self.abandon()
            }
            same @ (State::Down { .. } | State::Probing) => {
                self.state = same;
                Vec::new()
            }
            _ => self.become_down(retry_at),
        }
    }

    /// The leader has a new epoch: nothing that was promised or acknowledged concerns it.
    pub(in crate::leader) fn start_epoch(&mut self) {
        self.progress.forget_acks();
        if let State::Preparing { promised, .. } = &mut self.state {
            *promised = false;
        }
    }

    /// The leader has a new log. A snapshot of an earlier attempt had another base.
    pub(in crate::leader) fn start_log(&mut self) {
        self.progress.forget_unsent();
        self.transfer = None;
    }

    /// It is not the node that it was: nothing that was known of it holds.
    pub(in crate::leader) fn forget_node(&mut self) {
        self.identity = None; // it is asked again before anything else
        self.voting = Voting::default();
        self.progress.forget_acks();
        self.transfer = None;
        if let State::Preparing { promised, .. } = &mut self.state {
            *promised = false;
        }
    }

    /// Old news of a failure decides nothing: a follower that is down, or full, is asked at once.
    pub(in crate::leader) fn ask_again(&mut self, now: Time) {
        match self.state {
            State::Down { .. } => self.state = State::Down { retry_at: now },
            State::Full => self.hurry(now),
            _ => {}
        }
    }
}
