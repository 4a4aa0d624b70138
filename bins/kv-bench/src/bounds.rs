//! Numbers of flags that must lie between two bounds: a command that has begun does not fail by them.

use std::ops::RangeInclusive;

/// Connections, or workers, at once: each is a socket and a task.
pub const CONNECTIONS_MAX: usize = 10_000;
/// Keys that a run may touch.
pub const KEYS_MAX: u64 = 100_000_000;
/// Writes of one measurement whose latencies are all kept.
pub const WRITES_MAX: usize = 10_000_000;
/// The longest value that a node takes.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
const ROUNDS_MAX: usize = 1_000;

pub fn connections(text: &str) -> Result<usize, String> {
    within(text, 1..=CONNECTIONS_MAX)
}

pub fn rounds(text: &str) -> Result<usize, String> {
    within(text, 1..=ROUNDS_MAX)
}

pub fn keys(text: &str) -> Result<u64, String> {
    within(text, 1..=KEYS_MAX)
}

pub fn value_bytes(text: &str) -> Result<usize, String> {
    within(text, 0..=VALUE_BYTES_MAX)
}

fn within<T: std::str::FromStr + PartialOrd + std::fmt::Display>(
    text: &str,
    range: RangeInclusive<T>,
) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("must be a whole number, {} to {}", range.start(), range.end()))
}

#[cfg(test)]
mod tests {
    use kv_http::ServerConfig;

    use super::*;

    #[test]
    fn a_number_out_of_its_bounds_is_refused() {
        assert_eq!(connections("64"), Ok(64));
        assert_eq!(rounds("0"), Err("must be a whole number, 1 to 1000".to_owned()));
        for text in ["0", "-1", "1e3", "", "99999999999999999999"] {
            assert!(connections(text).is_err() && keys(text).is_err(), "{text}");
        }
        assert!(value_bytes("0").is_ok() && value_bytes("1048577").is_err());
    }

    #[test]
    fn the_longest_value_is_that_of_a_node() {
        assert_eq!(VALUE_BYTES_MAX, ServerConfig::default().value_bytes_max);
    }
}
