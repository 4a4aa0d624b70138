//! The one place that reads the time.

use std::time::Instant;

use crate::protocol::time::Time;

/// A clock whose origin is its own creation.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Starts at [`Time::ZERO`].
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// The time since its creation.
    #[must_use]
    pub fn now(&self) -> Time {
        Time::after_origin(self.origin.elapsed())
    }
}
