//! The operations by number, with numbers for their keys.

use std::collections::BTreeMap;

use crate::operation::{Operation, Version};

/// A moment, and the operation that makes it matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    pub at: u64,
    pub operation: usize,
}

/// A version that a read has found.
pub(crate) type Found = (Version, usize);

/// The number of a clear's key.
pub(crate) const ALL_KEYS: usize = usize::MAX;

/// The operations, with numbers for their keys.
pub(crate) struct Lookup<'a> {
    pub(crate) operations: &'a [Operation],
    pub(crate) keys: Vec<usize>,
    pub(crate) keys_len: usize,
}

impl<'a> Lookup<'a> {
    pub(crate) fn new(operations: &'a [Operation]) -> Self {
        let mut numbers = BTreeMap::new();
        let mut number = |operation: &'a Operation| {
            let next = numbers.len();
            operation.action.key().map_or(ALL_KEYS, |key| *numbers.entry(&**key).or_insert(next))
        };
        let keys = operations.iter().map(&mut number).collect();
        Self { operations, keys, keys_len: numbers.len() }
    }

    pub(crate) fn of(&self, operation: usize) -> &'a Operation {
        &self.operations[operation]
    }

    pub(crate) fn began(&self, operation: usize) -> Moment {
        Moment { at: self.of(operation).invoked, operation }
    }

    pub(crate) fn ended(&self, operation: usize) -> Moment {
        Moment { at: self.of(operation).ended(), operation }
    }
}
