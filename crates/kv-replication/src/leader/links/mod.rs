pub(crate) mod error;
pub(crate) mod full;
pub(crate) mod link;
pub(crate) mod push;
pub(crate) mod refill;
pub(crate) mod status;
