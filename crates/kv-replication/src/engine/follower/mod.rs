//! A follower that several tasks share.
//!
//! `core` is the machine with those who wait for it to get somewhere, behind one lock. `handle` starts and ends it,
//! and has the requests that change it; `read` and `status` are its other methods. `durable` is the follower as the
//! thread of its disk sees it. There is no loop: each request does its work in the task that brought it.

mod core;
mod durable;
pub(crate) mod handle;
mod read;
pub(super) mod status;
