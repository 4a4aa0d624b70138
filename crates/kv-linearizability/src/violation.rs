//! What a history can show that no linearizable store would.

use thiserror::Error;

use crate::operation::{Operation, Version};

/// Why a history is not linearizable, with the operations that show it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Violation {
    /// Not a history: the recorder is wrong, not the store.
    #[error("not a history: {reason}: {operation}")]
    NotAHistory {
        /// What is wrong with it.
        operation: Operation,
        /// What that is.
        reason: &'static str,
    },
    /// Two acknowledged writes have one version.
    #[error("two writes have version {version}: {first}; {second}")]
    OneVersionTwice {
        /// That version.
        version: Version,
        /// One of them.
        first: Operation,
        /// The other.
        second: Operation,
    },
    /// A version has two contents: what a write wrote and what a read shows, or what two reads show.
    #[error("version {version} has two contents: {first}; {read}")]
    TwoContents {
        /// That version.
        version: Version,
        /// The write, or another read.
        first: Operation,
        /// A read that shows something else.
        read: Operation,
    },
    /// A read shows what nobody wrote.
    #[error("nobody wrote this: {read}")]
    NobodyWrote {
        /// The read.
        read: Operation,
    },
    /// A read shows a write that was refused as not applied.
    #[error("refused, and shown all the same: {write}; {read}")]
    RefusedIsShown {
        /// The write.
        write: Operation,
        /// The read.
        read: Operation,
    },
    /// A write was over before another one began, and has the higher version.
    #[error("versions against time: {earlier} was over before {later} began")]
    VersionsAgainstTime {
        /// It has the higher version, and was over first; a read, if that is what showed the version.
        earlier: Operation,
        /// It has the lower version.
        later: Operation,
    },
    /// A read was over before the write began that it shows.
    #[error("read from the future: {read} was over before {write} began")]
    FromTheFuture {
        /// The read.
        read: Operation,
        /// The write.
        write: Operation,
    },
    /// A read shows a version although a later one of the key had been in effect before the read began.
    #[error("stale read: before {read} began, a later state had been seen: {seen}")]
    StaleRead {
        /// The read.
        read: Operation,
        /// Over before it began: the later write, or another read that shows it.
        seen: Operation,
    },
    /// A key was not found although it was there, and nothing that can have removed it explains that.
    #[error(
        "not absent: {read} found nothing after {put}, in effect as {seen} shows, and nothing removed it"
    )]
    NotAbsent {
        /// The read, or the delete.
        read: Operation,
        /// The last put that must have come before it.
        put: Operation,
        /// Over before the read began: that write, a later one, or a read that shows one of them.
        seen: Operation,
    },
    /// A clear was acknowledged, and afterwards something shows no higher version than what had been seen
    /// before the clear.
    #[error("not cleared: {clear} was over before {after} began, and no version below that is free for it")]
    NotCleared {
        /// The clear; its version was not told.
        clear: Operation,
        /// A write, or a read, with a version that is too low.
        after: Operation,
    },
}
