//! The writes that wait for an answer, each with its one deadline.

use std::collections::{BTreeMap, BTreeSet};

use kv_core::{Command, Version};

use crate::leader::ids::WriteId;
use crate::protocol::time::Time;

/// What a client wants, and how many acknowledgements it waits for.
#[derive(Clone, Debug)]
pub(in crate::leader) struct Wanted {
    pub(in crate::leader) command: Command,
    pub(in crate::leader) acks: usize,
}

/// Where a write stands.
#[derive(Clone, Debug)]
pub(in crate::leader) enum WriteState {
    /// It has no version: the leader is still finding out whether it can take it.
    Parked(Wanted),
    /// It is in the log.
    Assigned(Version),
}

/// All writes that have no answer yet.
#[derive(Clone, Debug, Default)]
pub(in crate::leader) struct Writes {
    open: BTreeMap<WriteId, (WriteState, Time)>,
    deadlines: BTreeSet<(Time, WriteId)>,
    parked: BTreeSet<WriteId>,
    parked_bytes: usize,
}

impl Writes {
    pub(in crate::leader) fn len(&self) -> usize {
        self.open.len()
    }

    /// The frames of all parked writes together.
    pub(in crate::leader) fn parked_bytes(&self) -> usize {
        self.parked_bytes
    }

    pub(in crate::leader) fn add(&mut self, id: WriteId, stage: WriteState, deadline: Time) {
        if let WriteState::Parked(wanted) = &stage {
            self.parked.insert(id);
            self.parked_bytes += wanted.command.frame_bytes();
        }
        self.open.insert(id, (stage, deadline));
        self.deadlines.insert((deadline, id));
    }

    pub(in crate::leader) fn remove(&mut self, id: WriteId) -> Option<(WriteState, Time)> {
        let (stage, deadline) = self.open.remove(&id)?;
        self.deadlines.remove(&(deadline, id));
        if let WriteState::Parked(wanted) = &stage {
            self.parked.remove(&id);
            self.parked_bytes -= wanted.command.frame_bytes();
        }
        Some((stage, deadline))
    }

    pub(in crate::leader) fn next_deadline(&self) -> Option<Time> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// A write whose deadline has come.
    pub(in crate::leader) fn next_expired(&self, now: Time) -> Option<WriteId> {
        let (deadline, id) = self.deadlines.first()?;
        (*deadline <= now).then_some(*id)
    }

    /// The oldest parked write.
    pub(in crate::leader) fn first_parked(&self) -> Option<WriteId> {
        self.parked.first().copied()
    }

    /// How many acknowledgements a parked write waits for.
    pub(in crate::leader) fn acks_wanted(&self, id: WriteId) -> Option<usize> {
        match self.open.get(&id) {
            Some((WriteState::Parked(wanted), _)) => Some(wanted.acks),
            _ => None,
        }
    }

    /// Every write that has a version, oldest first.
    pub(in crate::leader) fn assigned(&self) -> Vec<WriteId> {
        self.open.keys().filter(|id| !self.parked.contains(id)).copied().collect()
    }
}
