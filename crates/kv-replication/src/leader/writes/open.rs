//! The writes that wait for an answer, each with its one deadline.

use std::collections::{BTreeMap, BTreeSet};

use kv_core::{Command, Version};

use crate::leader::ids::WriteId;
use crate::protocol::time::Time;

/// What a client wants, and how many acknowledgements it waits for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) command: Command,
    pub(crate) acks: usize,
}

/// Where a write stands.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    /// It has no version: the leader is still finding out whether it can take it.
    Parked(Wanted),
    /// It is in the log.
    Assigned(Version),
}

/// All writes that have no answer yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writes {
    open: BTreeMap<WriteId, (Stage, Time)>,
    deadlines: BTreeSet<(Time, WriteId)>,
    parked: BTreeSet<WriteId>,
    parked_bytes: usize,
}

impl Writes {
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// The frames of all parked writes together.
    pub(crate) fn parked_bytes(&self) -> usize {
        self.parked_bytes
    }

    pub(crate) fn add(&mut self, id: WriteId, stage: Stage, deadline: Time) {
        if let Stage::Parked(wanted) = &stage {
            self.parked.insert(id);
            self.parked_bytes += wanted.command.frame_bytes();
        }
        self.open.insert(id, (stage, deadline));
        self.deadlines.insert((deadline, id));
    }

    pub(crate) fn remove(&mut self, id: WriteId) -> Option<(Stage, Time)> {
        let (stage, deadline) = self.open.remove(&id)?;
        self.deadlines.remove(&(deadline, id));
        if let Stage::Parked(wanted) = &stage {
            self.parked.remove(&id);
            self.parked_bytes -= wanted.command.frame_bytes();
        }
        Some((stage, deadline))
    }

    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// A write whose deadline has come.
    pub(crate) fn next_expired(&self, now: Time) -> Option<WriteId> {
        let (deadline, id) = self.deadlines.first()?;
        (*deadline <= now).then_some(*id)
    }

    /// The oldest parked write.
    pub(crate) fn first_parked(&self) -> Option<WriteId> {
        self.parked.first().copied()
    }

    /// How many acknowledgements a parked write waits for.
    pub(crate) fn acks_wanted(&self, id: WriteId) -> Option<usize> {
        match self.open.get(&id) {
            Some((Stage::Parked(wanted), _)) => Some(wanted.acks),
            _ => None,
        }
    }

    /// Every write that has a version, oldest first.
    pub(crate) fn assigned(&self) -> Vec<WriteId> {
        self.open.keys().filter(|id| !self.parked.contains(id)).copied().collect()
    }
}
