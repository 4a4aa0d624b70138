pub(crate) mod ask;
pub(crate) mod build;
pub(crate) mod change;
pub(crate) mod pull;
