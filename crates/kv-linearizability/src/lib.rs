//! Is what clients saw what a linearizable store shows? In O(n log n) for n operations.
//!
//! A [`History`] is what clients did: each [`Operation`] with the times at which it began and ended, and
//! what the client was told. [`History::check`] says whether there is an order of all that
//! explains it, or gives the [`Violation`] with the operations that show it.
//!
//! In general this is NP-complete, already for one register (Gibbons and Korach, "Testing shared
//! memories", 1997): the order of concurrent writes has to be guessed. Here the store tells it. Every
//! write has a version, every read names the version that it shows, so what is left is to see whether an
//! order that is known fits the times.
//!
//! # What must hold
//!
//! 1. A version belongs to one write and has one content, and every content that is shown was written.
//! 2. Each write has a moment at which it gets its version, not before it begins, and the versions rise
//!    with these moments, over all keys. A write is in effect from some later moment on; an acknowledged one
//!    before its end.
//! 3. Each key is a linearizable register: its writes come into effect in the order of their
//!    versions, and every read shows, at some moment between its beginning and its end, what is in effect.
//!
//! Keys are linearizable each by itself, and so all of them together are (Herlihy and Wing,
//! "Linearizability", 1990), but not in the order of the versions: a leader may commit version 8 before
//! version 7, and show the one and not yet the other, if their keys differ. For the same reason a clear
//! is in effect on each key from a moment of its own.
//!
//! A write of unknown outcome has no end: it took effect at any time after it began, or never. If a read
//! shows it, it did. A delete or a clear that is never shown may still be what explains that a key is
//! absent; `absent.rs` says how its place is found.
//!
//! # How
//!
//! All three are inequalities between a moment at which something began and one at which something later
//! in the order was over. So it is enough to know, for each version, the last beginning up to it and the
//! first end from it on: a sort, two sweeps, and a binary search for each read.
//!
//! # What is not found
//!
//! A violation is never reported where there is an order. Where there is none, one is found, except:
//!
//! * A delete or clear of unknown outcome *and* version may explain any absence after its beginning, each
//!   absence by itself. So it is not found that two absences need it at two places.
//!   [`Checked::by_unplaced`] counts such absences.
//! * A clear that was acknowledged without its version ([`Outcome::Cleared`]) must have a place among the
//!   known versions, each such clear by itself, and explains absences from there to the next put, each by
//!   itself too.
//! * Two deletes or clears of unknown outcome to which two leaders gave one version: both may explain
//!   something, although only one of them can have taken effect.
//! * Puts of unknown outcome that wrote the same value under the same key are not told apart: give every
//!   put a value of its own.
//!
//! Not asked at all: whether a delete had something to delete. A write that was answered at a lower quorum
//! than the store's promises less: record it as unknown.
//!
//! A history begins with an empty store.

#![expect(clippy::indexing_slicing, reason = "operations and keys are numbered here, from 0 on")]

mod absent;
mod chains;
mod operation;
mod order;
mod unplaced;
mod violation;

use std::collections::BTreeMap;

pub use operation::{Action, Operation, Outcome, Version};
pub use violation::Violation;

use chains::Chains;
use order::{Found, Moment, Order};
use unplaced::Unplaced;

/// Stands for a value: FNV-1a over its bytes.
#[must_use]
pub fn fingerprint(value: &[u8]) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    value.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

/// Names one operation of one history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(usize);

/// What clients did. See the [crate's page](crate).
///
/// ```
/// use kv_linearizability::{Action, History, Outcome, Violation};
///
/// let mut history = History::new();
/// let put = history.invoke(10, Action::put("colour", 1));
/// history.complete(put, 20, Outcome::Written(1));
/// let read = history.invoke(30, Action::read("colour"));
/// history.complete(read, 40, Outcome::Absent);
/// assert!(matches!(*history.check().unwrap_err(), Violation::NotAbsent { .. }));
/// ```
#[derive(Clone, Debug, Default)]
pub struct History {
    operations: Vec<Operation>,
    misuse: Option<(OpId, &'static str)>,
}

/// A history in which everything held, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Checked {
    /// All operations.
    pub operations: usize,
    /// Writes that were acknowledged.
    pub written: usize,
    /// Reads that found something.
    pub found: usize,
    /// Reads, and deletes, that found nothing.
    pub absent: usize,
    /// Operations that were refused.
    pub not_applied: usize,
    /// Operations of unknown outcome.
    pub unknown: usize,
    /// Puts of unknown outcome that reads show.
    pub unknown_found: usize,
    /// Absences that only a delete or clear of unknown version explains, each by itself.
    pub by_unplaced: usize,
}

