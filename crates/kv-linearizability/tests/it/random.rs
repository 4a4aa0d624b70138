//! Random histories: of a store that is right, and what small changes make of them.

use std::collections::BTreeMap;

use kv_linearizability::{Action, Operation, Outcome, Version};
use proptest::prelude::*;

/// What one client does, and how long each part of it takes.
#[derive(Clone, Debug)]
struct Plan {
    kind: u8,
    key: u8,
    begins: u64,
    /// Until it has a version (or looks), until it is in effect on each key, until it ends.
    takes: (u64, [u64; 2], u64),
    fate: u8,
    /// How many versions before its own nobody heard of.
    skipped: Version,
}

/// A change of one operation.
#[derive(Clone, Debug)]
struct Change {
    operation: prop::sample::Index,
    other: prop::sample::Index,
    kind: u8,
    by: u64,
}

/// Which unknown outcomes there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknowns {
    /// Only of known version.
    Told,
    /// Of either kind, and clears that are acknowledged without a version.
    Any,
}

/// Histories of up to `most` operations on two keys; the flag says whether they were changed.
pub fn histories(most: usize, unknowns: Unknowns) -> impl Strategy<Value = (Vec<Operation>, bool)> {
    let plan = (0..12u8, 0..2u8, 0..40u64, (0..4u64, [0..3u64, 0..3u64], 0..4u64), 0..14u8, 0..2u64);
    let plan = plan.prop_map(|(kind, key, begins, takes, fate, skipped)| Plan {
        kind,
        key,
        begins,
        takes,
        fate,
        skipped,
    });
    let change = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..9u8, 0..20u64);
    let change = change.prop_map(|(operation, other, kind, by)| Change { operation, other, kind, by });
    let changes = prop_oneof![1 => Just(Vec::new()), 3 => prop::collection::vec(change, 1..4)];
    (prop::collection::vec(plan, most / 2..=most), changes).prop_map(move |(plans, changes)| {
        let mut operations = played(&plans, unknowns);
        for change in &changes {
            change.apply(&mut operations);
        }
        (operations, !changes.is_empty())
    })
}

impl Plan {
    fn action(&self, index: usize) -> Action {
        let key = if self.key == 0 { "a" } else { "b" };
        match self.kind {
            0..=3 => Action::put(key, index as u64),
            4 => Action::delete(key),
            5 => Action::Clear,
            _ => Action::read(key),
        }
    }

    fn looks_at(&self) -> u64 {
        self.begins + self.takes.0
    }

    fn applied_at(&self, key: usize) -> u64 {
        self.looks_at() + self.takes.1[key]
    }

    fn ends_at(&self) -> u64 {
        self.applied_at(0).max(self.applied_at(1)) + self.takes.2
    }

    /// It never gets a version, or is lost with its leader.
    fn has_effect(&self) -> bool {
        !matches!(self.fate, 0 | 1)
    }

    fn outcome(&self, version: Version, unknowns: Unknowns, action: &Action) -> Outcome {
        let any = unknowns == Unknowns::Any;
        match self.fate {
            0 => Outcome::NotApplied,
            3 | 1 if any => Outcome::Unknown(None),
            1..=4 => Outcome::Unknown(Some(version)),
            5..=7 if any && *action == Action::Clear => Outcome::Cleared,
            _ => Outcome::Written(version),
        }
    }
}

