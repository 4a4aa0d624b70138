//! What comes out of the leader's machine.

use kv_core::{Entry, Epoch, Version};

use crate::durable::record::Record;
use crate::leader::ids::{AttemptId, PersistId, ReadId, WriteId};
use crate::leader::links::error::LinkError;
use crate::leader::problem::{ConfirmError, StartProblem, WriteError};
use crate::protocol::message::{ClusterId, Request};

/// What to do.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send `request`, and tell how it went with [`Input::Reply`](crate::Input::Reply) or [`Input::Failed`](crate::Input::Failed).
    Send {
        /// Names the attempt.
        attempt: AttemptId,
        /// The index of the follower, from 0.
        follower: usize,
        /// What to send.
        request: Request,
    },
    /// Write these down, after those of earlier batches, and tell with [`Input::Persisted`](crate::Input::Persisted). What must
    /// wait for it waits in the machine. Only on a durable leader.
    Persist {
        /// Names the batch.
        id: PersistId,
        /// What to write, in order.
        records: Vec<Record>,
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
    /// What the store shows now is linearizable for this read, or why nobody knows.
    Confirmed {
        /// Which read.
        id: ReadId,
        /// The commit mark; everything that was acknowledged before the read came is at or below it, or
        /// already in the store.
        result: Result<Version, ConfirmError>,
    },
    /// Something that an operator wants to know.
    Event(Event),
}

/// A write that is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The write with its version.
    pub entry: Entry,
    /// Acknowledgements when the answer was decided; at least as many as were asked for.
    pub acks: usize,
}

/// Something that an operator wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The leader does not serve yet, for a reason that is new.
    Waiting {
        /// Why.
        problem: StartProblem,
    },
    /// The leader takes writes from now on.
    Serving {
        /// Under this epoch.
        epoch: Epoch,
        /// As this cluster.
        cluster: ClusterId,
        /// Everything up to this version was there before.
        recovered: Version,
    },
    /// A follower that had lost its memory counts again.
    Counted {
        /// Its index from 0.
        follower: usize,
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
    /// The leader's own disk has run full, or has space again.
    DiskFull {
        /// Which of the two.
        full: bool,
    },
    /// Another leader has taken over.
    Deposed {
        /// Its epoch.
        by: Epoch,
    },
}
