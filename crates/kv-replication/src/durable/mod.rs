//! What a durable node writes down, what that amounts to when it starts again, and where it goes.

pub(crate) mod image;
pub(crate) mod record;
#[cfg(feature = "engine")]
pub(crate) mod storage;
