//! A leader at work.
//!
//! `core` is the machine with those who wait for its answers, behind one lock; `running` is that lock with the
//! clock, the disk and the loop's bell. `handle` starts and ends it all, `run` is the loop, and `write`, `read` and
//! `status` are the methods of the handle. The page of the engine follows a write through them.

mod core;
pub(super) mod handle;
mod read;
mod run;
mod running;
pub(super) mod status;
mod write;
