//! How much memory a follower that is away may cost its leader.

use kv_replication::Limits;

/// What an entry of the log costs beside its frame: the counts of the shared allocation (16), what the
/// allocator adds and rounds up (at most 23), and its slot in a ring that doubles when it is full (48,
/// twice).
const ENTRY_OVERHEAD_BYTES: u64 = 16 + 23 + 2 * 48;

/// The log at its hard limit, whichever of the two comes first, and every request that can be under way,
/// each with its entries encoded and once more on its way through the socket.
pub fn growth_bytes_max(limits: &Limits, followers: u64, frame_bytes: u64) -> u64 {
    let by_count = limits.log_entries_hard_max as u64;
    let by_bytes = limits.log_bytes_hard_max as u64 / frame_bytes.max(1);
    let log = by_count.min(by_bytes) * (frame_bytes + ENTRY_OVERHEAD_BYTES);
    let batch = (limits.batch_bytes_max as u64).min(limits.batch_entries_max as u64 * frame_bytes);
    log + 2 * followers * limits.requests_in_flight_max as u64 * batch
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        writes_in_flight_max: 1,
        reads_waiting_max: 1,
        log_entries_max: 10,
        log_bytes_max: 1_000,
        log_entries_hard_max: 20,
        log_bytes_hard_max: 2_000,
        parked_bytes_max: 1,
        window_entries_max: 5,
        batch_entries_max: 4,
        batch_bytes_max: 300,
        requests_in_flight_max: 3,
    };

    /// Twenty entries of 50 bytes are there before 2,000 bytes are; of 200 bytes it is ten.
    #[test]
    fn the_limit_that_is_reached_first_counts() {
        assert_eq!(growth_bytes_max(&LIMITS, 5, 50), 20 * (50 + 135) + 2 * 5 * 3 * 200);
        assert_eq!(growth_bytes_max(&LIMITS, 5, 200), 10 * (200 + 135) + 2 * 5 * 3 * 300);
    }
}
