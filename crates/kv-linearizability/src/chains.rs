//! The states of each key, one after the other, and the reads that show one of them.

use crate::lookup::{Found, Lookup, Moment};
use crate::operation::Version;
use crate::order::{Order, Write, running};
use crate::violation::Violation;

/// What happens to one key, lowest version first. What clears do to it is in [`Chains::clears`].
#[derive(Debug, Default)]
struct Chain {
    writes: Steps,
    removals: Vec<Version>,
    /// Each put, with the first moment at which it or any later state of the key was seen.
    puts: Vec<(Version, usize, Moment)>,
    /// For each write, when the last of the reads began that show it or one before it.
    last_read: Vec<u64>,
}

/// Writes of rising versions.
#[derive(Debug, Default)]
struct Steps {
    versions: Vec<Version>,
    /// For each of them, the first moment at which it or a later one was seen.
    seen_from: Vec<Moment>,
}

#[derive(Debug)]
pub(crate) struct Chains {
    keys: Vec<Chain>,
    clears: Steps,
}

impl Steps {
    fn new<'a>(writes: impl DoubleEndedIterator<Item = &'a Write> + Clone) -> Self {
        let mut seen_from = running(writes.clone().rev().map(|write| write.seen), Moment::min);
        seen_from.reverse();
        Self { versions: writes.map(|write| write.version).collect(), seen_from }
    }

    /// The first moment at which one of them with this version or a higher one was seen.
    fn seen_from(&self, version: Version) -> Option<Moment> {
        self.seen_from.get(self.versions.partition_point(|it| *it < version)).copied()
    }
}

impl Chains {
    pub(crate) fn new(lookup: &Lookup<'_>, order: &Order, found: &[Found]) -> Self {
        let mut of_keys = vec![Vec::new(); lookup.keys_len];
        let mut clears = Vec::new();
        for write in &order.writes {
            match of_keys.get_mut(lookup.keys[write.operation]) {
                Some(writes) => writes.push(*write),
                None => clears.push(*write),
            }
        }
        let mut chains = Self { keys: Vec::new(), clears: Steps::new(clears.iter()) };
        chains.keys = of_keys.iter().map(|writes| chains.chain(lookup, writes)).collect();
        for &(version, read) in found {
            let chain = &mut chains.keys[lookup.keys[read]];
            if let Ok(at) = chain.writes.versions.binary_search(&version) {
                chain.last_read[at] = chain.last_read[at].max(lookup.of(read).invoked);
            }
        }
        for chain in &mut chains.keys {
            chain.last_read = running(std::mem::take(&mut chain.last_read), u64::max);
        }
        chains
    }

    fn chain(&self, lookup: &Lookup<'_>, writes: &[Write]) -> Chain {
        let removes = |write: &&Write| lookup.of(write.operation).action.removes();
        let steps = Steps::new(writes.iter());
        let puts = writes.iter().filter(|write| !removes(write)).filter_map(|write| {
            Some((write.version, write.operation, self.seen_from(&steps, write.version)?))
        });
        Chain {
            puts: puts.collect(),
            removals: writes.iter().filter(removes).map(|write| write.version).collect(),
            last_read: vec![0; writes.len()],
            writes: steps,
        }
    }

    /// The first moment at which a key was seen as it is from this version on.
    fn seen_from(&self, writes: &Steps, version: Version) -> Option<Moment> {
        [writes, &self.clears].into_iter().filter_map(|steps| steps.seen_from(version)).min()
    }

    /// A read must not show what something later had replaced before the read began.
    pub(crate) fn check(&self, lookup: &Lookup<'_>, found: &[Found]) -> Result<(), Box<Violation>> {
        for &(version, read) in found {
            let chain = &self.keys[lookup.keys[read]];
            if let Some(seen) = self.seen_from(&chain.writes, version.saturating_add(1))
                && seen.at < lookup.of(read).invoked
            {
                let (read, seen) = (lookup.of(read).clone(), lookup.of(seen.operation).clone());
                return Err(Box::new(Violation::StaleRead { read, seen }));
            }
        }
        Ok(())
    }

    /// The last put of a key that had been replaced, or seen, before `invoked`: whoever finds the key
    /// absent then has found it so after this put. None: it may have been the first state of all.
    pub(crate) fn put_before(&self, key: usize, invoked: u64) -> Option<(Version, usize, Moment)> {
        let puts = &self.keys[key].puts;
        puts.partition_point(|(_, _, seen)| seen.at < invoked).checked_sub(1).map(|last| puts[last])
    }

    /// The first write above `version` that leaves nothing under the key.
    pub(crate) fn removal_after(&self, key: usize, version: Version) -> Option<Version> {
        let first =
            |versions: &[Version]| versions.get(versions.partition_point(|it| *it <= version)).copied();
        [first(&self.keys[key].removals), first(&self.clears.versions)].into_iter().flatten().min()
    }

    /// When the last of the reads began that show the key as it was at `version` or before.
    pub(crate) fn last_read(&self, key: usize, version: Version) -> u64 {
        let chain = &self.keys[key];
        let last = chain.writes.versions.partition_point(|it| *it <= version).checked_sub(1);
        last.map_or(0, |last| chain.last_read[last])
    }
}
