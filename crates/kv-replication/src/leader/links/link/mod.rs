//! One follower as the leader sees it: its state, and how that changes.

mod traffic;
mod transitions;

use kv_core::Version;

use super::attempt::Attempt;
use super::error::LinkError;
use super::health::Health;
use super::progress::Progress;
use super::status::{LinkState, LinkStatus};
use super::voting::{Rebuild, Voting};
use crate::leader::ids::AttemptId;
use crate::protocol::follower_set::FollowerIndex;
use crate::protocol::message::{Identity, Standing};
use crate::protocol::time::Time;

/// One follower: its state, and what outlives a change of state.
#[derive(Clone, Debug)]
pub(in crate::leader) struct Link {
    state: State,
    /// Who answered last; none if it must be asked before anything else.
    identity: Option<Identity>,
    voting: Voting,
    progress: Progress,
    /// A snapshot on its way there. It goes on where it was when the follower comes back.
    transfer: Option<Transfer>,
    attempts: Vec<Attempt>,
    health: Health,
    /// A read waits for an answer to something that is sent from now on.
    is_asked: bool,
    /// When the commit mark travels if nothing else does, or a link that waits is asked again.
    next_mark: Time,
    /// Since when it lacks something that is committed.
    behind_since: Option<Time>,
}

/// The state, with what is valid only in it.
#[derive(Clone, Debug)]
enum State {
    /// The last request failed; it is asked again later.
    Down { retry_at: Time },
    /// It is being asked what it holds.
    Probing,
    /// It has answered; the leader does not need it yet, or waits for others.
    Waiting { answer: Box<Standing> },
    /// It is being asked for its promise, or for what it has.
    Preparing {
        answer: Box<Standing>,
        /// It has promised the leader's epoch.
        promised: bool,
    },
    /// A snapshot goes there.
    Installing,
    /// Its disk is full: only commit marks go there, until it says that it has space again.
    Full,
    /// Entries go there.
    Streaming,
}

/// A snapshot on its way to a follower.
#[derive(Clone, Debug)]
pub(in crate::leader) struct Transfer {
    pub(in crate::leader) base: Version,
    pub(in crate::leader) chunk: u64,
    /// The last key that is there already.
    pub(in crate::leader) after: Option<String>,
}

impl Transfer {
    fn new(base: Version) -> Self {
        Self { base, chunk: 0, after: None }
    }
}

/// Its state, and how that changes.
impl Link {
    pub(super) fn new() -> Self {
        Self {
            state: State::Down { retry_at: Time::ZERO },
            identity: None,
            voting: Voting::default(),
            progress: Progress::default(),
            transfer: None,
            attempts: Vec::new(),
            health: Health::default(),
            is_asked: false,
            next_mark: Time::ZERO,
            behind_since: None,
        }
    }

    pub(in crate::leader) fn state(&self) -> LinkState {
        match self.state {
            State::Down { retry_at } => LinkState::Down { retry_at },
            State::Probing => LinkState::Probing,
            State::Waiting { .. } => LinkState::Waiting,
            State::Preparing { .. } => LinkState::Claiming,
            State::Installing => LinkState::Installing,
            State::Full => LinkState::Full,
            State::Streaming => LinkState::Streaming,
        }
    }

    /// What it said when it was probed or promised last, until it follows.
    pub(in crate::leader) fn answer(&self) -> Option<&Standing> {
        match &self.state {
            State::Waiting { answer } | State::Preparing { answer, .. } => Some(answer),
            _ => None,
        }
    }

    pub(in crate::leader) fn has_promised(&self) -> bool {
        matches!(self.state, State::Preparing { promised: true, .. })
    }

    /// It follows, whether or not it has room for more.
    pub(in crate::leader) fn is_following(&self) -> bool {
        matches!(self.state, State::Streaming | State::Full)
    }

    pub(in crate::leader) fn is_streaming(&self) -> bool {
        matches!(self.state, State::Streaming)
    }

    /// What it acknowledges counts for W.
    pub(in crate::leader) fn is_up(&self) -> bool {
        self.is_streaming() && self.is_voter()
    }

    /// The state by value; the caller sets the next one.
    fn leave(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Probing)
    }
}

/// Its identity and its vote.
impl Link {
    pub(in crate::leader) fn identity(&self) -> Option<Identity> {
        self.identity
    }

    pub(in crate::leader) fn set_identity(&mut self, identity: Identity) {
        self.identity = Some(identity);
    }

    /// It has kept its state, or has got back what it lost: its acknowledgements count.
    pub(in crate::leader) fn is_voter(&self) -> bool {
        self.voting.is_voter()
    }

