//! The writes that took effect, in the order of their versions.

use std::collections::BTreeMap;

use crate::lookup::{Found, Lookup, Moment};
use crate::operation::{Action, Operation, Outcome, Version};
use crate::violation::Violation;

/// A write that took effect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub version: Version,
    pub operation: usize,
    /// From when on it certainly was in effect: its own end, or that of the first read that shows it.
    pub seen: Moment,
}

/// All of them, lowest version first, and what follows from that for times.
#[derive(Debug)]
pub(crate) struct Order {
    pub writes: Vec<Write>,
    /// For each write: the last moment at which it, or one of a lower version, began.
    begun: Vec<Moment>,
    /// For each write: the first moment at which it, or one of a higher version, was seen.
    seen_from: Vec<Moment>,
    /// By the time at which they were seen: the highest version seen until then.
    highest_seen: Vec<(u64, Version, usize)>,
}

impl Order {
    /// Finds the writes that took effect; `found` is what reads have shown, lowest version first.
    pub(crate) fn new(lookup: &Lookup<'_>, found: &[Found]) -> Result<Self, Box<Violation>> {
        let mut writes = acknowledged(lookup)?;
        let acknowledged = writes.len();
        let unknown = Unknown::new(lookup);
        for reads in found.chunk_by(|one, other| one.0 == other.0) {
            let Some(&(version, first)) = reads.first() else { continue };
            let first_end = |seen: Moment, &(_, read): &Found| seen.min(lookup.ended(read));
            let seen = reads.iter().fold(lookup.ended(first), first_end);
            let of_reads = reads.iter().find(|(_, read)| !same_content(lookup.of(first), lookup.of(*read)));
            if let Some(&(_, read)) = of_reads {
                return Err(two_contents(lookup, version, first, read));
            }
            match writes.get(..acknowledged).map(|it| it.binary_search_by_key(&version, |it| it.version)) {
                Some(Ok(at)) => {
                    let write = &mut writes[at];
                    if !same_content(lookup.of(write.operation), lookup.of(first)) {
                        return Err(two_contents(lookup, version, write.operation, first));
                    }
                    write.seen = write.seen.min(seen);
                }
                _ => {
                    let operation = unknown.of(lookup, version, first)?;
                    writes.push(Write { version, operation, seen });
                }
            }
        }
        writes.sort_unstable_by_key(|write| write.version);
        Self::with(lookup, writes)
    }

    /// Every write must have had its version before it, or any of a higher version, was seen.
    fn with(lookup: &Lookup<'_>, writes: Vec<Write>) -> Result<Self, Box<Violation>> {
        let begun = running(writes.iter().map(|write| lookup.began(write.operation)), Moment::max);
        for (write, begun) in writes.iter().zip(&begun) {
            if write.seen.at < begun.at {
                return Err(against_time(lookup, write, begun.operation));
            }
        }
        let mut seen_from = running(writes.iter().rev().map(|write| write.seen), Moment::min);
        seen_from.reverse();
        let mut by_time: Vec<_> =
            writes.iter().map(|write| (write.seen.at, write.version, write.seen.operation)).collect();
        by_time.sort_unstable();
        let highest_seen =
            running(by_time, |one, next| if next.1 > one.1 { next } else { (next.0, one.1, one.2) });
        Ok(Self { writes, begun, seen_from, highest_seen })
    }

    /// How many writes have a version up to this one.
    pub(crate) fn count_through(&self, version: Version) -> usize {
        self.writes.partition_point(|write| write.version <= version)
    }

    /// Before this moment, no write with a higher version can have been in effect.
    pub(crate) fn begun_through(&self, version: Version) -> u64 {
        let last = self.count_through(version).checked_sub(1);
        last.and_then(|last| self.begun.get(last)).map_or(0, |moment| moment.at)
    }

    /// Whether a write that began at `invoked` may have taken effect with this version.
    pub(crate) fn has_room_for(&self, version: Version, invoked: u64) -> bool {
        let below = self.count_through(version);
        let taken = below.checked_sub(1).is_some_and(|last| self.writes[last].version == version);
        !taken && self.seen_from.get(below).is_none_or(|seen| invoked <= seen.at)
    }

    /// The highest version that was seen before this moment, and the operation that showed it.
    pub(crate) fn seen_before(&self, moment: u64) -> Option<(Version, usize)> {
        let last = self.highest_seen.partition_point(|(at, _, _)| *at < moment).checked_sub(1)?;
        self.highest_seen.get(last).map(|(_, version, operation)| (*version, *operation))
    }
}

