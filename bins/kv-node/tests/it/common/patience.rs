//! Nothing waits for a fixed time: polls with a deadline.

use std::time::{Duration, Instant};

/// Far more than anything takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Polls until it is so.
pub fn eventually(what: &str, is_so: impl FnMut() -> bool) {
    eventually_within(PATIENCE, what, is_so);
}

/// As [`eventually`], with another deadline.
pub fn eventually_within(patience: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let start = now();
    while !is_so() {
        assert!(start.elapsed() < patience, "not in time: {what}");
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "deadlines of polls, and how long a real answer took")]
pub fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the pause of a poll with a deadline, and of clients")]
pub fn pause() {
    std::thread::sleep(POLL_INTERVAL);
}
