//! The naive twin: tries every order of everything (Wing and Gong, "Testing and verifying concurrent
//! objects", 1993), with every version that an unknown write may have had.

use std::collections::BTreeSet;

use kv_linearizability::{Action, Operation, Outcome, Version};

/// Whether there is an order of the steps that explains what was seen.
pub fn has_an_order(operations: &[Operation]) -> bool {
    let mut keys: Vec<&str> = operations.iter().filter_map(|it| it.action.key()).map(|key| &**key).collect();
    keys.sort_unstable();
    keys.dedup();
    let highest = operations.iter().filter_map(named_version).max().unwrap_or(0);
    let mut versions: Vec<Option<Version>> = operations.iter().map(written_version).collect();
    try_versions(operations, &keys, &mut versions, 0, highest + operations.len() as Version)
}

/// Gives each write whose version is not known every possible one in turn, and none at all.
fn try_versions(
    operations: &[Operation],
    keys: &[&str],
    versions: &mut [Option<Version>],
    from: usize,
    highest: Version,
) -> bool {
    let open = |it: &Operation| match (&it.action, it.outcome()) {
        (Action::Read { .. }, _) => false,
        (_, Outcome::Unknown(None) | Outcome::Cleared) => true,
        _ => false,
    };
    let Some(next) = (from..operations.len()).find(|index| open(&operations[*index])) else {
        return Search::new(operations, keys, versions).run();
    };
    for version in 1..=highest {
        versions[next] = Some(version);
        if try_versions(operations, keys, versions, next + 1, highest) {
            return true;
        }
    }
    versions[next] = None;
    operations[next].outcome() != Outcome::Cleared
        && try_versions(operations, keys, versions, next + 1, highest)
}

fn named_version(operation: &Operation) -> Option<Version> {
    match operation.outcome() {
        Outcome::Found { version, .. } => Some(version),
        _ => written_version(operation),
    }
}

fn written_version(operation: &Operation) -> Option<Version> {
    match (&operation.action, operation.outcome()) {
        (Action::Read { .. }, _) => None,
        (_, Outcome::Written(version)) => Some(version),
        (_, Outcome::Unknown(version)) => version,
        _ => None,
    }
}

/// What an operation does, one thing after the other, each at a moment of its own.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A write gets its version.
    Assign { write: usize },
    /// It comes into effect on a key.
    Apply { write: usize, key: usize },
    /// A read looks.
    Look { read: usize, key: usize },
}

struct Search<'a> {
    operations: &'a [Operation],
    versions: &'a [Option<Version>],
    keys_len: usize,
    steps: Vec<Step>,
    /// Those that must have been taken in the end.
    required: u64,
    seen: BTreeSet<u64>,
}

impl<'a> Search<'a> {
    fn new(operations: &'a [Operation], keys: &[&str], versions: &'a [Option<Version>]) -> Self {
        let mut search = Self {
            operations,
            versions,
            keys_len: keys.len(),
            steps: Vec::new(),
            required: 0,
            seen: BTreeSet::new(),
        };
        for (index, operation) in operations.iter().enumerate() {
            let on = operation.action.key().map(|key| keys.binary_search(&&**key).unwrap());
            let certain = matches!(operation.outcome(), Outcome::Written(_) | Outcome::Cleared);
            if versions[index].is_some() {
                search.add(Step::Assign { write: index }, certain);
                for key in (0..keys.len()).filter(|key| on.is_none_or(|on| on == *key)) {
                    search.add(Step::Apply { write: index, key }, certain);
                }
            } else if let (Outcome::Found { .. } | Outcome::Absent, Some(key)) = (operation.outcome(), on) {
                search.add(Step::Look { read: index, key }, true);
            }
        }
        search
    }

    fn add(&mut self, step: Step, required: bool) {
        self.required |= u64::from(required) << self.steps.len();
        self.steps.push(step);
    }

    fn run(&mut self) -> bool {
        self.from(0)
    }

    fn from(&mut self, taken: u64) -> bool {
        if taken & self.required == self.required {
            return true;
        }
        if !self.seen.insert(taken) {
            return false;
        }
        (0..self.steps.len()).any(|step| {
            taken & (1 << step) == 0 && self.may_take(step, taken) && self.from(taken | 1 << step)
        })
    }

    fn may_take(&self, step: usize, taken: u64) -> bool {
        let operation = |step: usize| match self.steps[step] {
            Step::Assign { write: it } | Step::Apply { write: it, .. } | Step::Look { read: it, .. } => {
                &self.operations[it]
            }
        };
        // Nothing that ended before this one began may be left.
        let late = |other: usize| {
            let ended = operation(other).completed.unwrap().0;
            ended < operation(step).invoked
        };
        let left = self.required & !taken;
        if (0..self.steps.len()).any(|other| left & (1 << other) != 0 && late(other)) {
            return false;
        }
        let version = |write: usize| self.versions[write].unwrap();
        match self.steps[step] {
            Step::Assign { write } => {
                let assigned = self.steps_of(taken).filter_map(|step| match step {
                    Step::Assign { write } => Some(version(write)),
                    _ => None,
                });
                assigned.max().unwrap_or(0) < version(write)
            }
            Step::Apply { write, key } => {
                let assigned =
                    self.steps_of(taken).any(|it| matches!(it, Step::Assign { write: it } if it == write));
                assigned && self.in_effect(taken, key).is_none_or(|newest| version(newest) < version(write))
            }
            Step::Look { read, key } => {
                let newest = self.in_effect(taken, key);
                let shown = newest.and_then(|write| match self.operations[write].action {
                    Action::Put { value, .. } => Some(Outcome::Found { version: version(write), value }),
                    _ => None,
                });
                self.operations[read].outcome() == shown.unwrap_or(Outcome::Absent)
            }
        }
    }

    fn steps_of(&self, taken: u64) -> impl Iterator<Item = Step> + '_ {
        (0..self.steps.len()).filter(move |step| taken & (1 << step) != 0).map(|step| self.steps[step])
    }

    fn in_effect(&self, taken: u64, on: usize) -> Option<usize> {
        debug_assert!(on < self.keys_len);
        let applied = self.steps_of(taken).filter_map(|step| match step {
            Step::Apply { write, key } if key == on => Some(write),
            _ => None,
        });
        applied.max_by_key(|write| self.versions[*write])
    }
}
