//! A leader at work.

mod core;
pub(super) mod handle;
mod read;
mod run;
mod running;
pub(super) mod status;
mod write;
