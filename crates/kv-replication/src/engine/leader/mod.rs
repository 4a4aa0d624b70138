//! A leader at work.

pub(super) mod handle;
mod read;
mod run;
mod shared;
pub(super) mod status;
mod write;
