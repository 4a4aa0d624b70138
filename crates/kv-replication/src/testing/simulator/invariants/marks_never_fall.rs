//! A node's mark never falls while it keeps its memory.

use kv_core::Version;

use super::violation::Violation;
use crate::protocol::message::Held;

/// `shown` is the memory (which reset) and its highest mark so far.
pub(in crate::testing::simulator) fn check(shown: &mut (u64, Version), held: &Held) -> Result<(), Violation> {
    if shown.0 == held.identity.resets && held.mark < shown.1 {
        return Err(("marks_never_fall", format!("{held:?} after a mark of {}", shown.1)));
    }
    *shown = (held.identity.resets, held.mark);
    Ok(())
}
