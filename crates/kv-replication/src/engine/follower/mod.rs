//! A follower that is shared.

pub(crate) mod handle;
mod read;
mod shared;
pub(super) mod status;