impl History {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An operation begins. `at` must lie before anything is sent; times need not rise.
    pub fn invoke(&mut self, at: u64, action: Action) -> OpId {
        self.operations.push(Operation { action, invoked: at, completed: None });
        OpId(self.operations.len() - 1)
    }

    /// An operation has ended; one that never does is of unknown outcome. An end that does not fit is
    /// [`Violation::NotAHistory`] when the history is checked.
    pub fn complete(&mut self, id: OpId, at: u64, outcome: Outcome) {
        match self.operations.get_mut(id.0) {
            Some(operation) if operation.completed.is_none() => operation.completed = Some((at, outcome)),
            _ => self.misuse = Some((id, "it ends twice")),
        }
    }

    /// All operations, in the order in which they were recorded.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Whether there is an order that explains it.
    ///
    /// # Errors
    /// The [`Violation`], if there is none: the first that is found, in no particular order.
    pub fn check(self) -> Result<Checked, Box<Violation>> {
        self.is_a_history()?;
        let lookup = Lookup::new(&self.operations);
        let found = found(&self.operations);
        let order = Order::new(&lookup, &found)?;
        let chains = Chains::new(&lookup, &order, &found);
        chains.check(&lookup, &found)?;
        let unplaced = Unplaced::new(&lookup, &order, &found)?;
        let by_unplaced = absent::check(&lookup, &order, &chains, &unplaced)?;
        Ok(self.count(&order, by_unplaced))
    }

    fn is_a_history(&self) -> Result<(), Box<Violation>> {
        let misuse = self.misuse.and_then(|(id, reason)| Some((self.operations.get(id.0)?, reason)));
        let mut problems = self.operations.iter().filter_map(|it| Some((it, it.problem()?)));
        match misuse.or_else(|| problems.next()) {
            None => Ok(()),
            Some((operation, reason)) => {
                Err(Box::new(Violation::NotAHistory { operation: operation.clone(), reason }))
            }
        }
    }

    fn count(&self, order: &Order, by_unplaced: usize) -> Checked {
        let mut checked = Checked { operations: self.operations.len(), by_unplaced, ..Checked::default() };
        for operation in &self.operations {
            *match operation.outcome() {
                Outcome::Written(_) | Outcome::Cleared => &mut checked.written,
                Outcome::Found { .. } => &mut checked.found,
                Outcome::Absent => &mut checked.absent,
                Outcome::NotApplied => &mut checked.not_applied,
                Outcome::Unknown(_) => &mut checked.unknown,
            } += 1;
        }
        let unknown =
            |write: &&order::Write| matches!(self.operations[write.operation].outcome(), Outcome::Unknown(_));
        checked.unknown_found = order.writes.iter().filter(unknown).count();
        checked
    }
}

impl FromIterator<Operation> for History {
    fn from_iter<I: IntoIterator<Item = Operation>>(operations: I) -> Self {
        Self { operations: operations.into_iter().collect(), misuse: None }
    }
}

/// The number of a clear's key.
const ALL_KEYS: usize = usize::MAX;

/// The operations, with numbers for their keys.
struct Lookup<'a> {
    operations: &'a [Operation],
    keys: Vec<usize>,
    keys_len: usize,
}

impl<'a> Lookup<'a> {
    fn new(operations: &'a [Operation]) -> Self {
        let mut numbers = BTreeMap::new();
        let mut number = |operation: &'a Operation| {
            let next = numbers.len();
            operation.action.key().map_or(ALL_KEYS, |key| *numbers.entry(&**key).or_insert(next))
        };
        let keys = operations.iter().map(&mut number).collect();
        Self { operations, keys, keys_len: numbers.len() }
    }

    fn of(&self, operation: usize) -> &'a Operation {
        &self.operations[operation]
    }

    fn began(&self, operation: usize) -> Moment {
        Moment { at: self.of(operation).invoked, operation }
    }

    fn ended(&self, operation: usize) -> Moment {
        Moment { at: self.of(operation).ended(), operation }
    }
}

/// What reads have found, lowest version first.
fn found(operations: &[Operation]) -> Vec<Found> {
    let version = |(operation, it): (usize, &Operation)| match it.outcome() {
        Outcome::Found { version, .. } => Some((version, operation)),
        _ => None,
    };
    let mut found: Vec<Found> = operations.iter().enumerate().filter_map(version).collect();
    found.sort_unstable();
    found
}
