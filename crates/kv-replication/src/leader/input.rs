//! What goes into the leader's machine.

use kv_core::Command;

use crate::leader::ids::{AttemptId, PersistId, ReadId, WriteId};
use crate::protocol::message::Reply;
use crate::protocol::time::Time;

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A client wants `command`; it gets exactly one [`Output::Answer`](crate::Output::Answer), by its deadline.
    Write {
        /// The caller's name for it.
        id: WriteId,
        /// What it wants.
        command: Command,
        /// How many acknowledgements it waits for, at most N; none: W. It decides only when the answer is
        /// given: a commit needs W in any case.
        acks: Option<usize>,
        /// When the answer must be there, whatever it is.
        deadline: Time,
    },
    /// A client wants to read what is newest; it gets exactly one [`Output::Confirmed`](crate::Output::Confirmed), by its deadline.
    Confirm {
        /// The caller's name for it.
        id: ReadId,
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
    /// These records, and those of all earlier batches, are durable.
    Persisted {
        /// Which batch.
        id: PersistId,
    },
    /// The leader's own disk has run full, or has space again: as long as it is full, there are no new writes.
    Disk {
        /// Which of the two.
        full: bool,
    },
    /// The node is going down: no new writes.
    Drain,
    /// The time of [`Leader::poll_timeout`](crate::Leader::poll_timeout) has come.
    Tick,
}
