//! From a version to a commit: the log, the acknowledgements, the commit index and what is readable.
//!
//! [`Replication`](commit::Replication) owns the log, the store and the commit index, and knows neither
//! followers nor clients. It is told who has acknowledged what, and up to where the leader's own copy is
//! durable; it decides what is committed, and says which writes can be answered.

pub(super) mod commit;
pub(super) mod cut;
pub(super) mod log;
