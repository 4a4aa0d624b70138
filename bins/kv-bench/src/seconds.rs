//! Seconds, as flags have them.

use std::time::Duration;

/// More than nothing, at most a day.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let fits = |duration: &Duration| !duration.is_zero() && *duration <= Duration::from_secs(86_400);
    seconds.filter(fits).ok_or_else(|| "must be seconds, more than 0 and at most 86400".to_owned())
}
