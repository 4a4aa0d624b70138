//! What must hold, one property a file.

pub(super) mod bounded_queues;
pub(super) mod commit_has_quorum;
pub(super) mod equal_after_healing;
pub(super) mod full_disk_does_not_grow;
pub(super) mod marks_never_fall;
pub(super) mod monotonic_sessions;
pub(super) mod no_acknowledged_write_lost;
pub(super) mod no_dirty_read;
pub(super) mod one_content_per_version;
pub(super) mod uncommitted_is_in_the_log;
pub(super) mod violation;
pub(super) mod writes_in_real_time_order;
