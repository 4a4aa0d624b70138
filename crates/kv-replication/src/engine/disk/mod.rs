//! The thread that writes a node's records down.
//!
//! It takes all that has been queued, writes it, syncs once, and then lets out everything that waited for
//! it: the more comes together, the less a sync costs each. A checkpoint is written by a thread of its
//! own, which reads the state part by part.
//!
//! The queue has no limit of its own. What is in it belongs to requests or writes that wait for it, and
//! those are limited: on a leader by `window_entries_max`, on a follower by what leaders may have under
//! way at once.

mod checkpoint;
pub(super) mod client;
pub(super) mod queue;
pub(super) mod worker;
