//! At every commit, W different nodes have answered that they hold that very entry, under its epoch, and
//! durable ones held it on their disk when they said so; and so does a durable leader. Before a leader serves, W is that of the last
//! group too, if it is another one.

use std::collections::{BTreeMap, BTreeSet};

use kv_core::{Entry, Epoch, NodeId, Version};

use super::violation::Violation;
use crate::durable::image::Image;
use crate::durable::record::Meta;
use crate::protocol::message::Held;

/// What followers have said, by version: who, and under which epoch.
#[derive(Debug, Default)]
pub(in crate::testing::simulator) struct Answers {
    pending: BTreeMap<Version, BTreeSet<(Epoch, NodeId)>>,
    /// The highest mark that a node has told; everything below it is held.
    marks: BTreeMap<NodeId, Version>,
}

impl Answers {
    /// An answer leaves a follower. `disk` is what it would find if it died now.
    pub(in crate::testing::simulator) fn note(
        &mut self,
        held: &Held,
        disk: Option<&Image>,
    ) -> Result<(), Violation> {
        let node = held.identity.node;
        let mark = self.marks.entry(node).or_default();
        *mark = held.mark.max(*mark);
        // A reset that has come in between is a loss of memory like any other.
        let same_memory = |disk: &&Image| disk.meta.identity == held.identity;
        let disk = disk.filter(same_memory);
        if let Some(Meta { promised, counts, .. }) = disk.map(|disk| &disk.meta)
            && (*promised < held.promised || (held.counts && !counts))
        {
            let message = format!("{held:?}, and its disk says {promised:?}, counts: {counts}");
            return Err(("commit_has_quorum", message));
        }
        let above = held.ranges.iter().flatten().filter(|version| *version > held.mark);
        for version in above {
            let has = |disk: &Image| {
                let pending = disk.pending.get(&version);
                version <= disk.mark || pending.is_some_and(|entry| entry.epoch() == held.promised)
            };
            if disk.is_some_and(|disk| !has(disk)) {
                let message = format!("{node:?} says that it holds {version}, and its disk does not have it");
                return Err(("commit_has_quorum", message));
            }
            self.pending.entry(version).or_default().insert((held.promised, node));
        }
        Ok(())
    }

    /// `disk` is what the leader would find if it died now.
    pub(in crate::testing::simulator) fn check(
        &mut self,
        entry: &Entry,
        write: usize,
        disk: Option<&Image>,
    ) -> Result<(), Violation> {
        let version = entry.version();
        // What it has written again under its epoch may lie there under the last one.
        let same = |held: &Entry| held.operation() == entry.operation();
        let has = |disk: &Image| version <= disk.mark || disk.pending.get(&version).is_some_and(same);
        if disk.is_some_and(|disk| !has(disk)) {
            let message = format!("{entry:?} is committed, and the leader's disk does not have it");
            return Err(("commit_has_quorum", message));
        }
        let said = self.pending.get(&version).into_iter().flatten();
        let mut holders: BTreeSet<NodeId> =
            said.filter(|(epoch, _)| *epoch == entry.epoch()).map(|(_, node)| *node).collect();
        holders.extend(self.marks.iter().filter(|(_, mark)| **mark >= version).map(|(node, _)| *node));
        if holders.len() >= write {
            self.pending = self.pending.split_off(&version.saturating_sub(1_000));
            return Ok(());
        }
        Err((
            "commit_has_quorum",
            format!("{entry:?} is committed, and only {holders:?} have said they hold it"),
        ))
    }
}
