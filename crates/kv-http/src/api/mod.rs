//! One handler for each path. [`route`] is the way in, [`service`] is what all of them are given.

mod backup;
mod internal;
mod list;
mod parity;
mod read;
mod report;
pub(crate) mod route;
pub(crate) mod service;
mod status;
mod write;
