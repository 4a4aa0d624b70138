//! A recorded history, and the way through its check.

use crate::absent;
use crate::chains::Chains;
use crate::lookup::{Found, Lookup};
use crate::operation::{Action, Operation, Outcome};
use crate::order::{Order, Write};
use crate::unplaced::Unplaced;
use crate::violation::Violation;

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
            |write: &&Write| matches!(self.operations[write.operation].outcome(), Outcome::Unknown(_));
        checked.unknown_found = order.writes.iter().filter(unknown).count();
        checked
    }
}

impl FromIterator<Operation> for History {
    fn from_iter<I: IntoIterator<Item = Operation>>(operations: I) -> Self {
        Self { operations: operations.into_iter().collect(), misuse: None }
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
