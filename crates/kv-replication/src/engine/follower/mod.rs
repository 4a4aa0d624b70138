//! A follower that several tasks share.

mod core;
mod durable;
pub(crate) mod handle;
mod read;
pub(super) mod status;
