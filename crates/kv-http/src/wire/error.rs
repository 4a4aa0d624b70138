//! Why bytes are not a message.

use kv_core::FrameError;
use thiserror::Error;

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// They end too early, or go on after the end.
    #[error("the message has a wrong length")]
    Length,
    /// A number that no sender writes.
    #[error("the message holds a value that is out of range")]
    Range,
    /// An entry that is none.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A text that is none.
    #[error("the message holds a text that is not UTF-8")]
    Text,
    /// An entry of another epoch than its sender's.
    #[error("an entry is of another epoch than the message")]
    Epoch,
}