    /// It has said last that it has lost its state.
    pub(in crate::leader) fn has_lost_state(&self) -> bool {
        self.voting.has_lost_state()
    }

    /// It has lost its state, and is on its way back to a vote.
    pub(in crate::leader) fn is_rebuilding(&self) -> bool {
        self.voting.is_rebuilding()
    }

    /// It says whether it is a voter. True if it has become one just now.
    pub(in crate::leader) fn note_vote(&mut self, counts: bool) -> bool {
        self.voting.note(counts)
    }

    pub(in crate::leader) fn start_rebuild(&mut self, rebuild: Rebuild) {
        self.voting.start_rebuild(rebuild);
    }

    /// Another follower, a voter, has answered `attempt` under the leader's epoch.
    pub(in crate::leader) fn hear(&mut self, other: FollowerIndex, attempt: AttemptId) {
        self.voting.hear(other, attempt);
    }

    /// If it lacks nothing any more, it is told at once that it is a voter.
    pub(in crate::leader) fn try_grant_vote(&mut self, now: Time) {
        if self.is_following() && self.voting.try_grant(self.watermark()) {
            self.next_mark = now;
        }
    }
}

/// What it has acknowledged, and what is to be sent.
impl Link {
    pub(in crate::leader) fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(in crate::leader) fn progress_mut(&mut self) -> &mut Progress {
        &mut self.progress
    }

    /// What it has acknowledged without a gap from version 1.
    pub(in crate::leader) fn watermark(&self) -> Version {
        self.progress.acked().watermark()
    }

    /// Whether the log must keep `version` for it: it is up and lacks that, or a snapshot on its way there
    /// ends below.
    pub(in crate::leader) fn needs(&self, version: Version) -> bool {
        match &self.transfer {
            Some(transfer) => version > transfer.base,
            None => self.is_streaming() && !self.progress.acked().contains(version),
        }
    }

    /// Since when it lacks something that is committed.
    pub(in crate::leader) fn note_lag(&mut self, mark: Version, now: Time) {
        if self.watermark() >= mark {
            self.behind_since = None;
        } else {
            self.behind_since.get_or_insert(now);
        }
    }
}

/// A snapshot on its way there.
impl Link {
    pub(in crate::leader) fn transfer(&self) -> Option<&Transfer> {
        self.transfer.as_ref()
    }

    /// It begins anew.
    pub(in crate::leader) fn restart_transfer(&mut self, base: Version) {
        self.transfer = Some(Transfer::new(base));
    }

    /// A chunk has arrived, and the next one goes on after this key.
    pub(in crate::leader) fn advance_transfer(&mut self, after: Option<String>) {
        if let Some(transfer) = &mut self.transfer {
            transfer.chunk += 1;
            transfer.after = after;
        }
    }

    pub(in crate::leader) fn end_transfer(&mut self) {
        self.transfer = None;
    }
}

/// Its failures, for the operator.
impl Link {
    pub(in crate::leader) fn health(&self) -> &Health {
        &self.health
    }

    /// It has been tried: it has answered, or has failed.
    pub(in crate::leader) fn is_tried(&self) -> bool {
        self.answer().is_some() || self.health.failures() > 0
    }

    /// It has failed since its last success.
    pub(in crate::leader) fn has_failed(&self) -> bool {
        self.health.failures() > 0
    }

    /// Its last failure, if it has not been up since.
    pub(in crate::leader) fn current_error(&self) -> Option<&LinkError> {
        self.health.down_seen().and(self.health.last_error())
    }

    /// It answers: it is not known to be down any more.
    pub(in crate::leader) fn note_reached(&mut self) {
        self.health.recover();
    }

    /// It has answered as it should. Says whether the operator is to be told that it is up.
    pub(in crate::leader) fn note_success(&mut self, leads: bool) -> bool {
        self.health.succeed();
        leads && self.is_streaming() && self.health.announce()
    }

    /// The leader leads from now on: the follower is told at once, and the operator too.
    pub(in crate::leader) fn note_leading(&mut self, now: Time) -> bool {
        self.next_mark = now;
        self.health.announce_again();
        self.note_success(true)
    }

    pub(in crate::leader) fn status(&self, name: &str, now: Time) -> LinkStatus {
        LinkStatus {
            name: name.to_owned(),
            state: self.state(),
            counts: self.is_voter(),
            lag: self.behind_since.map_or(std::time::Duration::ZERO, |since| now.since(since)),
            identity: self.identity,
            watermark: self.watermark(),
            in_flight: self.in_flight(),
            failures: self.health.failures(),
            last_error: self.health.last_error().cloned(),
        }
    }
}
