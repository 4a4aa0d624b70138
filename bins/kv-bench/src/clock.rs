//! The one place of this program that reads the time.

use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "measurements and deadlines of polls are in real time")]
pub fn now() -> Instant {
    Instant::now()
}
