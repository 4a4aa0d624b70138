//! Reads that found nothing. They name no version, so a place has to be found for each.
//!
//! The places of a key at which nothing is there: before its first put, and after each delete and clear up
//! to the next put. Writes of unknown outcome and known version offer places of their own, and take effect
//! only if one is needed.
//!
//! Every absence takes the lowest place that is possible. Time bounds it from both sides: the higher the
//! place, the later must the absence have ended (everything below the place had begun by then); the lower
//! the place, the earlier must it have begun (the state after the place had not been seen). So going up
//! never mends the first bound, and the lowest place within the second is as good as any. And what a
//! removal of unknown outcome demands if it took effect, that no absence which ended before the removal
//! began lies above it, is met as well as it can be if all of them lie as low as they can. Absences
//! are taken in the order of their ends, so that it is known by then.

use std::collections::BTreeSet;

use crate::chains::Chains;
use crate::lookup::{ALL_KEYS, Lookup};
use crate::operation::{Outcome, Version};
use crate::order::Order;
use crate::unplaced::Unplaced;
use crate::violation::Violation;

/// Finds a place for every absence. Gives how many of them only writes of unknown version explain.
pub(crate) fn check(
    lookup: &Lookup<'_>,
    order: &Order,
    chains: &Chains,
    unplaced: &Unplaced,
) -> Result<usize, Box<Violation>> {
    let mut offers = Offers::new(lookup, order);
    let mut by_unplaced = 0;
    for (ended, absence) in absences(lookup) {
        offers.open(ended);
        let (key, began) = (lookup.keys[absence], lookup.of(absence).invoked);
        let Some((after, put, seen)) = chains.put_before(key, began) else {
            continue; // before the first put
        };
        let in_time =
            |place: &Version| order.begun_through(*place) <= ended && chains.last_read(key, *place) <= ended;
        let places =
            [chains.removal_after(key, after), offers.lowest(key, after), offers.lowest(ALL_KEYS, after)];
        let place = places.into_iter().flatten().filter(in_time).min();
        let other = unplaced.place(order, key, after, ended).filter(in_time);
        by_unplaced += usize::from(place.is_none() && other.is_some());
        match place.into_iter().chain(other).min() {
            Some(place) => offers.taken(place),
            None => {
                let [read, put, seen] = [absence, put, seen.operation].map(|it| lookup.of(it).clone());
                return Err(Box::new(Violation::NotAbsent { read, put, seen }));
            }
        }
    }
    Ok(by_unplaced)
}

/// End and operation, the first end first.
fn absences(lookup: &Lookup<'_>) -> Vec<(u64, usize)> {
    let all = lookup.operations.iter().enumerate();
    let mut absences: Vec<_> = all
        .filter(|(_, it)| it.outcome() == Outcome::Absent)
        .map(|(operation, it)| (it.ended(), operation))
        .collect();
    absences.sort_unstable();
    absences
}

/// Removals of unknown outcome whose version is known.
struct Offers {
    /// When it began, its key, its version; the first last.
    waiting: Vec<(u64, usize, Version)>,
    open: BTreeSet<(usize, Version)>,
    /// The highest place that was taken.
    highest: Version,
}

impl Offers {
    fn new(lookup: &Lookup<'_>, order: &Order) -> Self {
        let mut waiting = Vec::new();
        for (operation, it) in lookup.operations.iter().enumerate() {
            if let Outcome::Unknown(Some(version)) = it.outcome()
                && it.action.removes()
                && order.has_room_for(version, it.invoked)
            {
                waiting.push((it.invoked, lookup.keys[operation], version));
            }
        }
        waiting.sort_unstable_by(|one, other| other.cmp(one));
        Self { waiting, open: BTreeSet::new(), highest: 0 }
    }

    /// Those that began up to `moment` are possible, if nothing that ended before has a place above them.
    fn open(&mut self, moment: u64) {
        while let Some((_, key, version)) = self.waiting.pop_if(|(began, _, _)| *began <= moment) {
            if version > self.highest {
                self.open.insert((key, version));
            }
        }
    }

    fn lowest(&self, key: usize, after: Version) -> Option<Version> {
        self.open
            .range((key, after.saturating_add(1))..=(key, Version::MAX))
            .next()
            .map(|(_, version)| *version)
    }

    fn taken(&mut self, place: Version) {
        self.highest = self.highest.max(place);
    }
}
