pub(crate) mod commit;
pub(crate) mod log;
