pub(crate) mod admission;
pub(crate) mod newest;
pub(crate) mod open;