/// What has come together up to each item.
pub(crate) fn running<T: Copy>(items: impl IntoIterator<Item = T>, join: impl Fn(T, T) -> T) -> Vec<T> {
    let mut so_far = None;
    let next = |item| {
        let joined = so_far.map_or(item, |before| join(before, item));
        so_far = Some(joined);
        joined
    };
    items.into_iter().map(next).collect()
}

fn acknowledged(lookup: &Lookup<'_>) -> Result<Vec<Write>, Box<Violation>> {
    let mut writes = Vec::new();
    for (operation, it) in lookup.operations.iter().enumerate() {
        if let Outcome::Written(version) = it.outcome() {
            writes.push(Write { version, operation, seen: lookup.ended(operation) });
        }
    }
    writes.sort_unstable_by_key(|write| (write.version, write.operation));
    for pair in writes.windows(2) {
        if let [first, second] = pair
            && first.version == second.version
        {
            return Err(Box::new(Violation::OneVersionTwice {
                version: first.version,
                first: lookup.of(first.operation).clone(),
                second: lookup.of(second.operation).clone(),
            }));
        }
    }
    Ok(writes)
}

/// Puts whose outcome is not known, of each kind the one that began first: where two of them wrote the
/// same, it is the one that explains most.
struct Unknown {
    told: BTreeMap<(Version, usize, u64), Moment>,
    untold: BTreeMap<(usize, u64), Moment>,
}

impl Unknown {
    fn new(lookup: &Lookup<'_>) -> Self {
        let (mut told, mut untold) = (BTreeMap::new(), BTreeMap::new());
        for (operation, it) in lookup.operations.iter().enumerate() {
            let (Action::Put { value, .. }, Outcome::Unknown(version)) = (&it.action, it.outcome()) else {
                continue;
            };
            let (key, began) = (lookup.keys[operation], lookup.began(operation));
            let first = match version {
                Some(version) => told.entry((version, key, *value)).or_insert(began),
                None => untold.entry((key, *value)).or_insert(began),
            };
            *first = began.min(*first);
        }
        Self { told, untold }
    }

    /// The put that a read shows, which nobody has acknowledged.
    fn of(&self, lookup: &Lookup<'_>, version: Version, read: usize) -> Result<usize, Box<Violation>> {
        let (key, value) = (lookup.keys[read], content(lookup.of(read)).map_or(0, |(_, value)| value));
        let told = self.told.get(&(version, key, value));
        let candidates = [told, self.untold.get(&(key, value))];
        if let Some(began) = candidates.into_iter().flatten().min() {
            return Ok(began.operation);
        }
        let refused = |it: &&Operation| {
            it.outcome() == Outcome::NotApplied
                && it.action != lookup.of(read).action
                && same_content(it, lookup.of(read))
        };
        let write = lookup.operations.iter().find(refused).cloned();
        let read = lookup.of(read).clone();
        Err(Box::new(match write {
            Some(write) => Violation::RefusedIsShown { write, read },
            None => Violation::NobodyWrote { read },
        }))
    }
}

/// The key and the value that a put writes, or that a read has found.
fn content(operation: &Operation) -> Option<(&str, u64)> {
    match (&operation.action, operation.outcome()) {
        (Action::Put { key, value }, _) => Some((key, *value)),
        (Action::Read { key }, Outcome::Found { value, .. }) => Some((key, value)),
        _ => None,
    }
}

fn same_content(one: &Operation, other: &Operation) -> bool {
    content(one).is_some() && content(one) == content(other)
}

fn two_contents(lookup: &Lookup<'_>, version: Version, first: usize, read: usize) -> Box<Violation> {
    let (first, read) = (lookup.of(first).clone(), lookup.of(read).clone());
    Box::new(Violation::TwoContents { version, first, read })
}

/// `write` was seen before `later` began, which has no higher version.
fn against_time(lookup: &Lookup<'_>, write: &Write, later: usize) -> Box<Violation> {
    let (seen, later_write) = (lookup.of(write.seen.operation).clone(), lookup.of(later).clone());
    Box::new(if later == write.operation {
        Violation::FromTheFuture { read: seen, write: later_write }
    } else {
        Violation::VersionsAgainstTime { earlier: seen, later: later_write }
    })
}
