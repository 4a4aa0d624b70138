//! What a leader has not committed yet is in its log: only what is committed may leave.

use super::violation::Violation;
use crate::leader::machine::Leader;

pub(in crate::testing::simulator) fn check(leader: &Leader) -> Result<(), Violation> {
    let (first, mark) = (leader.log_first(), leader.mark());
    if first <= mark + 1 {
        return Ok(());
    }
    let message = format!("the log begins at {first}, and everything up to {mark} is committed");
    Err(("uncommitted_is_in_the_log", message))
}
