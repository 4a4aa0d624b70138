//! The log of a new epoch.

use std::collections::BTreeMap;

use kv_core::{Command, Entry, Epoch, Version};

use crate::leader::replication::log::Log;

/// The log above a state that was found: for every version up to the newest one that the state shows or the
/// union has, the union's entry, or a no-op where it has none. All are written again under `epoch`.
pub(in crate::leader) fn log_above(
    mark: Version,
    through: Version,
    union: &BTreeMap<Version, Entry>,
    epoch: Epoch,
) -> Log {
    // Never below what the state shows: no version is given twice.
    let last = union.last_key_value().map_or(through, |(last, _)| (*last).max(through));
    let mut log = Log::after(mark);
    for version in mark + 1..=last {
        let entry = match union.get(&version) {
            Some(entry) => entry.rewritten(epoch),
            None => Command::no_op().into_entry(epoch, version),
        };
        log.push(entry, None);
    }
    log
}

/// The own log with its tail written again under `epoch`. Its committed entries stay for followers that lack
/// them.
pub(in crate::leader) fn own_log_again(log: &Log, mark: Version, epoch: Epoch) -> Log {
    let mut again = Log::after(log.first() - 1);
    for entry in log.entries() {
        let (version, entry) = (entry.version(), entry.rewritten(epoch));
        if version <= mark { again.push_committed(entry) } else { again.push(entry, None) }
    }
    again
}

#[cfg(test)]
mod tests {
    use kv_core::{NodeId, Operation};

    use super::*;

    const NEW: Epoch = Epoch { counter: 2, node: NodeId(1) };

    #[test]
    fn holes_become_no_ops_up_to_the_newest_version_that_anybody_shows() {
        let entry = Command::no_op().into_entry(Epoch::ZERO, 5);
        let log = log_above(3, 6, &BTreeMap::from([(5, entry)]), NEW);
        let versions: Vec<_> = log.entries().map(Entry::version).collect();
        assert_eq!(versions, [4, 5, 6]);
        assert!(log.entries().all(|it| it.epoch() == NEW && matches!(it.operation(), Operation::NoOp)));
        assert_eq!(log_above(3, 3, &BTreeMap::new(), NEW).last(), 3);
    }
}
