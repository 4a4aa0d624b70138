//! What goes into the leader's machine, and what comes out of it.

use kv_core::{Command, Entry, Epoch, Version};
use thiserror::Error;

use crate::{AttemptId, ClusterId, LinkError, Reply, Request, Time, WriteId};

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A client wants `command`; it gets exactly one [`Output::Answer`], by its deadline.
    Write {
        /// The caller's name for it.
        id: WriteId,
        /// What it wants.
        command: Command,
        /// When the answer must be there, whatever it is.
        deadline: Time,
    },
    /// A request was answered.
    Reply {
        /// Which one.
        attempt: AttemptId,
        /// The answer.
        reply: Reply,
    },
    /// A request got no answer.
    Failed {
        /// Which one.
        attempt: AttemptId,
        /// What is known of the reason, for people.
        error: String,
    },
    /// The node is going down: no new writes.
    Drain,
    /// The time of [`Leader::poll_timeout`](crate::Leader::poll_timeout) has come.
    Tick,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send `request`, and tell how it went with [`Input::Reply`] or [`Input::Failed`].
    Send {
        /// Names the attempt.
        attempt: AttemptId,
        /// The index of the follower, from 0.
        follower: usize,
        /// What to send.
        request: Request,
    },
    /// Nobody waits for this attempt any more; whether it arrived does not matter.
    Cancel {
        /// Which one.
        attempt: AttemptId,
    },
    /// The client's answer.
    Answer {
        /// Which write.
        id: WriteId,
        /// What became of it.
        result: Result<Committed, WriteError>,
    },
    /// Something that an operator wants to know.
    Event(Event),
}

/// A write that is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The write with its version.
    pub entry: Entry,
    /// Acknowledgements when the answer was decided; at least W.
    pub acks: usize,
}

/// Why a write has no success to report. All but [`WriteError::Unknown`] and
/// [`WriteError::Stopped`] mean that nothing was
/// written, and that it is safe to try again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WriteError {
    /// Too few followers can be reached.
    #[error("{up} of the {required} followers that a write needs can be reached")]
    NoQuorum {
        /// Followers that are up.
        up: usize,
        /// W.
        required: usize,
    },
    /// Another leader has taken over.
    #[error("another leader has taken over with epoch {by}")]
    Deposed {
        /// Its epoch.
        by: Epoch,
        /// W.
        required: usize,
    },
    /// The leader does not serve yet.
    #[error("the leader is not ready: {0}")]
    Recovering(StartProblem),
    /// The node is going down.
    #[error("the node is going down")]
    Draining,
    /// A limit is reached.
    #[error("too much at once: {limit} is reached")]
    Overloaded {
        /// The name of the limit.
        limit: &'static str,
    },
    /// The write has a version, and may still commit.
    #[error(
        "{acks} of {required} acknowledgements before the deadline; version {version} may still be committed"
    )]
    Unknown {
        /// Its version.
        version: Version,
        /// Acknowledgements so far.
        acks: usize,
        /// W.
        required: usize,
    },
    /// The engine has ended under the write, which may or may not have been written.
    #[error("the leader has stopped")]
    Stopped,
}

/// Why a leader does not serve yet.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StartProblem {
    /// These followers (indices from 0) have not answered yet.
    #[error("waiting for followers {}", numbers(followers))]
    Waiting {
        /// Which ones.
        followers: Vec<usize>,
    },
    /// This follower answers, but not as a new history needs it.
    #[error("follower {}: {error}", follower + 1)]
    Unfit {
        /// Its index from 0.
        follower: usize,
        /// What is wrong with it.
        error: LinkError,
    },
}

/// Where the leader is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Asks the followers what they hold.
    Starting,
    /// Asks them to promise its epoch.
    Claiming,
    /// Takes writes.
    Serving,
    /// Has met a higher epoch, and has stopped.
    Deposed {
        /// That epoch.
        by: Epoch,
    },
}

/// Something that an operator wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The leader takes writes from now on.
    Serving {
        /// Under this epoch.
        epoch: Epoch,
        /// As this cluster.
        cluster: ClusterId,
    },
    /// A follower is up.
    LinkUp {
        /// Its index from 0.
        follower: usize,
    },
    /// A follower is down, for a reason that is new.
    LinkDown {
        /// Its index from 0.
        follower: usize,
        /// Why.
        error: LinkError,
    },
    /// Another leader has taken over.
    Deposed {
        /// Its epoch.
        by: Epoch,
    },
}

fn numbers(indices: &[usize]) -> String {
    indices.iter().map(|index| (index + 1).to_string()).collect::<Vec<_>>().join(", ")
}