/// Plays the plans on a store that is right: a write is in effect from its moment on, unless one with a
/// higher version has been before.
fn played(plans: &[Plan], unknowns: Unknowns) -> Vec<Operation> {
    let actions: Vec<Action> = plans.iter().enumerate().map(|(index, plan)| plan.action(index)).collect();
    let is_write = |index: usize| !matches!(actions[index], Action::Read { .. });
    let mut writes: Vec<usize> = (0..plans.len()).filter(|index| is_write(*index)).collect();
    writes.sort_by_key(|index| plans[*index].looks_at());
    let mut versions = BTreeMap::new();
    let mut last = 0;
    for index in writes {
        last += 1 + plans[index].skipped;
        versions.insert(index, last);
    }
    let looked = |key: u8, at: u64| {
        let applies = |(index, _): &(&usize, &Version)| {
            let plan = &plans[**index];
            let there = plan.key == key || actions[**index] == Action::Clear;
            plan.has_effect() && there && plan.applied_at(usize::from(key)) <= at
        };
        let (index, version) = versions.iter().filter(applies).max_by_key(|(_, version)| **version)?;
        match actions[*index] {
            Action::Put { value, .. } => Some(Outcome::Found { version: *version, value }),
            _ => None,
        }
    };
    let end = |(index, plan): (usize, &Plan)| {
        let outcome = match versions.get(&index) {
            Some(version) => plan.outcome(*version, unknowns, &actions[index]),
            None => looked(plan.key, plan.looks_at()).unwrap_or(Outcome::Absent),
        };
        let completed = Some((plan.ends_at(), outcome));
        Operation { action: actions[index].clone(), invoked: plan.begins, completed }
    };
    plans.iter().enumerate().map(end).collect()
}

impl Change {
    fn apply(&self, operations: &mut [Operation]) {
        let (index, other) = (self.operation.index(operations.len()), self.other.index(operations.len()));
        let other_one = operations[other].clone();
        let it = &mut operations[index];
        let (at, outcome) = it.completed.unwrap();
        let is_read = matches!(it.action, Action::Read { .. });
        match self.kind {
            0 => it.invoked = (it.invoked + self.by).min(at),
            1 => it.invoked = it.invoked.saturating_sub(self.by),
            2 => it.completed = Some((it.invoked, outcome)),
            3 => {
                it.invoked += self.by;
                it.completed = Some((at + self.by, outcome));
            }
            // A read of the other one's key, which shows that one.
            4..=6 if is_read => {
                let Some(key) = other_one.action.key() else { return };
                it.action = Action::read(key.clone());
                it.completed = Some((at, shown_by(&other_one).unwrap_or(Outcome::Absent)));
            }
            7 if is_read => it.completed = Some((at, Outcome::Absent)),
            8 if is_read => {
                let value = self.by;
                if let Outcome::Found { version, .. } = outcome {
                    it.completed = Some((at, Outcome::Found { version, value }));
                }
            }
            _ if is_read => {}
            4 | 5 => swap_versions(operations, index, other),
            6 => it.completed = Some((at, forgotten(outcome))),
            7 => it.completed = Some((at, Outcome::NotApplied)),
            _ if matches!(it.action, Action::Delete { .. }) => it.completed = Some((at, Outcome::Absent)),
            _ => it.completed = Some((at, version_of(&other_one).map_or(outcome, Outcome::Written))),
        }
    }
}

fn version_of(operation: &Operation) -> Option<Version> {
    match operation.outcome() {
        Outcome::Written(version) | Outcome::Unknown(Some(version)) | Outcome::Found { version, .. } => {
            Some(version)
        }
        _ => None,
    }
}

/// What a read finds that sees this put, or what this read has found.
fn shown_by(operation: &Operation) -> Option<Outcome> {
    match (&operation.action, operation.outcome()) {
        (Action::Put { value, .. }, _) => {
            version_of(operation).map(|version| Outcome::Found { version, value: *value })
        }
        (Action::Read { .. }, outcome) => Some(outcome),
        _ => None,
    }
}

fn swap_versions(operations: &mut [Operation], one: usize, other: usize) {
    let of_write = |operation: &Operation| match operation.completed {
        Some((_, Outcome::Written(version))) => Some(version),
        _ => None,
    };
    let (Some(first), Some(second)) = (of_write(&operations[one]), of_write(&operations[other])) else {
        return;
    };
    for (index, version) in [(one, second), (other, first)] {
        operations[index].completed =
            Some((operations[index].completed.unwrap().0, Outcome::Written(version)));
    }
}

/// Acknowledged becomes unknown, and the other way round.
fn forgotten(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Written(version) => Outcome::Unknown(Some(version)),
        Outcome::Unknown(Some(version)) => Outcome::Written(version),
        other => other,
    }
}
