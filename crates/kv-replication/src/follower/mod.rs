//! The follower's machine: it holds what a leader sends, and says what it holds.
//!
//! [`Follower`] (`machine`) is made of parts with private fields, none of which knows the machine or another part,
//! but for two that are stacked:
//!
//! * `content`: what it holds. The committed store up to the mark, and above it the entries that are pending, in
//!   an `overlay` of which versions count as held;
//! * `promises`: whom it follows. Identity, promise, cluster and groups, which outlive the process, and how far
//!   its leader has come;
//! * `snapshot`: a state on its way in, chunk by chunk, and the same handed out;
//! * `journal`: what the current call has to write down before its answer may leave.
//!
//! A request is first checked (`check`: everything that can refuse it, before anything changes), then taken in.
//! `adopt` is for writes that come without an epoch, and `reset` about a crash in the middle of forgetting everything.

mod adopt;
mod check;
mod content;
mod journal;
mod machine;
mod overlay;
mod promises;
mod reset;
pub(crate) mod snapshot;

pub use adopt::Adopted;
pub use machine::Follower;
