//! Deletes and clears whose version is not known.

use crate::lookup::{ALL_KEYS, Found, Lookup};
use crate::operation::{Action, Outcome, Version};
use crate::order::{Order, running};
use crate::violation::Violation;

/// What they may explain. Each is taken by itself, as if the others had no effect: that never finds
/// fault with a good history.
#[derive(Debug)]
pub(crate) struct Unplaced {
    /// For each key, when the first of its deletes began; `u64::MAX` if there is none.
    deletes: Vec<u64>,
    /// The version below which a clear must lie, and when it, or one with more room, first began.
    clears: Vec<(Version, u64)>,
}

impl Unplaced {
    /// Finds them. An acknowledged clear must have a place among the known versions.
    pub(crate) fn new(lookup: &Lookup<'_>, order: &Order, found: &[Found]) -> Result<Self, Box<Violation>> {
        let (mut deletes, mut clears) = (vec![u64::MAX; lookup.keys_len], Vec::new());
        let mut later = None;
        for (operation, it) in lookup.operations.iter().enumerate() {
            let key = lookup.keys[operation];
            match (&it.action, it.outcome()) {
                (Action::Delete { .. }, Outcome::Unknown(None)) => {
                    deletes[key] = deletes[key].min(it.invoked);
                }
                (Action::Clear, Outcome::Unknown(None)) => clears.push((Version::MAX, it.invoked)),
                (Action::Clear, Outcome::Cleared) => {
                    let later = later.get_or_insert_with(|| lowest_from(lookup, order, found));
                    clears.push((below(lookup, order, later, operation)?, it.invoked));
                }
                _ => {}
            }
        }
        clears.sort_unstable_by(|one, other| other.cmp(one));
        let mut clears = running(clears, |widest, next| (next.0, next.1.min(widest.1)));
        clears.reverse();
        Ok(Self { deletes, clears })
    }

    /// The lowest place above `after` at which one of them may have removed the key by `moment`. It is
    /// given as the version right below it.
    pub(crate) fn place(&self, order: &Order, key: usize, after: Version, moment: u64) -> Option<Version> {
        let roomy = self.clears.partition_point(|(below, _)| *below <= after.saturating_add(1));
        let clear = self.clears.get(roomy).map_or(u64::MAX, |(_, invoked)| *invoked);
        let invoked = self.deletes[key].min(clear);
        // An operation that never began is one of the last moment.
        let began = invoked <= moment && invoked < u64::MAX;
        began.then(|| order.seen_before(invoked).map_or(after, |(seen, _)| seen.max(after)))
    }
}

/// What began last, last; for each, the lowest version that it or anything later has or shows.
type LowestFrom = Vec<(u64, Version, usize)>;

fn lowest_from(lookup: &Lookup<'_>, order: &Order, found: &[Found]) -> LowestFrom {
    let writes = order.writes.iter().map(|write| (write.version, write.operation));
    let all = writes.chain(found.iter().copied());
    let mut all: Vec<_> =
        all.map(|(version, operation)| (lookup.of(operation).invoked, version, operation)).collect();
    all.sort_unstable_by(|one, other| other.cmp(one));
    let mut lowest = running(all, |one, next| if next.1 < one.1 { next } else { (next.0, one.1, one.2) });
    lowest.reverse();
    lowest
}

/// The version below which an acknowledged clear must lie, by what began after its end.
fn below(
    lookup: &Lookup<'_>,
    order: &Order,
    later: &LowestFrom,
    clear: usize,
) -> Result<Version, Box<Violation>> {
    debug_assert_eq!(lookup.keys[clear], ALL_KEYS);
    let end = lookup.ended(clear).at;
    let Some(&(_, below, after)) = later.get(later.partition_point(|(began, _, _)| *began <= end)) else {
        return Ok(Version::MAX);
    };
    let above = order.seen_before(lookup.of(clear).invoked).map_or(0, |(version, _)| version);
    let between = below.saturating_sub(1).saturating_sub(above);
    let taken = order.count_through(below - 1).saturating_sub(order.count_through(above)) as u64;
    if between > taken {
        return Ok(below);
    }
    let (clear, after) = (lookup.of(clear).clone(), lookup.of(after).clone());
    Err(Box::new(Violation::NotCleared { clear, after }))
}
