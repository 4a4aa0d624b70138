//! One handler for each path.

pub(crate) mod backup;
pub(crate) mod internal;
pub(crate) mod list;
pub(crate) mod parity;
pub(crate) mod read;
pub(crate) mod route;
pub(crate) mod status;
pub(crate) mod write;
